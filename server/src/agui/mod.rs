//! AG-UI 1.0: any run as an agent's.
//!
//! [`Mapping`] folds the events of a run into AG-UI's; [`Standing`] folds those into what somebody must be told who
//! begins in the middle; [`input`] reads what a client sends; `docs/ag-ui.md` has the table.

pub(crate) mod input;
mod interrupt;
mod mapping;
mod part;
mod pause;
mod progress;
mod standing;
mod step;

use serde_json::Value;
use stepcast_core::control::GapReason;
use stepcast_core::event::StreamEvent;
use stepcast_core::id::{ExecutionId, Seq};

use self::mapping::Mapping;
pub(crate) use self::mapping::NextRun;
use self::standing::Standing;
use crate::telemetry::Transport;
use crate::transport::translated::{Place, Translation};

/// A run as AG-UI tells it.
#[derive(Debug)]
pub(crate) struct AgUi {
    mapping: Mapping,
    standing: Standing,
}

impl AgUi {
    /// A run that has not begun. A client that goes on after an interrupt names its run itself.
    pub(crate) fn new(execution_id: &ExecutionId, next_run: Option<NextRun>) -> Self {
        Self {
            mapping: Mapping::new(execution_id, next_run),
            standing: Standing::default(),
        }
    }
}

impl Translation for AgUi {
    const TRANSPORT: Transport = Transport::AgUi;

    fn event(&mut self, event: &StreamEvent) -> Vec<Value> {
        self.mapping.event(event)
    }

    fn gap(&mut self, from: Seq, to: Seq, reason: GapReason) -> Vec<Value> {
        self.mapping.gap(from, to, reason)
    }

    fn pass(&mut self, piece: Value) -> Value {
        self.standing.pass(piece)
    }

    fn prelude(&self, _from: Option<Place>) -> Vec<Value> {
        self.standing.prelude()
    }

    fn rests(&self) -> bool {
        self.mapping.is_interrupted()
    }
}

#[cfg(test)]
mod tests;
