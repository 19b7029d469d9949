//! Any run and any JSON, from a seed: the same seed gives the same events everywhere.

use serde_json::{Map, Value, json};
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::time::Timestamp;

/// A small generator of numbers (xorshift64*).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    pub(crate) fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

pub(crate) fn event(
    seq: u64,
    event_type: EventType,
    step: Option<&str>,
    data: Value,
) -> StreamEvent {
    StreamEvent {
        event_type,
        execution_id: "run_1".parse().unwrap(),
        step_id: step.map(Into::into),
        seq,
        timestamp: Timestamp::from_unix_millis(1_761_129_000_000 + seq % 10_000 * 10),
        data,
        metadata: None,
        extra: Map::new(),
    }
}

/// Words that mean something somewhere.
const WORDS: [&str; 17] = [
    "a",
    "b",
    "end",
    "token",
    "log",
    "retry",
    "fallback",
    "custom",
    "llm",
    "tool_call",
    "usage",
    "circuit",
    "waiting",
    "answered",
    "artifact",
    "resumed",
    "reasoning",
];

/// Keys that mean something somewhere.
const KEYS: [&str; 38] = [
    "pipeline",
    "steps",
    "paths",
    "id",
    "from",
    "to",
    "kind",
    "text",
    "level",
    "message",
    "progress",
    "attempt",
    "iteration",
    "delay_ms",
    "error",
    "output",
    "output_seq",
    "next",
    "continued",
    "reason",
    "duration_ms",
    "category",
    "input",
    "name",
    "channel",
    "call_id",
    "arguments",
    "input_tokens",
    "done",
    "state",
    "retry_after_ms",
    "wait_id",
    "form",
    "fields",
    "options",
    "answer",
    "assigned_users",
    "partial",
];

/// Any JSON, mostly with keys that mean something.
pub(crate) fn any_value(dice: &mut Dice, depth: u32) -> Value {
    match dice.below(if depth == 0 { 8 } else { 11 }) {
        0 => Value::Null,
        1 => json!(dice.below(2) == 0),
        2 => json!(dice.below(4)),
        3 => json!(-1),
        4 => json!(u64::MAX),
        5 => json!([-1e300, 0.5, 1.5, 1e300][usize::try_from(dice.below(4)).unwrap()]),
        6 => json!(dice.one(&WORDS)),
        7 => json!("ü🎈".repeat(usize::try_from(dice.below(3)).unwrap())),
        8 => (0..dice.below(4))
            .map(|_| any_value(dice, depth - 1))
            .collect(),
        _ => {
            let object: Map<String, Value> = (0..dice.below(7))
                .map(|_| {
                    let key = dice.one(&KEYS).to_owned();
                    (key, any_value(dice, depth - 1))
                })
                .collect();
            Value::Object(object)
        }
    }
}

pub(crate) fn any_type(dice: &mut Dice, terminal: bool) -> EventType {
    loop {
        let kind = match dice.below(10) {
            9 => EventType::from("later"),
            n => EventType::KNOWN[usize::try_from(n).unwrap()].clone(),
        };
        if terminal || !kind.is_terminal() {
            return kind;
        }
    }
}

/// What a step says, most of it well formed.
fn any_step_event(dice: &mut Dice, seq: u64) -> (EventType, Value) {
    let iteration = 1 + dice.below(3);
    let attempt = 1 + dice.below(3);
    match dice.below(17) {
        0 => (
            EventType::StepStart,
            json!({"kind": "delay", "iteration": iteration, "attempt": attempt}),
        ),
        1 => {
            let tenth = u32::try_from(dice.below(12)).unwrap();
            (
                EventType::StepProgress,
                json!({"progress": f64::from(tenth) / 10.0}),
            )
        }
        2 => (
            EventType::StepProgress,
            json!({"kind": "token", "text": dice.one(&["x", "grüße ", "🎈"])}),
        ),
        3 => (
            EventType::StepProgress,
            json!({"kind": "retry", "attempt": attempt, "delay_ms": 5}),
        ),
        4 => (
            EventType::StepOutput,
            json!({"output": {"n": seq}, "partial": dice.below(4) == 0}),
        ),
        5 => (
            EventType::StepComplete,
            json!({"output": {}, "iteration": iteration, "next": ["b"]}),
        ),
        6 => (
            EventType::StepError,
            json!({"error": {"message": "no"}, "continued": dice.below(2) == 0}),
        ),
        7 => (
            EventType::StepProgress,
            json!({"kind": "log", "level": "info", "message": "line"}),
        ),
        8 => (any_type(dice, false), any_value(dice, 3)),
        _ => (EventType::StepProgress, any_shape(dice)),
    }
}

/// What a step says of models, people, files and its circuit breaker.
fn any_shape(dice: &mut Dice) -> Value {
    let wait = dice.one(&["w.1", "w.2", "w.3"]).to_owned();
    match dice.below(9) {
        0 => json!({"kind": "llm", "provider": "p", "model": "m", "scripted": dice.below(3) == 0}),
        1 => json!({"kind": "token", "text": dice.one(&["x", "ü"]), "channel": "reasoning"}),
        2 => json!({"kind": "tool_call", "call_id": dice.one(&["1", "2"]), "name": "t",
            "arguments": dice.one(&["{", "\"🎈\""]), "done": dice.below(3) == 0}),
        3 => json!({"kind": "usage", "input_tokens": dice.below(9), "finish_reason": "stop"}),
        4 => {
            json!({"kind": "circuit", "name": "c", "state": dice.one(&["open", "half_open", "closed"])})
        }
        5 | 6 => json!({"kind": "waiting", "wait_id": wait, "prompt": "?",
            "form": {"fields": [{"name": "a", "type": "text"}]}}),
        7 => json!({"kind": "answered", "wait_id": wait, "answer": {"a": "b"}, "source": "person"}),
        _ => json!({"kind": "artifact", "name": dice.one(&["f", "g"]), "media_type": "image/png",
            "size": 1, "sha256": dice.one(&["0", "a"]).repeat(64)}),
    }
}

/// That the run had stopped and goes on; some of its steps begin again.
fn resumed(dice: &mut Dice) -> Value {
    let steps = ["a", "b", "c"]
        .into_iter()
        .filter(|_| dice.below(2) == 0)
        .collect::<Vec<_>>();
    json!({"kind": "resumed", "reason": "restart", "steps": steps})
}

/// Events of one run in order, most of them well formed, with holes where the dice say so.
pub(crate) fn any_run(seed: u64) -> Vec<StreamEvent> {
    let dice = &mut Dice::new(seed);
    let steps = ["a", "b", "c", "ghost"];
    let announced: Vec<Value> = steps
        .iter()
        .take(3)
        .map(|id| json!({"id": id, "kind": "delay"}))
        .collect();
    let pipeline = json!({"name": "Any", "steps": announced, "start_at": "a", "paths": [{"from": "a", "to": "b"}]});
    let mut seq = 1;
    let mut run = vec![event(
        seq,
        EventType::PipelineStart,
        None,
        json!({"pipeline": pipeline, "input": {}}),
    )];
    for _ in 0..dice.below(60) {
        seq += 1 + u64::from(dice.below(12) == 0) * dice.below(5);
        if dice.below(30) == 0 {
            let data = resumed(dice);
            run.push(event(seq, EventType::StepProgress, None, data));
            continue;
        }
        let step = *dice.one(&[&steps[0], &steps[1], &steps[2], &steps[3]]);
        let (kind, data) = any_step_event(dice, seq);
        run.push(event(seq, kind, Some(step), data));
    }
    match dice.below(3) {
        0 => run.push(event(
            seq + 1,
            EventType::PipelineComplete,
            None,
            json!({"output": 1}),
        )),
        1 => run.push(event(
            seq + 1,
            EventType::PipelineError,
            None,
            json!({"reason": "cancelled"}),
        )),
        _ => {}
    }
    run
}
