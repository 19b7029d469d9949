//! `llm` against a server on loopback that speaks Gemini's `streamGenerateContent`.

use serde_json::{Value, json};
use stepcast::llm::ProviderKind::Gemini;
use stepcast_core::event::EventType;

use crate::llm_upstream::{Act, KEY, Upstream, reasoning, stream, text};

fn event(data: &Value) -> String {
    format!("data: {data}\r\n\r\n")
}

fn parts(parts: Value) -> String {
    event(
        &json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}], "modelVersion": "gemini-test-1",
        "usageMetadata": {"promptTokenCount": 12, "totalTokenCount": 12}}),
    )
}

fn end(reason: &str) -> String {
    event(
        &json!({"candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": reason, "index": 0}],
        "usageMetadata": {"promptTokenCount": 12, "candidatesTokenCount": 32, "thoughtsTokenCount": 8, "totalTokenCount": 52,
            "cachedContentTokenCount": 4}}),
    )
}

#[tokio::test]
async fn thoughts_text_and_calls_come_as_parts() {
    let events = [
        parts(json!([{"text": "Let me see.", "thought": true}])),
        parts(json!([{"text": "I "}])),
        parts(
            json!([{"text": "look."}, {"functionCall": {"name": "weather", "args": {"place": "Köln"}}, "thoughtSignature": "x"}]),
        ),
        parts(json!([{"functionCall": {"id": "own", "name": "time"}}])),
        end("STOP"),
    ];
    let upstream = Upstream::saying(&events).await;
    let schema = json!({"type": "object", "properties": {"place": {"type": "string"}}});
    let config = json!({
        "system_prompt": "Be brief.", "temperature": 0, "max_tokens": 100, "tool_choice": "weather",
        "tools": [{"name": "weather", "parameters": schema}],
        "options": {"generationConfig": {"thinkingConfig": {"includeThoughts": true}}},
        "messages": [
            {"role": "user", "content": "How warm?"},
            {"role": "assistant", "tool_calls": [{"id": "t1", "name": "weather", "arguments": "{\"place\":\"x\"}"}]},
            {"role": "tool", "tool_call_id": "t1", "content": "7"},
        ],
    });
    let ran = upstream.run(Gemini, config).await;
    let expected = json!({
        "text": "I look.", "reasoning": "Let me see.",
        "tool_calls": [{"id": "call_1", "name": "weather", "arguments": {"place": "Köln"}}, {"id": "own", "name": "time", "arguments": {}}],
        "finish_reason": "tool_calls", "model": "gemini-test-1", "provider": "local",
        "usage": {"input_tokens": 12, "output_tokens": 40, "reasoning_tokens": 8, "cached_tokens": 4},
    });
    assert_eq!(ran.result.output["ask"], expected);
    assert_eq!(
        (text(&ran), reasoning(&ran)),
        ("I look.".to_owned(), "Let me see.".to_owned())
    );
    assert_eq!(ran.progress("ask", "usage").len(), 1);

    let asked = &upstream.asked()[0];
    assert!(
        asked
            .head
            .starts_with("POST /v1beta/models/test-model:streamGenerateContent?alt=sse HTTP/1.1"),
        "{}",
        asked.head
    );
    assert!(asked.head.contains(&format!("x-goog-api-key: {KEY}")) && !asked.head.contains("key="));
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "How warm?"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"place": "x"}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "7"}}}]},
        ],
        "generationConfig": {"temperature": 0.0, "maxOutputTokens": 100, "thinkingConfig": {"includeThoughts": true}},
        "tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": schema}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
    });
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn bytes_cut_anywhere_and_halves_of_characters_change_nothing() {
    let half = |escape: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{escape}\"}}]}}}}]}}\r\n\r\n"
        )
    };
    let events = [
        parts(json!([{"text": "größe 你好 "}])),
        half("\\ud83d"),
        half("\\ude00"),
        end("STOP"),
    ];
    for size in [1, 13] {
        let mut acts = vec![Act::Head];
        acts.extend(
            events
                .concat()
                .as_bytes()
                .chunks(size)
                .map(|part| Act::Say(part.to_vec())),
        );
        acts.push(Act::End);
        let upstream = Upstream::start(vec![acts]).await;
        let ran = upstream.run(Gemini, json!({"prompt": "x"})).await;
        assert_eq!(ran.result.output["ask"]["text"], "größe 你好 😀");
        assert_eq!(text(&ran), "größe 你好 😀");
    }
}

#[tokio::test]
async fn an_error_or_a_cut_in_the_middle_keeps_what_had_come() {
    let half = [
        parts(json!([{"text": "Half an "}])),
        parts(json!([{"text": "answer"}])),
    ];
    let error = event(
        &json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}),
    );
    let mut failing = half.to_vec();
    failing.push(error);
    // without a reason for its end an answer is half an answer, however politely the connection is closed
    let upstream = Upstream::start(vec![stream(&failing), stream(&half)]).await;
    for (category, message) in [
        ("dependency", "sent an error: The model is overloaded."),
        ("network", "ended the stream before the end of its answer"),
    ] {
        let ran = upstream.run(Gemini, json!({"prompt": "x"})).await;
        let error = ran.result.error.as_ref().unwrap();
        assert_eq!(
            (error.category.as_str(), error.message.as_str()),
            (category, &*format!("provider `local` {message}"))
        );
        let partial = &ran.of(EventType::StepOutput)[0].data;
        assert_eq!(
            (&partial["partial"], &partial["output"]["text"]),
            (&json!(true), &json!("Half an answer"))
        );
    }
}

#[tokio::test]
async fn reasons_for_the_end_have_one_word_each() {
    for (theirs, ours) in [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("OTHER", "OTHER"),
    ] {
        let upstream = Upstream::saying(&[parts(json!([{"text": "x"}])), end(theirs)]).await;
        let ran = upstream.run(Gemini, json!({"prompt": "x"})).await;
        assert_eq!(ran.result.output["ask"]["finish_reason"], ours);
    }
    let blocked = event(
        &json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 12}}),
    );
    let upstream = Upstream::saying(&[blocked]).await;
    let ran = upstream.run(Gemini, json!({"prompt": "x"})).await;
    let output = &ran.result.output["ask"];
    assert_eq!(
        (&output["finish_reason"], &output["text"]),
        (&json!("content_filter"), &json!(""))
    );
}

#[tokio::test]
async fn an_error_as_an_answer_is_a_list_of_one() {
    let body = json!([{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}]);
    let upstream = Upstream::start(vec![vec![Act::Answer(400, "", body.to_string())]]).await;
    let ran = upstream
        .run(Gemini, json!({"prompt": "x", "model": "a/b c?key=1"}))
        .await;
    let error = ran.result.error.unwrap();
    assert_eq!(
        error.message,
        "provider `local` answered 400 Bad Request: API key not valid."
    );
    // a model's name cannot lead elsewhere
    let head = &upstream.asked()[0].head;
    assert!(
        head.starts_with("POST /v1beta/models/a%2Fb%20c%3Fkey%3D1:streamGenerateContent?alt=sse "),
        "{head}"
    );
}
