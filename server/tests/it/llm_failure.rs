//! What `llm` does when a provider fails: before the first token, in the middle of an answer, and in its words.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepcast::llm::ProviderKind::{OpenAi, OpenAiCompatible};
use stepcast::pipeline::{RunOptions, RunStatus};
use stepcast_core::event::EventType;
use tracing_subscriber::fmt::MakeWriter;

use crate::llm_openai::{DONE, chunk, event, finish};
use crate::llm_upstream::{Act, KEY, Upstream, asking, asking_with, registry, seen, stream, text};
use crate::pipeline_harness::{Ran, run_with, start};

const RETRY: u32 = 3;

fn tries() -> Value {
    json!({"error_handling": {"retry": {"max_attempts": RETRY, "initial_delay": 0.01, "max_delay": 5}}})
}

/// Half an answer, then this.
fn half(then: Act) -> Vec<Act> {
    let mut acts = stream(&[
        chunk(json!({"content": "Half an "})),
        chunk(json!({"content": "answer"})),
    ]);
    acts.pop();
    acts.push(then);
    acts
}

/// The half that was kept, and the error.
fn check_partial(ran: &Ran, category: &str, message: &str) {
    assert_eq!(ran.result.status, RunStatus::Failed);
    let error = ran.result.error.as_ref().unwrap();
    assert_eq!(error.category.as_str(), category, "{error}");
    assert!(error.message.contains(message), "{error}");
    assert_eq!(text(ran), "Half an answer");
    let outputs = ran.of(EventType::StepOutput);
    assert_eq!(outputs.len(), 1);
    let data = &outputs[0].data;
    assert_eq!(
        (&data["partial"], &data["output"]["text"]),
        (&json!(true), &json!("Half an answer"))
    );
    assert_eq!(data["output"]["finish_reason"], Value::Null);
    assert_eq!(ran.of(EventType::StepError)[0].data["partial"], true);
}

#[tokio::test]
async fn an_error_in_the_middle_keeps_what_had_come_and_is_not_tried_again() {
    let sent =
        event(&json!({"error": {"message": "the engine fell over", "type": "server_error"}}));
    let upstream = Upstream::start(vec![half(Act::Say(sent.into_bytes())); 2]).await;
    let definition = asking_with(json!({"prompt": "x"}), tries());
    let ran = run_with(&upstream.registry(OpenAi), &definition, json!({})).await;
    check_partial(
        &ran,
        "dependency",
        "provider `local` sent an error: the engine fell over",
    );
    assert!(ran.progress("ask", "retry").is_empty());
    assert_eq!(upstream.asked().len(), 1);
}

#[tokio::test]
async fn a_connection_that_dies_half_way_keeps_what_had_come() {
    for then in [Act::Cut, Act::End] {
        let upstream = Upstream::start(vec![half(then)]).await;
        let definition = asking_with(json!({"prompt": "x"}), tries());
        let ran = run_with(&upstream.registry(OpenAi), &definition, json!({})).await;
        check_partial(&ran, "network", "provider `local` ");
        assert_eq!(upstream.asked().len(), 1);
    }
}

#[tokio::test]
async fn half_an_answer_is_asked_for_again_where_the_policy_says_so() {
    let whole = stream(&[
        chunk(json!({"content": "Whole."})),
        finish("stop"),
        DONE.to_owned(),
    ]);
    let upstream = Upstream::start(vec![half(Act::Cut), whole]).await;
    let mut more = tries();
    more["error_handling"]["retry"]["retry_partial"] = true.into();
    let ran = run_with(
        &upstream.registry(OpenAi),
        &asking_with(json!({"prompt": "x"}), more),
        json!({}),
    )
    .await;
    assert_eq!(ran.result.output["ask"]["text"], "Whole.");
    assert_eq!(ran.progress("ask", "retry").len(), 1);
    assert_eq!(ran.progress("ask", "llm").len(), 2);
    assert_eq!(ran.of(EventType::StepOutput).len(), 1);
    // what the first attempt said is before the `retry`, which voids it
    assert_eq!(text(&ran), "Half an answerWhole.");
}

#[tokio::test]
async fn a_provider_that_is_busy_is_asked_again_when_it_says() {
    let busy = |headers| {
        Act::Answer(
            429,
            headers,
            json!({"error": {"message": "slow down", "type": "rate_limit"}}).to_string(),
        )
    };
    let whole = stream(&[
        chunk(json!({"content": "Whole."})),
        finish("stop"),
        DONE.to_owned(),
    ]);
    let scripts = vec![
        vec![busy("retry-after: 0.3\r\n")],
        vec![busy("retry-after-ms: 20\r\n")],
        whole,
    ];
    let upstream = Upstream::start(scripts).await;
    let begun = Instant::now();
    let ran = run_with(
        &upstream.registry(OpenAi),
        &asking_with(json!({"prompt": "x"}), tries()),
        json!({}),
    )
    .await;
    assert_eq!(ran.result.output["ask"]["text"], "Whole.");
    assert!(begun.elapsed() >= Duration::from_millis(320));
    let delays: Vec<&Value> = ran
        .progress("ask", "retry")
        .iter()
        .map(|data| &data["delay_ms"])
        .collect();
    assert_eq!(delays, [&json!(300.0), &json!(20.0)]);
    assert_eq!(
        ran.progress("ask", "retry")[0]["error"]["message"],
        "provider `local` answered 429 Too Many Requests: slow down"
    );
    assert_eq!(text(&ran), "Whole.");
    assert!(ran.of(EventType::StepError).is_empty());
}

#[tokio::test]
async fn a_status_says_whether_another_attempt_makes_sense() {
    let error = |kind: &str| json!({"error": {"message": "no", "type": kind}}).to_string();
    for (status, kind, category, asked) in [
        (401, "invalid_api_key", "configuration", 1),
        (404, "not_found", "configuration", 1),
        (400, "invalid_request_error", "validation", 1),
        (429, "insufficient_quota", "resource", 1),
        (503, "overloaded", "dependency", 3),
        (307, "", "configuration", 1),
    ] {
        let answer = vec![Act::Answer(status, "location: /elsewhere\r\n", error(kind))];
        let upstream = Upstream::start(vec![answer; 3]).await;
        let ran = run_with(
            &upstream.registry(OpenAi),
            &asking_with(json!({"prompt": "x"}), tries()),
            json!({}),
        )
        .await;
        let error = ran.result.error.as_ref().unwrap();
        assert_eq!(error.category.as_str(), category, "{status} {error}");
        assert_eq!(upstream.asked().len(), asked, "{status}");
        assert!(ran.of(EventType::StepOutput).is_empty(), "nothing had come");
    }
}

#[tokio::test]
async fn what_is_no_stream_is_told_as_such() {
    let json = Act::Answer(
        200,
        "content-type: application/json\r\n",
        json!({"choices": []}).to_string(),
    );
    let upstream = Upstream::start(vec![vec![json]]).await;
    let ran = upstream.run(OpenAi, json!({"prompt": "x"})).await;
    assert!(
        ran.result
            .error
            .unwrap()
            .message
            .contains("one JSON document")
    );
    let upstream = Upstream::saying(&["data: {\"choices\": nonsense}\n\n".to_owned()]).await;
    let ran = upstream.run(OpenAi, json!({"prompt": "x"})).await;
    let message = ran.result.error.unwrap().message;
    assert!(
        message.contains("sent an event that cannot be read"),
        "{message}"
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = upstream
        .provider(OpenAi)
        .with_base_url(&format!("http://{free}"))
        .unwrap();
    let ran = run_with(
        &registry(nobody),
        &asking(json!({"prompt": "x"})),
        json!({}),
    )
    .await;
    let error = ran.result.error.unwrap();
    assert_eq!(error.category.as_str(), "network");
    assert!(
        error
            .message
            .starts_with("provider `local` cannot be reached"),
        "{error}"
    );
}

#[tokio::test]
async fn a_first_token_may_be_slow_and_silence_has_an_end() {
    let mut slow = stream(&[
        chunk(json!({"content": "Late."})),
        finish("stop"),
        DONE.to_owned(),
    ]);
    slow.insert(1, Act::Pause(Duration::from_millis(400)));
    slow.insert(0, Act::Pause(Duration::from_millis(200)));
    let upstream = Upstream::start(vec![slow]).await;
    let ran = upstream.run(OpenAi, json!({"prompt": "x"})).await;
    assert_eq!(ran.result.output["ask"]["text"], "Late.");

    let upstream = Upstream::start(vec![vec![Act::Hold], half(Act::Hold)]).await;
    let impatient = upstream
        .provider(OpenAi)
        .with_idle_timeout(Duration::from_millis(700));
    let impatient = registry(impatient);
    let ran = run_with(&impatient, &asking(json!({"prompt": "x"})), json!({})).await;
    assert_eq!(
        ran.result.error.unwrap().message,
        "provider `local` said nothing for 0.7 s"
    );
    let ran = run_with(&impatient, &asking(json!({"prompt": "x"})), json!({})).await;
    check_partial(&ran, "timeout", "said nothing for 0.7 s");
}

#[tokio::test]
async fn a_step_that_runs_out_of_time_keeps_what_had_come() {
    let upstream = Upstream::start(vec![half(Act::Hold)]).await;
    let definition = asking_with(json!({"prompt": "x"}), json!({"timeout_seconds": 1}));
    let ran = run_with(&upstream.registry(OpenAi), &definition, json!({})).await;
    check_partial(&ran, "timeout", "took longer than 1 s");
    upstream.closed().await;
}

#[tokio::test]
async fn cancelling_closes_the_connection_within_a_second() {
    let upstream = Upstream::start(vec![half(Act::Hold)]).await;
    let mut running = start(
        &upstream.registry(OpenAi),
        &asking(json!({"prompt": "x"})),
        json!({}),
        RunOptions::default(),
    );
    running.until(|event| event.data["kind"] == "token").await;
    let cancelled = Instant::now();
    running.cancel.cancel();
    upstream.closed().await;
    assert!(
        cancelled.elapsed() < Duration::from_secs(1),
        "{:?}",
        cancelled.elapsed()
    );
    let ran = running.end().await;
    assert_eq!(ran.result.status, RunStatus::Cancelled);
    assert_eq!(text(&ran), "Half an answer");
    assert_eq!(ran.of(EventType::StepOutput)[0].data["partial"], true);
}

#[tokio::test]
async fn a_run_that_goes_on_has_the_half_that_came() {
    let upstream = Upstream::start(vec![half(Act::Cut)]).await;
    let mut definition = asking_with(
        json!({"prompt": "x"}),
        json!({"error_handling": {"continue_on_error": true}}),
    );
    let next = json!({"id": "next", "type": "transform", "config": {"expression": "{half: .ask.partial_output.text}"}});
    definition["steps"].as_array_mut().unwrap().push(next);
    definition["flow"]["paths"] = json!([{"from": "ask", "to": "next", "condition": "failure"}]);
    let ran = run_with(&upstream.registry(OpenAi), &definition, json!({})).await;
    assert_eq!(ran.result.output["next"]["half"], "Half an answer");
    assert_eq!(ran.of(EventType::StepError)[0].data["continued"], true);
}

#[tokio::test]
async fn an_answer_without_end_has_one() {
    let page = chunk(json!({"content": "again ".repeat(1 << 18)})).into_bytes();
    let mut acts = vec![Act::Head];
    acts.extend(vec![Act::Say(page); 8]);
    let upstream = Upstream::start(vec![acts]).await;
    let ran = upstream.run(OpenAi, json!({"prompt": "x"})).await;
    let error = ran.result.error.unwrap();
    assert_eq!(error.category.as_str(), "resource");
    assert!(
        error.message.contains("sent more than 8388608 bytes"),
        "{error}"
    );
}

/// What is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_event_no_error_and_no_log_shows_a_key() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone());
    let _until_the_end = tracing::subscriber::set_default(subscriber.finish());
    let repeated = json!({"error": {"message": format!("Incorrect API key provided: {KEY}")}});
    let answer = vec![Act::Answer(
        401,
        "content-type: application/json\r\n",
        repeated.to_string(),
    )];
    let sent = Act::Say(event(&repeated).into_bytes());
    for kind in [
        OpenAi,
        OpenAiCompatible,
        stepcast::llm::ProviderKind::Anthropic,
        stepcast::llm::ProviderKind::Gemini,
    ] {
        let upstream = Upstream::start(vec![answer.clone(), half(sent.clone())]).await;
        for _ in 0..2 {
            let ran = upstream.run(kind, json!({"prompt": "x"})).await;
            assert_eq!(ran.result.status, RunStatus::Failed);
            assert!(!seen(&ran).contains(KEY), "{}", seen(&ran));
        }
        assert!(
            upstream.asked()[0].head.contains(KEY),
            "it was sent all the same"
        );
        let registry = upstream.registry(kind);
        assert!(!format!("{registry:?} {:?}", registry.providers()).contains(KEY));
    }
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(
        logged.contains("127.0.0.1"),
        "something is logged: {logged}"
    );
    assert!(!logged.contains(KEY));
}
