//! `llm` against a server on loopback that speaks Anthropic's messages.

use serde_json::{Value, json};
use stepcast::llm::ProviderKind::Anthropic;
use stepcast::pipeline::RunStatus;
use stepcast_core::event::EventType;

use crate::llm_upstream::{Act, KEY, Upstream, reasoning, stream, text};

fn event(data: Value) -> String {
    format!(
        "event: {}\ndata: {data}\n\n",
        data["type"].as_str().unwrap()
    )
}

fn start() -> String {
    let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 1});
    event(
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
        "model": "claude-test-1", "content": [], "stop_reason": null, "usage": usage}}),
    )
}

fn begin(index: u32, block: Value) -> String {
    event(json!({"type": "content_block_start", "index": index, "content_block": block}))
}

fn more(index: u32, delta: Value) -> String {
    event(json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

fn stop(index: u32) -> String {
    event(json!({"type": "content_block_stop", "index": index}))
}

fn words(text: &str) -> String {
    more(0, json!({"type": "text_delta", "text": text}))
}

fn end(reason: &str) -> Vec<String> {
    vec![
        event(
            json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 40}}),
        ),
        event(json!({"type": "message_stop"})),
    ]
}

/// An answer of these pieces of text.
fn said(pieces: &[&str], reason: &str) -> Vec<String> {
    let mut events = vec![
        start(),
        begin(0, json!({"type": "text", "text": ""})),
        event(json!({"type": "ping"})),
    ];
    events.extend(pieces.iter().map(|piece| words(piece)));
    events.push(stop(0));
    events.extend(end(reason));
    events
}

#[tokio::test]
async fn thinking_text_and_calls_come_as_blocks() {
    let mut events = vec![
        start(),
        begin(
            0,
            json!({"type": "thinking", "thinking": "", "signature": ""}),
        ),
        more(0, json!({"type": "thinking_delta", "thinking": "Let me "})),
        more(0, json!({"type": "thinking_delta", "thinking": "see."})),
        more(0, json!({"type": "signature_delta", "signature": "abc"})),
        stop(0),
        begin(1, json!({"type": "text", "text": ""})),
        more(1, json!({"type": "text_delta", "text": "I look."})),
        stop(1),
        event(json!({"type": "a_later_kind_of_event"})),
        begin(
            2,
            json!({"type": "tool_use", "id": "toolu_a", "name": "weather", "input": {}}),
        ),
        more(2, json!({"type": "input_json_delta", "partial_json": ""})),
        more(
            2,
            json!({"type": "input_json_delta", "partial_json": "{\"place\": "}),
        ),
        more(
            2,
            json!({"type": "input_json_delta", "partial_json": "\"Köln\"}"}),
        ),
        stop(2),
        begin(
            3,
            json!({"type": "tool_use", "id": "toolu_b", "name": "time", "input": {}}),
        ),
        stop(3),
    ];
    events.extend(end("tool_use"));
    let upstream = Upstream::saying(&events).await;
    let schema = json!({"type": "object", "properties": {"place": {"type": "string"}}});
    let config = json!({
        "system_prompt": "Be brief.", "temperature": 0.5, "tool_choice": "weather",
        "tools": [{"name": "weather", "description": "Of a place.", "parameters": schema}],
        "messages": [
            {"role": "user", "content": "How warm?"},
            {"role": "assistant", "content": "I ask.", "tool_calls": [{"id": "t1", "name": "weather", "arguments": {"place": "x"}}]},
            {"role": "tool", "tool_call_id": "t1", "content": "7"},
            {"role": "user", "content": "And there?"},
        ],
    });
    let ran = upstream.run(Anthropic, config).await;
    let expected = json!({
        "text": "I look.", "reasoning": "Let me see.",
        "tool_calls": [{"id": "toolu_a", "name": "weather", "arguments": {"place": "Köln"}}, {"id": "toolu_b", "name": "time", "arguments": {}}],
        "finish_reason": "tool_calls", "model": "claude-test-1", "provider": "local",
        "usage": {"input_tokens": 15, "output_tokens": 40, "cached_tokens": 3},
    });
    assert_eq!(ran.result.output["ask"], expected);
    assert_eq!(
        (text(&ran), reasoning(&ran)),
        ("I look.".to_owned(), "Let me see.".to_owned())
    );
    let done: Vec<&Value> = ran
        .progress("ask", "tool_call")
        .into_iter()
        .filter(|data| data["done"] == true)
        .map(|data| &data["call_id"])
        .collect();
    assert_eq!(done, ["toolu_a", "toolu_b"]);

    let asked = &upstream.asked()[0];
    assert!(
        asked.head.starts_with("POST /v1/messages HTTP/1.1"),
        "{}",
        asked.head
    );
    assert!(
        asked.head.contains(&format!("x-api-key: {KEY}"))
            && asked.head.contains("anthropic-version: 2023-06-01")
    );
    let expected = json!({
        "model": "test-model", "stream": true, "max_tokens": 4096, "system": "Be brief.", "temperature": 0.5,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "How warm?"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "I ask."}, {"type": "tool_use", "id": "t1", "name": "weather", "input": {"place": "x"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "7"}, {"type": "text", "text": "And there?"}]},
        ],
        "tools": [{"name": "weather", "input_schema": schema, "description": "Of a place."}],
        "tool_choice": {"type": "tool", "name": "weather"},
    });
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn bytes_cut_anywhere_and_halves_of_characters_change_nothing() {
    let half = |escape: &str| {
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{escape}\"}}}}\n\n"
        )
    };
    let mut events = said(&["größe ", "", "你好 "], "end_turn");
    events.insert(6, half("\\ud83d"));
    events.insert(7, half("\\ude00"));
    for ends in ["\n", "\r\n"] {
        let body = events.concat().replace('\n', ends);
        for size in [1, 11] {
            let mut acts = vec![Act::Head];
            acts.extend(
                body.as_bytes()
                    .chunks(size)
                    .map(|part| Act::Say(part.to_vec())),
            );
            acts.push(Act::End);
            let upstream = Upstream::start(vec![acts]).await;
            let ran = upstream.run(Anthropic, json!({"prompt": "x"})).await;
            assert_eq!(ran.result.output["ask"]["text"], "größe 你好 😀");
            assert_eq!(text(&ran), "größe 你好 😀");
        }
    }
}

#[tokio::test]
async fn an_overloaded_model_in_the_middle_keeps_what_had_come() {
    let mut events = said(&["Half an ", "answer"], "end_turn");
    events.truncate(5);
    let error = event(
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    );
    let mut cut = stream(&events);
    *cut.last_mut().unwrap() = Act::Cut;
    events.push(error);
    let upstream = Upstream::start(vec![stream(&events), cut]).await;
    for (category, message) in [
        ("dependency", "provider `local` sent an error: Overloaded"),
        ("network", "provider `local` broke"),
    ] {
        let ran = upstream.run(Anthropic, json!({"prompt": "x"})).await;
        let error = ran.result.error.as_ref().unwrap();
        assert_eq!(error.category.as_str(), category);
        assert!(error.message.starts_with(message), "{error}");
        let partial = &ran.of(EventType::StepOutput)[0].data;
        assert_eq!(
            (&partial["partial"], &partial["output"]["text"]),
            (&json!(true), &json!("Half an answer"))
        );
        assert_eq!(partial["output"]["usage"]["input_tokens"], 15);
    }
}

#[tokio::test]
async fn reasons_for_the_end_have_one_word_each() {
    for (theirs, ours) in [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("refusal", "refusal"),
        ("pause_turn", "pause_turn"),
    ] {
        let upstream = Upstream::saying(&said(&["x"], theirs)).await;
        let ran = upstream.run(Anthropic, json!({"prompt": "x"})).await;
        assert_eq!(ran.result.status, RunStatus::Completed);
        assert_eq!(ran.result.output["ask"]["finish_reason"], ours);
        assert_eq!(ran.progress("ask", "usage")[0]["finish_reason"], ours);
    }
}
