//! What stands around a monitor may want to know of its run.

use serde::Serialize;

/// Where a run stands, in short.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct Summary {
    /// The pipeline's name, once it is known.
    pub name: Option<String>,
    /// Where it stands, by the name that the server's list uses: `running`, `completed`, `cancelled`, …
    #[cfg_attr(feature = "types", ts(type = "string"))]
    pub status: &'static str,
    /// Whether it has ended.
    pub ended: bool,
    /// Whole percent.
    pub percent: u32,
}
