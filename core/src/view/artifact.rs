//! Files that a step made.

use serde::Serialize;
use serde_json::Value;

use super::read::{text_of, whole_of};
use super::text::push;
use crate::id::Seq;

/// A file, to be had from the server by its hash.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ArtifactView {
    /// The event that announced it.
    pub seq: Seq,
    /// Its name.
    pub name: String,
    /// Its type, such as `image/png`.
    pub media_type: String,
    /// Its size in bytes, where it was told.
    pub size: Option<u64>,
    /// The SHA-256 of its content, in lower-case hexadecimal.
    pub sha256: String,
}

/// The most artifacts kept for a step.
pub const MAX_ARTIFACTS: usize = 100;

impl ArtifactView {
    /// Reads what announces a file; none where it has no name, or its hash is none.
    pub(super) fn read(seq: Seq, data: &Value) -> Option<Self> {
        let is_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        Some(Self {
            seq,
            name: text_of(data, "name")?,
            media_type: text_of(data, "media_type")
                .unwrap_or_else(|| "application/octet-stream".to_owned()),
            size: whole_of(data, "size"),
            sha256: text_of(data, "sha256")
                .filter(|hash| hash.len() == 64 && hash.bytes().all(is_hex))?,
        })
    }

    /// Puts it into a list. It takes the place of one of the same name.
    pub(super) fn join(self, list: &mut Vec<Self>, dropped: &mut u64) {
        match list.iter_mut().find(|held| held.name == self.name) {
            Some(held) => *held = self,
            None => push(list, dropped, MAX_ARTIFACTS, self),
        }
    }
}
