//! The runs that every dialect is tried with.

use serde_json::{Value, json};
use stepcast::context::Draft;
use stepcast_core::event::EventType;

/// A run: its name, and what happens in it.
pub(super) struct Run {
    pub(super) name: &'static str,
    pub(super) drafts: Vec<Draft>,
}

fn draft(event_type: &str, step: Option<&str>, data: Value) -> Draft {
    Draft {
        event_type: EventType::from(event_type),
        step_id: step.map(Into::into),
        data,
        metadata: None,
    }
}

fn start() -> Draft {
    let steps = json!([{ "id": "ask", "kind": "llm" }, { "id": "say", "kind": "set" }]);
    let pipeline = json!({ "name": "test", "steps": steps, "paths": [{ "from": "ask", "to": "say" }], "start_at": "ask" });
    draft(
        "pipeline_start",
        None,
        json!({ "pipeline": pipeline, "input": { "n": 1 } }),
    )
}

fn progress(step: &str, data: Value) -> Draft {
    draft("step_progress", Some(step), data)
}

fn begin(step: &str) -> Draft {
    draft(
        "step_start",
        Some(step),
        json!({ "kind": "llm", "iteration": 1, "attempt": 1 }),
    )
}

fn end(step: &str) -> Draft {
    draft(
        "step_complete",
        Some(step),
        json!({ "output": { "ok": true }, "duration_ms": 1.5, "next": ["say"] }),
    )
}

fn complete() -> Draft {
    draft(
        "pipeline_complete",
        None,
        json!({ "output": { "n": 2 }, "duration_ms": 3.5, "steps_completed": 2 }),
    )
}

fn error(reason: &str) -> Draft {
    let error = json!({ "category": "unknown", "severity": "error", "message": "that was it", "recoverable": false });
    draft(
        "pipeline_error",
        None,
        json!({ "error": error, "reason": reason, "duration_ms": 3 }),
    )
}

/// Of every kind: text, reasoning, tools, usage, a retry, an output, a word of a producer's own.
fn middle() -> Vec<Draft> {
    let mut own = draft(
        "com_example_thing",
        None,
        json!({ "x": "line\nbreak \"quoted\" ä€𝄞" }),
    );
    own.metadata = Some(json!({ "m": [1, null] }));
    vec![
        start(),
        begin("ask"),
        progress("ask", json!({ "progress": 0.25, "message": "a quarter" })),
        progress(
            "ask",
            json!({ "kind": "llm", "provider": "p", "model": "m" }),
        ),
        progress(
            "ask",
            json!({ "kind": "token", "text": "hm ", "channel": "reasoning" }),
        ),
        progress("ask", json!({ "kind": "token", "text": "Hel" })),
        progress("ask", json!({ "kind": "token", "text": "lo\n" })),
        progress(
            "ask",
            json!({ "kind": "tool_call", "call_id": "c", "name": "f", "arguments": "{\"q\":" }),
        ),
        progress(
            "ask",
            json!({ "kind": "tool_call", "call_id": "c", "arguments": "1}", "done": true }),
        ),
        progress(
            "ask",
            json!({ "kind": "usage", "input_tokens": 3, "output_tokens": 4, "finish_reason": "stop" }),
        ),
        progress(
            "ask",
            json!({ "kind": "log", "level": "warning", "message": "odd" }),
        ),
        own,
        end("ask"),
        begin("say"),
        draft(
            "step_output",
            Some("say"),
            json!({ "output": [1, 2.5, "x"] }),
        ),
    ]
}

fn then(mut drafts: Vec<Draft>, more: impl IntoIterator<Item = Draft>) -> Vec<Draft> {
    drafts.extend(more);
    drafts
}

/// Of each kind of end one; and one that waits for somebody on the way.
pub(super) fn runs() -> Vec<Run> {
    let failure = json!({ "error": { "category": "unknown", "severity": "error", "message": "no", "recoverable": false }, "attempt": 1 });
    let failed = draft("step_error", Some("say"), failure);
    let question = json!({ "kind": "waiting", "wait_id": "say.1", "prompt": "Well?", "form": { "fields": [{ "name": "a", "type": "text" }] } });
    let answer = json!({ "kind": "answered", "wait_id": "say.1", "answer": { "a": "x" }, "by": "alice", "source": "person" });
    let waiting = [
        progress("say", question),
        progress("say", answer),
        end("say"),
        complete(),
    ];
    [
        ("ordinary", then(middle(), [end("say"), complete()])),
        ("failed", then(middle(), [failed, error("failed")])),
        ("cancelled", then(middle(), [error("cancelled")])),
        ("waiting", then(middle(), waiting)),
    ]
    .into_iter()
    .map(|(name, drafts)| Run { name, drafts })
    .collect()
}

/// One that has so many events, each with so long a text.
pub(super) fn long(count: usize, text: usize) -> Vec<Draft> {
    let text = "x".repeat(text);
    let tokens = (0..count - 4).map(|n| {
        let text = format!("{n} {text}");
        progress("ask", json!({ "kind": "token", "text": text }))
    });
    then(
        vec![start(), begin("ask")],
        tokens.chain([end("ask"), complete()]),
    )
}
