//! What is kept in the same transaction as the events it belongs to.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::Value;
use stepcast_core::id::Seq;

use super::execution::ExecutionStatus;
use super::reference::Artifact;
use super::store::{Checkpoint, ProducerMark};
use crate::artifact::Kept;

/// What comes along with appended events: kept with the last of them, or not at all.
#[derive(Clone, Debug, Default)]
pub struct Along {
    /// A run's state, and the values it names that were not kept before; announced by the last event.
    pub checkpoint: Option<(Bytes, Vec<(u32, Bytes)>)>,
    /// Whether the checkpoint holds what was taken out of events.
    pub confidential: bool,
    /// The producer's place.
    pub producer: Option<ProducerMark>,
    /// Where the execution stands from then on; none of the ends.
    pub status: Option<ExecutionStatus>,
    /// Files that the last event announces; each stays where it is until its reference is kept.
    pub artifacts: Vec<Kept>,
}

/// What came along with several events, as it is kept.
pub(super) type Merged = (
    Option<Checkpoint>,
    Vec<ProducerMark>,
    Option<ExecutionStatus>,
    Vec<Artifact>,
);

impl Along {
    /// Gives a file the name that is told in the place of its own, where they differ.
    pub(super) fn rename(&mut self, announced: &Value, shown: &Value) {
        let name = |data: &Value| Some(data.get("name")?.as_str()?.to_owned());
        let (Some(own), Some(told)) = (name(announced), name(shown)) else {
            return;
        };
        for kept in self.artifacts.iter_mut().filter(|_| own != told) {
            if kept.artifact().name == own {
                kept.rename(&told);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.checkpoint.is_none()
            && self.producer.is_none()
            && self.status.is_none()
            && self.artifacts.is_empty()
    }
}

/// What waits to be kept, each with the event it came with.
#[derive(Debug, Default)]
pub(super) struct Waiting(VecDeque<(Seq, Along)>);

impl Waiting {
    pub(super) fn push(&mut self, seq: Seq, along: Along) {
        if !along.is_empty() {
            self.0.push_back((seq, along));
        }
    }

    /// All of it: the newest checkpoint with every result, the newest mark of each producer, the newest status,
    /// and every reference.
    pub(super) fn merged(&self) -> Merged {
        let (mut merged, mut producers) = (None::<Checkpoint>, Vec::<ProducerMark>::new());
        let (mut status, mut artifacts) = (None, Vec::new());
        for (seq, along) in &self.0 {
            if let Some((state, results)) = &along.checkpoint {
                let checkpoint = merged.get_or_insert_default();
                checkpoint.seq = *seq;
                checkpoint.state = state.clone();
                checkpoint.results.extend(results.iter().cloned());
                checkpoint.confidential |= along.confidential;
            }
            if let Some(mark) = &along.producer {
                producers.retain(|known| known.producer != mark.producer);
                producers.push(mark.clone());
            }
            status = along.status.or(status);
            artifacts.extend(along.artifacts.iter().map(|kept| kept.announced_by(*seq)));
        }
        (merged, producers, status, artifacts)
    }

    /// What came up to `seq` is kept.
    pub(super) fn kept(&mut self, seq: Seq) {
        while self.0.front().is_some_and(|(at, _)| *at <= seq) {
            self.0.pop_front();
        }
    }
}
