//! The client machine, rule by rule; each test is named after the rule.

mod dialling;
mod frames;
mod polling;
mod waking;

use std::time::Duration;

use serde_json::{Value, json};
use stepcast_core::client::{
    Client, Config, ConnectionEnd, Dial, Generation, Input, Output, State, Transport,
};
use stepcast_core::id::Seq;
use stepcast_core::time::Time;

/// A machine with a clock that the test winds.
struct Rig {
    client: Client,
    now: Time,
    said: Vec<Output>,
    due: Option<Time>,
    generation: Generation,
}

impl Rig {
    /// A machine that has dialled.
    fn dialled(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("run_1".parse().unwrap());
        change(&mut config);
        let mut rig = Self {
            client: Client::new(config),
            now: Time::from_millis(1_000),
            said: Vec::new(),
            due: None,
            generation: Generation(0),
        };
        rig.feed(Input::Start);
        rig
    }

    /// A machine on a WebSocket, at the tail of a log of `last_seq` events that it has not seen.
    fn open(change: impl FnOnce(&mut Config)) -> Self {
        let mut rig = Self::dialled(change);
        rig.hello(1, 0);
        rig.said.clear();
        rig
    }

    fn feed(&mut self, input: Input<'_>) {
        self.client.handle(self.now, input);
        loop {
            let output = self.client.poll();
            if let Output::Timeout(due) = output {
                self.due = due;
                return;
            }
            if let Output::Dial(dial) = &output {
                self.generation = dial.generation;
            }
            self.said.push(output);
        }
    }

    fn text(&mut self, frame: &Value) {
        let text = frame.to_string();
        self.feed(Input::Text(self.generation, &text));
    }

    fn hello(&mut self, epoch: u64, last_seq: Seq) {
        self.text(&hello(epoch, last_seq));
    }

    fn event(&mut self, seq: Seq) {
        self.text(&event(seq));
    }

    fn closed(&mut self, end: ConnectionEnd) {
        self.feed(Input::Closed(self.generation, end));
    }

    fn broken(&mut self) {
        self.closed(ConnectionEnd::WebSocket { code: 1006 });
    }

    fn http(&mut self, status: u16, retry_after: Option<Duration>) {
        self.closed(ConnectionEnd::Http {
            status,
            retry_after,
        });
    }

    /// Winds the clock on; timers ring on the way.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.due.filter(|&due| due <= end) {
            self.now = due.max(self.now);
            self.feed(Input::Tick);
        }
        self.now = end;
    }

    /// Winds the clock to the next dial, and says how long that took.
    fn redial(&mut self) -> Duration {
        let State::Waiting { until, .. } = self.client.state() else {
            panic!("not waiting: {:?}", self.client.state());
        };
        let waited = until.since(self.now);
        self.pass(waited);
        waited
    }

    /// What was said since the last time this was asked.
    fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.said)
    }

    fn dials(&self) -> Vec<&Dial> {
        let mut dials = Vec::new();
        for output in &self.said {
            if let Output::Dial(dial) = output {
                dials.push(dial);
            }
        }
        dials
    }

    fn states(&self) -> Vec<State> {
        let mut states = Vec::new();
        for output in &self.said {
            if let Output::State(state) = output {
                states.push(*state);
            }
        }
        states
    }

    fn transport(&self) -> Transport {
        self.dials().last().unwrap().transport
    }

    /// The events and gaps among what was said: `3` for an event, `4-6` for a gap.
    fn delivered(&self) -> String {
        let said = self.said.iter().filter_map(|output| match output {
            Output::Event(event) => Some(event.seq.to_string()),
            Output::Gap { from, to, reason } => Some(format!("{from}-{to} {reason:?}")),
            Output::Reset { epoch } => Some(format!("reset {epoch}")),
            Output::Dial(_)
            | Output::Hangup(_)
            | Output::Send(..)
            | Output::State(_)
            | Output::Snapshot(_)
            | Output::Fidelity(_)
            | Output::Timeout(_) => None,
        });
        said.collect::<Vec<String>>().join(", ")
    }
}

fn hello(epoch: u64, last_seq: Seq) -> Value {
    json!({"control": "hello", "execution_id": "run_1", "epoch": epoch, "earliest": 1,
        "last_seq": last_seq, "heartbeat_ms": 15_000, "retry_ms": 0})
}

fn event(seq: Seq) -> Value {
    json!({"event_type": "step_progress", "execution_id": "run_1", "seq": seq,
        "timestamp": "2025-10-22T10:30:00.123Z", "data": {}})
}

fn gap(from: Seq, to: Seq) -> Value {
    json!({"control": "gap", "execution_id": "run_1", "from": from, "to": to, "reason": "retention"})
}

fn closed(last_seq: Seq) -> Value {
    json!({"control": "closed", "execution_id": "run_1", "last_seq": last_seq, "reason": "complete"})
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
