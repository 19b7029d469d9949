//! What a step streams: text of which the end is kept, and log lines of which the newest are.

use serde::Serialize;
use serde_json::Value;

use super::read::text_of;
use crate::id::Seq;

/// One log line of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct LogView {
    /// The event it came with.
    pub seq: Seq,
    /// `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// The line.
    pub message: String,
}

/// The longest text kept for a step, in bytes; as much again of its reasoning.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// The most log lines kept for a step.
pub const MAX_LOGS: usize = 500;

impl LogView {
    pub(super) fn read(seq: Seq, data: &Value) -> Self {
        Self {
            seq,
            level: text_of(data, "level").unwrap_or_else(|| "info".to_owned()),
            message: text_of(data, "message").unwrap_or_default(),
        }
    }
}

/// Appends to a text. Over the bound a quarter goes at once, so that a token costs no move of a megabyte.
pub(super) fn append(text: &mut String, dropped: &mut u64, more: &str) {
    text.push_str(more);
    if text.len() > MAX_TEXT_BYTES {
        let least = text.len() - MAX_TEXT_BYTES / 4 * 3;
        let cut = text.ceil_char_boundary(least);
        text.drain(..cut);
        *dropped = dropped.saturating_add(cut as u64);
    }
}

/// Pushes to a list. At the bound the oldest quarter goes.
pub(super) fn push<T>(list: &mut Vec<T>, dropped: &mut u64, most: usize, one: T) {
    if list.len() >= most {
        let cut = (most / 4).max(1);
        list.drain(..cut);
        *dropped = dropped.saturating_add(cut as u64);
    }
    list.push(one);
}
