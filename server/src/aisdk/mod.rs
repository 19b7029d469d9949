//! The UI message stream of the AI SDK (npm `ai`): a run as one message of an assistant.
//!
//! [`Mapping`] folds the events of a run into chunks; [`input`] reads what a chat sends; `docs/ai-sdk.md` has the table.

pub(crate) mod input;
mod mapping;
mod part;
mod progress;
mod step;

use serde_json::Value;
use stepcast_core::control::GapReason;
use stepcast_core::event::StreamEvent;
use stepcast_core::id::{Epoch, ExecutionId, Seq};

use self::mapping::Mapping;
use crate::telemetry::Transport;
use crate::transport::translated::{Place, Translation};

/// A run as the AI SDK is told of it.
#[derive(Debug)]
pub(crate) struct AiSdk {
    execution_id: ExecutionId,
    mapping: Mapping,
}

impl AiSdk {
    /// A run that has not begun. A log that begins anew is another message.
    pub(crate) fn new(execution_id: &ExecutionId, epoch: Epoch) -> Self {
        Self {
            execution_id: execution_id.clone(),
            mapping: Mapping::new(execution_id, epoch),
        }
    }
}

impl Translation for AiSdk {
    const TRANSPORT: Transport = Transport::AiSdk;

    fn event(&mut self, event: &StreamEvent) -> Vec<Value> {
        self.mapping.event(event)
    }

    fn gap(&mut self, from: Seq, to: Seq, reason: GapReason) -> Vec<Value> {
        self.mapping.gap(from, to, reason)
    }

    fn pass(&mut self, piece: Value) -> Value {
        piece
    }

    /// Who comes back has what it has seen, and is told of it again by nothing but what is missing in between.
    fn prelude(&self, from: Option<Place>) -> Vec<Value> {
        self.mapping.gaps_behind(from.map_or(0, |it| it.cursor.seq))
    }

    fn anew(&self, first: Value) -> Vec<Value> {
        vec![first]
    }

    /// A chat has many runs: an id names its own.
    fn id(&self, place: Place) -> String {
        format!("{}/{place}", self.execution_id)
    }

    fn last_word(&self) -> &'static str {
        "data: [DONE]\n\n"
    }
}

#[cfg(test)]
mod tests;
