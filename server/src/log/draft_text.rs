//! The JSON of an event before it has its place.

use crate::context::{Draft, EmitError};

/// A draft's JSON, serialised before the stream's lock is taken: one buffer for all parts.
pub(super) struct DraftText {
    text: String,
    step_id_end: usize,
    data_end: usize,
}

impl DraftText {
    pub(super) fn new(draft: &Draft) -> Result<Self, EmitError> {
        // The type stands unescaped in JSON and in an SSE field.
        let word = draft.event_type.as_str().as_bytes();
        let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_';
        if word.is_empty() || !word.iter().all(plain) {
            return Err(EmitError::EventType);
        }
        let mut text = Vec::with_capacity(256);
        let failed = |error: serde_json::Error| EmitError::Store(error.to_string());
        if let Some(id) = &draft.step_id {
            serde_json::to_writer(&mut text, id.as_str()).map_err(failed)?;
        }
        let step_id_end = text.len();
        serde_json::to_writer(&mut text, &draft.data).map_err(failed)?;
        let data_end = text.len();
        if let Some(metadata) = &draft.metadata {
            serde_json::to_writer(&mut text, metadata).map_err(failed)?;
        }
        let text = String::from_utf8(text).map_err(|error| EmitError::Store(error.to_string()))?;
        Ok(Self {
            text,
            step_id_end,
            data_end,
        })
    }

    pub(super) fn step_id(&self) -> Option<&str> {
        self.text
            .get(..self.step_id_end)
            .filter(|text| !text.is_empty())
    }

    pub(super) fn data(&self) -> &str {
        self.text
            .get(self.step_id_end..self.data_end)
            .unwrap_or("null")
    }

    pub(super) fn metadata(&self) -> Option<&str> {
        self.text
            .get(self.data_end..)
            .filter(|text| !text.is_empty())
    }
}
