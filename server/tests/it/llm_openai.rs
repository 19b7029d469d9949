//! `llm` against a server on loopback that speaks OpenAI's chat completions.

use serde_json::{Value, json};
use stepcast::llm::ProviderKind::{OpenAi, OpenAiCompatible};
use stepcast::pipeline::RunStatus;
use stepcast_core::event::EventType;

use crate::llm_upstream::{Act, KEY, Upstream, reasoning, stream, text};

pub(crate) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

pub(crate) fn chunk(delta: Value) -> String {
    event(
        &json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "test-model-0613",
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}], "usage": null}),
    )
}

pub(crate) fn finish(reason: &str) -> String {
    event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
}

fn usage() -> String {
    event(
        &json!({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 40, "total_tokens": 52,
        "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 8}}}),
    )
}

pub(crate) const DONE: &str = "data: [DONE]\n\n";

fn said(pieces: &[&str]) -> Vec<String> {
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}))];
    events.extend(pieces.iter().map(|piece| chunk(json!({"content": piece}))));
    events.push(finish("stop"));
    events.push(DONE.to_owned());
    events
}

#[tokio::test]
async fn a_prompt_is_asked_and_its_answer_told_piece_by_piece() {
    let mut events = said(&["Hel", "", "lo ", "wörld"]);
    events.insert(1, chunk(json!({"reasoning_content": "so"})));
    events.insert(events.len() - 1, usage());
    let upstream = Upstream::saying(&events).await;
    let config = json!({
        "system_prompt": "Be brief.", "prompt": "Say hello.", "temperature": 0.2, "max_tokens": 50,
        "options": {"top_p": 0.5, "stream_extra": {"a": 1}}, "output_field": "greeting",
    });
    let ran = upstream.run(OpenAi, config).await;
    let expected = json!({
        "text": "Hello wörld", "greeting": "Hello wörld", "reasoning": "so", "finish_reason": "stop",
        "model": "test-model-0613", "provider": "local",
        "usage": {"input_tokens": 12, "output_tokens": 40, "reasoning_tokens": 8, "cached_tokens": 3},
    });
    assert_eq!(ran.result.output["ask"], expected);
    assert_eq!(
        (text(&ran), reasoning(&ran)),
        ("Hello wörld".to_owned(), "so".to_owned())
    );
    let kinds: Vec<&str> = ran
        .of(EventType::StepProgress)
        .iter()
        .map(|event| event.data["kind"].as_str().unwrap_or(""))
        .collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 2]), ("llm", "usage"));
    assert_eq!(
        ran.progress("ask", "llm"),
        [&json!({"kind": "llm", "provider": "local", "model": "test-model"})]
    );
    let usage = json!({"kind": "usage", "input_tokens": 12, "output_tokens": 40, "reasoning_tokens": 8,
        "cached_tokens": 3, "finish_reason": "stop"});
    assert_eq!(ran.progress("ask", "usage"), [&usage]);

    let asked = &upstream.asked()[0];
    assert!(
        asked.head.starts_with("POST /chat/completions HTTP/1.1"),
        "{}",
        asked.head
    );
    assert!(asked.head.contains(&format!("authorization: Bearer {KEY}")));
    let expected = json!({
        "model": "test-model", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}],
        "temperature": 0.2, "max_completion_tokens": 50, "top_p": 0.5, "stream_extra": {"a": 1},
    });
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn bytes_cut_anywhere_line_ends_of_any_kind_and_pings_change_nothing() {
    let pieces = [
        "größe 你好 ",
        "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
        " e\u{301}\n",
        "| x |",
    ];
    let whole = pieces.concat();
    for ends in ["\n", "\r\n", "\r"] {
        let mut body = String::from("\u{feff}: ping\n\n");
        for event in said(&pieces) {
            body.push_str(&event);
            body.push_str(": OPENROUTER PROCESSING\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n");
        }
        let body = body.replace('\n', ends);
        for size in [1, 7, body.len()] {
            let mut acts = vec![Act::Head];
            acts.extend(
                body.as_bytes()
                    .chunks(size)
                    .map(|part| Act::Say(part.to_vec())),
            );
            acts.push(Act::End);
            let upstream = Upstream::start(vec![acts]).await;
            let ran = upstream.run(OpenAiCompatible, json!({"prompt": "x"})).await;
            assert_eq!(
                ran.result.output["ask"]["text"],
                json!(whole),
                "{ends:?} {size}"
            );
            assert_eq!(text(&ran), whole);
        }
    }
}

#[tokio::test]
async fn a_character_cut_into_two_escapes_is_put_together() {
    let raw = |content: &str| {
        format!(
            "data: {{\"x\":\"\\udc00\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{content}\"}}}}]}}\n\n"
        )
    };
    let events = [
        raw("a \\ud83d"),
        raw("\\ude00 b"),
        raw("\\ud83d"),
        finish("stop"),
        DONE.to_owned(),
    ];
    let upstream = Upstream::saying(&events).await;
    let ran = upstream.run(OpenAiCompatible, json!({"prompt": "x"})).await;
    assert_eq!(ran.result.output["ask"]["text"], "a 😀 b\u{FFFD}");
    assert_eq!(text(&ran), "a 😀 b\u{FFFD}");
}

#[tokio::test]
async fn calls_of_tools_come_in_pieces_and_side_by_side() {
    let begin = |index: usize, id: &str, name: &str| {
        json!({"index": index, "id": id, "type": "function",
        "function": {"name": name, "arguments": ""}})
    };
    let more = |index: usize, text: &str| json!({"index": index, "function": {"arguments": text}});
    let events = [
        chunk(
            json!({"role": "assistant", "content": null, "tool_calls": [begin(0, "call_a", "weather")]}),
        ),
        chunk(json!({"tool_calls": [more(0, "{\"place\":")]})),
        chunk(json!({"tool_calls": [more(0, "\"Köln\"}")]})),
        chunk(json!({"tool_calls": [begin(1, "call_b", "time"), more(1, "{}")]})),
        finish("tool_calls"),
        usage(),
        DONE.to_owned(),
    ];
    let upstream = Upstream::saying(&events).await;
    let schema = json!({"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]});
    let config = json!({
        "prompt": "x", "tool_choice": "required",
        "tools": [{"name": "weather", "description": "Of a place.", "parameters": schema}, {"type": "function", "function": {"name": "time"}}],
    });
    let ran = upstream.run(OpenAi, config).await;
    let output = &ran.result.output["ask"];
    let calls = json!([
        {"id": "call_a", "name": "weather", "arguments": {"place": "Köln"}},
        {"id": "call_b", "name": "time", "arguments": {}},
    ]);
    assert_eq!(
        (&output["tool_calls"], &output["finish_reason"]),
        (&calls, &json!("tool_calls"))
    );
    let told = ran.progress("ask", "tool_call");
    let of = |call: &str| {
        told.iter()
            .filter(|data| data["call_id"] == call)
            .copied()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("call_a")[0],
        &json!({"kind": "tool_call", "call_id": "call_a", "name": "weather"})
    );
    for (call, whole) in [("call_a", "{\"place\":\"Köln\"}"), ("call_b", "{}")] {
        let text: String = of(call)
            .iter()
            .filter_map(|data| data["arguments"].as_str())
            .collect();
        assert_eq!(text, whole);
        assert_eq!(of(call).last().unwrap()["done"], true);
    }
    let asked = &upstream.asked()[0].body;
    let weather = json!({"type": "function", "function": {"name": "weather", "parameters": schema, "description": "Of a place."}});
    assert_eq!(
        (&asked["tools"][0], &asked["tool_choice"]),
        (&weather, &json!("required"))
    );
}

#[tokio::test]
async fn a_refusal_and_a_stop_for_length_are_answers_that_say_so() {
    let refusal = [
        chunk(json!({"role": "assistant", "refusal": "I can"})),
        chunk(json!({"refusal": "not."})),
        finish("stop"),
        DONE.to_owned(),
    ];
    let length = [
        chunk(json!({"content": "Once upon"})),
        finish("length"),
        DONE.to_owned(),
    ];
    let upstream = Upstream::start(vec![stream(&refusal), stream(&length)]).await;
    let ran = upstream.run(OpenAi, json!({"prompt": "x"})).await;
    let output = &ran.result.output["ask"];
    assert_eq!(
        (&output["finish_reason"], &output["refusal"]),
        (&json!("refusal"), &json!("I cannot."))
    );
    assert_eq!(text(&ran), "I cannot.");
    let ran = upstream.run(OpenAi, json!({"prompt": "x"})).await;
    let output = &ran.result.output["ask"];
    assert_eq!(
        (&output["finish_reason"], &output["text"]),
        (&json!("length"), &json!("Once upon"))
    );
    assert_eq!(ran.result.status, RunStatus::Completed);
}

#[tokio::test]
async fn an_end_without_done_is_one_where_the_answer_was_whole() {
    // no [DONE], and no empty line at the end
    let events = [
        chunk(json!({"content": "whole"})),
        finish("stop").trim_end().to_owned(),
    ];
    let upstream = Upstream::saying(&events).await;
    let ran = upstream.run(OpenAiCompatible, json!({"prompt": "x"})).await;
    assert_eq!(ran.result.status, RunStatus::Completed);
    assert_eq!(ran.result.output["ask"]["usage"], json!({}));
    // nothing after [DONE] is waited for
    let mut acts = stream(&[chunk(json!({"content": "whole"})), DONE.to_owned()]);
    acts.insert(acts.len() - 1, Act::Hold);
    let upstream = Upstream::start(vec![acts]).await;
    let ran = upstream.run(OpenAiCompatible, json!({"prompt": "x"})).await;
    assert_eq!(ran.result.output["ask"]["text"], "whole");
}
