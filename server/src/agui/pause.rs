//! When an AG-UI run is interrupted, and when the next one goes on.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stepcast_core::event::{EventType, StreamEvent};

use super::mapping::{Mapping, Stage};
use super::part::{delta, event};
use super::step::Step;
use crate::transport::translated::data::text;

impl Mapping {
    /// Whether every step under way waits for a person, and none is about to start.
    pub(super) fn waits(&self) -> bool {
        let asks = |step: &Step| !step.waits.is_empty();
        !self.steps.is_empty() && self.steps.iter().all(asks) && self.expected.is_empty()
    }

    pub(super) fn interrupt(&mut self, at: Option<u64>, out: &mut Vec<Value>) {
        for step in &mut self.steps {
            step.close(at, out);
            out.push(step.finished(at));
        }
        out.push(delta(vec![("/status".to_owned(), "waiting".into())], at));
        let interrupts: Vec<&Value> = self.questions.values().collect();
        let outcome = json!({ "type": "interrupt", "interrupts": interrupts });
        out.push(self.finished(outcome, Value::Null, at));
        self.stage = Stage::Interrupted;
    }

    /// Whether the run does more than to wait, as of this event.
    pub(super) fn goes_on(&self, told: &StreamEvent) -> bool {
        if told.event_type == EventType::CheckpointSaved {
            return false;
        }
        if told.event_type != EventType::StepProgress {
            return true;
        }
        match text(&told.data, "kind") {
            Some("resumed") => false,
            // the same question, told again by a server that was started again
            Some("waiting") => {
                !text(&told.data, "wait_id").is_some_and(|wait| self.questions.contains_key(wait))
            }
            _ => true,
        }
    }

    /// The next AG-UI run begins, where the last one was interrupted.
    pub(super) fn go_on(&mut self, told: &StreamEvent, out: &mut Vec<Value>) {
        let at = told.timestamp.unix_millis();
        self.stage = Stage::Running;
        let named = self.next_run.take_if(|next| {
            told.event_type.is_terminal()
                || text(&told.data, "wait_id")
                    .is_some_and(|id| next.waits.iter().any(|it| it == id))
        });
        let run = match named {
            Some(next) => next.run,
            None => format!("{}:{}", self.execution_id, told.seq),
        };
        let parent = std::mem::replace(&mut self.run, run);
        out.push(self.started(Some(parent), at));
        // filled in where they are sent: who begins here has seen nothing
        out.push(event(
            "STATE_SNAPSHOT",
            at,
            json!({ "with": { "status": "running" } }),
        ));
        out.push(event("MESSAGES_SNAPSHOT", at, json!({ "void": [] })));
        for step in &self.steps {
            out.push(step.started(at));
        }
        out.append(&mut self.kept);
    }

    /// Whether a path leads from one step to another: then a join may wait for it.
    pub(super) fn leads(&self, from: &str, to: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(id) = open.pop() {
            for next in self.paths.get(id).into_iter().flatten() {
                if next == to {
                    return true;
                }
                if seen.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        false
    }
}
