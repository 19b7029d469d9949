//! What an `llm` step may say, what it may not, and who answers where nothing is configured.

use serde_json::{Value, json};
use stepcast::config::{Config, StoreKind};
use stepcast::llm::{ApiKey, Provider, ProviderKind, Providers};
use stepcast::pipeline::{Pipeline, RunStatus};
use stepcast::step::StepRegistry;
use stepcast_core::event::EventType;

use crate::harness::Server;
use crate::llm_openai::{DONE, chunk, finish};
use crate::llm_upstream::{Upstream, asking, stream, text};
use crate::pipeline_harness::{pipeline, run_with};

fn problems(config: Value) -> Vec<String> {
    let mut providers = Providers::default();
    let keyed = Provider::new("openai", ProviderKind::OpenAi).with_key(ApiKey::new("k"));
    providers.add(keyed);
    let registry = StepRegistry::builtin().with_providers(providers);
    let problems = Pipeline::from_json(&asking(config), &registry)
        .err()
        .unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_configuration_that_cannot_be_meant_is_refused_with_its_place() {
    let tool = |more: Value| {
        let mut tool = json!({"name": "t", "parameters": {"type": "object"}});
        tool.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"prompt": "x", "tools": [tool]})
    };
    for (config, place, message) in [
        (
            json!({}),
            "$.steps[0].config",
            "`llm` needs a `prompt`, `messages` or an `input_field`",
        ),
        (
            json!({"prompt": "x", "messages": []}),
            "$.steps[0].config",
            "either `prompt`, `messages` or `input_field`",
        ),
        (
            json!({"prompt": "x", "temprature": 1}),
            "$.steps[0].config.temprature",
            "did you mean `temperature`?",
        ),
        (
            json!({"prompt": "x", "temperature": 3}),
            "$.steps[0].config.temperature",
            "from 0 to 2",
        ),
        (
            json!({"prompt": "x", "max_tokens": 0}),
            "$.steps[0].config.max_tokens",
            "at least 1",
        ),
        (
            json!({"prompt": "x", "provider": "openia", "model": "m"}),
            "$.steps[0].config.provider",
            "did you mean `openai`?",
        ),
        (
            json!({"prompt": "x", "provider": "anthropic", "model": "m"}),
            "$.steps[0].config.provider",
            "set ANTHROPIC_API_KEY, or configure [llm.providers.anthropic]",
        ),
        (
            json!({"prompt": "x", "provider": "openai"}),
            "$.steps[0].config",
            "set OPENAI_MODEL",
        ),
        (
            json!({"prompt": "x", "base_url": "http://evil"}),
            "$.steps[0].config.base_url",
            "a pipeline names no `base_url`",
        ),
        (
            json!({"prompt": "x", "api_key_env": "HOME"}),
            "$.steps[0].config.api_key_env",
            "a pipeline names no `api_key_env`",
        ),
        (
            json!({"prompt": "x", "options": {"stream": false}}),
            "$.steps[0].config.options.stream",
            "not an option",
        ),
        (
            json!({"messages": [{"role": "usr", "content": "x"}]}),
            "$.steps[0].config.messages[0].role",
            "did you mean `user`?",
        ),
        (
            json!({"messages": [{"role": "tool", "content": "x"}]}),
            "$.steps[0].config.messages[0]",
            "`tool_call_id`",
        ),
        (
            json!({"messages": [{"role": "user", "contnet": "x"}]}),
            "$.steps[0].config.messages[0].contnet",
            "did you mean `content`?",
        ),
        (
            json!({"messages": []}),
            "$.steps[0].config.messages",
            "at least one message",
        ),
        (
            tool(json!({"name": "two words"})),
            "$.steps[0].config.tools[0].name",
            "a tool's `name`",
        ),
        (
            tool(json!({"parameters": {"type": "objct"}})),
            "$.steps[0].config.tools[0].parameters",
            "no JSON Schema",
        ),
        (
            json!({"prompt": "x", "tools": [{"name": "t"}, {"name": "t"}]}),
            "$.steps[0].config.tools[1]",
            "there already",
        ),
        (
            json!({"prompt": "x", "tools": [{"name": "search"}], "tool_choice": "serach"}),
            "$.steps[0].config.tool_choice",
            "did you mean `search`?",
        ),
    ] {
        let found = problems(config.clone());
        assert!(
            found
                .iter()
                .any(|problem| problem.starts_with(&format!("{place}:"))
                    && problem.contains(message)),
            "{config}: {found:#?}"
        );
    }
    assert!(
        problems(json!({"prompt": "{{ a }}", "provider": "{{ b }}", "temperature": "{{ c }}"}))
            .is_empty()
    );
}

#[tokio::test]
async fn placeholders_inputs_and_fields_of_the_data_make_the_prompt() {
    let whole = stream(&[
        chunk(json!({"content": "ok"})),
        finish("stop"),
        DONE.to_owned(),
    ]);
    let upstream = Upstream::start(vec![whole; 4]).await;
    let registry = upstream.registry(ProviderKind::OpenAiCompatible);
    let input = json!({"topic": "tides", "deep": {"text": "from afar"}, "warmth": 0.5, "rows": [1, 2],
        "turn": {"role": "assistant", "content": "yes?"}});
    for (config, messages) in [
        (
            json!({"prompt": "On {{ topic }}: {{ rows }}"}),
            json!([{"role": "user", "content": "On tides: [1,2]"}]),
        ),
        (
            json!({"input_field": "deep.text", "system": "s"}),
            json!([{"role": "system", "content": "s"}, {"role": "user", "content": "from afar"}]),
        ),
        (
            json!({"messages": [{"content": "{{ rows }}"}, "{{ turn }}", {"role": "developer", "content": "x"}]}),
            json!([{"role": "user", "content": "[1,2]"}, {"role": "assistant", "content": "yes?"}, {"role": "system", "content": "x"}]),
        ),
    ] {
        let mut config = config;
        config["temperature"] = "{{ warmth }}".into();
        let ran = run_with(&registry, &asking(config), input.clone()).await;
        assert_eq!(
            ran.result.status,
            RunStatus::Completed,
            "{:?}",
            ran.result.error
        );
        let asked = upstream.asked().pop().unwrap().body;
        assert_eq!(
            (&asked["messages"], &asked["temperature"]),
            (&messages, &json!(0.5))
        );
    }
    let ran = run_with(
        &registry,
        &asking(json!({"input_field": "nowhere"})),
        input.clone(),
    )
    .await;
    assert!(ran.result.error.unwrap().message.contains("`nowhere`"));
    let ran = run_with(
        &registry,
        &asking(json!({"prompt": "x", "provider": "{{ topic }}"})),
        input.clone(),
    )
    .await;
    let message = ran.result.error.unwrap().message;
    assert!(
        message.contains("no provider `tides` is registered: configure [llm.providers.tides]"),
        "{message}"
    );
    let ran = run_with(
        &registry,
        &asking(json!({"prompt": "x", "temperature": "{{ topic }}"})),
        input,
    )
    .await;
    let message = ran.result.error.unwrap().message;
    assert!(message.contains("$.config.temperature"), "{message}");
}

#[tokio::test]
async fn an_answer_with_calls_goes_back_with_their_results() {
    let whole = stream(&[
        chunk(json!({"content": "ok"})),
        finish("stop"),
        DONE.to_owned(),
    ]);
    let upstream = Upstream::start(vec![whole]).await;
    let calls = json!([{"id": "c1", "name": "weather", "arguments": {"place": "Köln"}}]);
    let config = json!({"messages": [
        {"role": "user", "content": "How warm?"},
        {"role": "assistant", "tool_calls": "{{ calls }}"},
        {"role": "tool", "tool_call_id": "c1", "content": {"degrees": 7}},
    ]});
    let registry = upstream.registry(ProviderKind::OpenAi);
    run_with(&registry, &asking(config), json!({"calls": calls})).await;
    let expected = json!([
        {"role": "user", "content": "How warm?"},
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"place\":\"Köln\"}"}}]},
        {"role": "tool", "content": "{\"degrees\":7}", "tool_call_id": "c1"},
    ]);
    assert_eq!(upstream.asked()[0].body["messages"], expected);
}

#[tokio::test(start_paused = true)]
async fn without_a_provider_a_recording_answers_and_says_that_it_is_one() {
    let ran = run_with(
        &StepRegistry::builtin(),
        &asking(json!({"prompt": "Argue for a tidal power station."})),
        json!({}),
    )
    .await;
    let output = &ran.result.output["ask"];
    let llm = json!({"kind": "llm", "provider": "scripted", "model": "recorded", "scripted": true});
    assert_eq!(ran.progress("ask", "llm"), [&llm]);
    assert_eq!(
        (&output["scripted"], &output["finish_reason"]),
        (&json!(true), &json!("stop"))
    );
    assert_eq!(output["text"].as_str().unwrap(), text(&ran));
    let (tokens, events) = (
        output["usage"]["output_tokens"].as_u64().unwrap(),
        ran.progress("ask", "token").len() as u64,
    );
    assert!(events * 2 < tokens, "{tokens} tokens in {events} events");
    let times: Vec<u64> = [EventType::StepStart, EventType::StepComplete]
        .map(|kind| ran.of(kind)[0].seq)
        .to_vec();
    assert!(times[0] < times[1]);

    let steps = json!([{"id": "ask", "type": "llm", "config": {
        "prompt": "What is the weather like?",
        "tools": [{"name": "get_weather", "parameters": {"type": "object"}}],
    }}]);
    let ran = run_with(
        &StepRegistry::builtin(),
        &pipeline(steps, json!([])),
        json!({}),
    )
    .await;
    assert_eq!(
        ran.result.output["ask"]["tool_calls"][1]["arguments"],
        json!({"place": "Bristol"})
    );
}

#[tokio::test]
async fn a_server_takes_its_providers_from_its_configuration() {
    let whole = stream(&[
        chunk(json!({"content": "configured"})),
        finish("stop"),
        DONE.to_owned(),
    ]);
    let upstream = Upstream::start(vec![whole]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stepcast.toml");
    let address = upstream.address;
    let toml = format!(
        "[llm]\ndefault = \"near\"\n[llm.providers.near]\nkind = \"openai_compatible\"\nbase_url = \"http://{address}/v1/\"\nmodel = \"m\"\n[llm.providers.Far]\nkind = \"google\"\nmodel = \"g\"\n"
    );
    std::fs::write(&file, toml).unwrap();
    let llm = Config::load(Some(&file), std::iter::empty()).unwrap().llm;
    assert_eq!(llm.providers["Far"].kind, ProviderKind::Gemini);
    let server = Server::with(|config| {
        config.store = StoreKind::Memory;
        config.llm = llm;
    })
    .await;
    let (status, body) = server
        .post(
            "/api/executions",
            json!({"definition": asking(json!({"prompt": "x"}))}),
        )
        .await;
    assert!(status < 300, "{status} {body}");
    let id = body["execution_id"].as_str().unwrap().to_owned();
    let rest = server
        .sse(&format!("/stream/pipeline/{id}"), None)
        .await
        .rest()
        .await;
    let complete = rest
        .iter()
        .find(|message| message.event == "step_complete")
        .unwrap();
    assert!(
        complete.data.contains("\"text\":\"configured\""),
        "{}",
        complete.data
    );
    assert!(
        upstream.asked()[0]
            .head
            .starts_with("POST /v1/chat/completions")
    );
    assert!(!upstream.asked()[0].head.contains("authorization"));
    server.stop().await;

    for (toml, named) in [
        ("[llm]\ndefault = \"x\"", "llm.default"),
        (
            "[llm.providers.a]\nkind = \"openai_compatible\"",
            "llm.providers.a",
        ),
        ("[llm.providers.a]\nkind = \"opnai\"", "opnai"),
        ("[llm.providers.a]\nkind = \"openai\"\nurl = \"x\"", "url"),
        (
            "[llm.providers.a]\nkind = \"openai\"\napi_key_env = \"NO_SUCH_KEY\"",
            "NO_SUCH_KEY",
        ),
    ] {
        std::fs::write(&file, toml).unwrap();
        let message = Config::load(Some(&file), std::iter::empty())
            .and_then(|config| config.providers(std::iter::empty()).map(drop))
            .unwrap_err();
        assert!(message.to_string().contains(named), "{toml}: {message}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_example_argues_in_two_branches_and_weighs_both() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/llm/pipeline.json");
    let definition = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let ran = run_with(&StepRegistry::builtin(), &definition, json!({})).await;
    let output = &ran.result.output;
    assert!(
        output["verdict"]
            .as_str()
            .unwrap()
            .contains("Verdict: build the wall"),
        "{output}"
    );
    assert_eq!(output["provider"], "scripted");
    let seq = |event_type, step: &str| {
        let events = ran.of(event_type).into_iter();
        let mut of =
            events.filter(|event| event.step_id.as_ref().is_some_and(|id| id.as_str() == step));
        of.next().unwrap().seq
    };
    assert!(seq(EventType::StepStart, "sceptic") < seq(EventType::StepComplete, "advocate"));
    assert!(seq(EventType::StepStart, "judge") > seq(EventType::StepComplete, "sceptic"));
    assert!(seq(EventType::StepStart, "judge") > seq(EventType::StepComplete, "advocate"));
    let first = |step: &str| ran.progress(step, "token")[0]["channel"].clone();
    assert_eq!(
        (first("advocate"), first("judge")),
        (Value::Null, json!("reasoning"))
    );
}
