//! What a caller asks for.

use serde::Deserialize;
use stepcast_core::client::Config;
use stepcast_core::fidelity::{Fidelity, Manner, WhenSlow};
use stepcast_core::id::{ExecutionId, Position};
use wasm_bindgen::prelude::*;

use super::state::TransportName;
use super::value::json_text;
use crate::{clock, transport};

/// The options of a client and of a monitor.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    /// The server's origin.
    pub url: String,
    /// Which run.
    pub execution_id: ExecutionId,
    /// From where.
    #[serde(default)]
    pub after: Position,
    /// Which transports, in order; all that the host has where there is none.
    #[serde(default)]
    pub transports: Vec<TransportName>,
    /// How much of the run is told.
    #[serde(default)]
    pub fidelity: Fidelity,
    /// What where that is more than the host can take.
    #[serde(default)]
    pub when_slow: WhenSlow,
    /// What is shown to a server with accounts.
    #[serde(default)]
    pub token: Option<String>,
    /// Whether the client folds events into a view.
    #[serde(default = "yes")]
    pub view: bool,
}

impl Options {
    /// Reads them.
    ///
    /// # Errors
    /// Where one is missing or not understood.
    pub fn read(options: &JsValue) -> Result<Self, JsError> {
        Ok(serde_json::from_str(&json_text(options))?)
    }

    /// What the client machine is to do.
    pub fn config(&self) -> Config {
        let mut config = Config::new(self.execution_id.clone());
        config.after = self.after;
        config.manner = Manner {
            fidelity: self.fidelity,
            when_slow: self.when_slow,
        };
        config.seed = clock::seed();
        config.transports = match self.transports.as_slice() {
            [] => transport::available(),
            chosen => chosen.iter().map(|&name| name.into()).collect(),
        };
        config
    }
}

const fn yes() -> bool {
    true
}
