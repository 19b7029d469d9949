//! `command`: JSON lines from a program, and that nothing of it outlives the step.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepcast::pipeline::{RunOptions, RunStatus};
use stepcast::step::StepRegistry;
use stepcast_core::event::EventType;

use crate::pipeline_harness::{Ran, Running, pipeline, start};
use crate::processes::{gone, lives};

fn begin(directory: &Path, script: &str, more: Value) -> Running {
    let mut config = json!({"argv": ["sh", "-c", script]});
    for (key, value) in more.as_object().unwrap() {
        config[key] = value.clone();
    }
    let definition = pipeline(
        json!([{"id": "c", "type": "command", "config": config}]),
        json!([]),
    );
    let options = RunOptions {
        work_dir: directory.to_owned(),
        ..RunOptions::default()
    };
    start(
        &StepRegistry::builtin(),
        &definition,
        json!({"who": "Ada"}),
        options,
    )
}

async fn command(script: &str, more: Value) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    begin(directory.path(), script, more).end().await
}

#[tokio::test]
async fn lines_become_progress_tokens_logs_and_output() {
    let script = r#"
        echo '{"progress": 0.3, "message": "third"}'
        echo '{"token": "Hel"}'; printf '{"token": "l\\u00f6"}\n'
        echo '{"log": {"level": "warning", "message": "careful"}}'
        echo '{"log": "plain"}'
        echo 'no json at all'
        echo '{"unknown": 1}'
        echo '{"custom": {"x": 1}}'
        echo '{"output": {"first": 1}}'
        echo '{"output": {"last": 2}}'
    "#;
    let ran = command(script, json!({})).await;
    assert_eq!(ran.result.output["c"], json!({"last": 2}));
    assert_eq!(
        ran.progress("c", ""),
        [&json!({"progress": 0.3, "message": "third"})]
    );
    let tokens: Vec<&Value> = ran
        .progress("c", "token")
        .into_iter()
        .map(|data| &data["text"])
        .collect();
    assert_eq!(tokens, ["Hel", "lö"]);
    let logs: Vec<(&Value, &Value)> = ran
        .progress("c", "log")
        .into_iter()
        .map(|data| (&data["level"], &data["message"]))
        .collect();
    let line = |level: &str, message: &str| (json!(level), json!(message));
    let expected = [
        line("warning", "careful"),
        line("info", "plain"),
        line("info", "no json at all"),
        line("info", "{\"unknown\": 1}"),
    ];
    assert_eq!(
        logs,
        expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>()
    );
    assert_eq!(ran.progress("c", "custom").len(), 1);
    assert_eq!(ran.of(EventType::StepOutput).len(), 2);
}

#[tokio::test]
async fn the_program_is_given_one_line_and_little_of_the_environment() {
    let script = r#"read -r line; printf '{"output": {"given": %s, "home": "%s", "mine": "%s", "cargo": "%s"}}\n' "$line" "${HOME:+set}" "$MINE" "$CARGO_PKG_NAME""#;
    let ran = command(
        script,
        json!({"env": {"MINE": "{{ input.who }}"}, "settings": {"k": 1}}),
    )
    .await;
    let output = &ran.result.output["c"];
    assert_eq!(
        (&output["mine"], &output["cargo"]),
        (&json!("Ada"), &json!(""))
    );
    assert_eq!(output["given"]["data"], json!({"who": "Ada"}));
    assert_eq!(output["given"]["config"]["settings"], json!({"k": 1}));
    assert_eq!(
        (&output["given"]["step_id"], &output["given"]["attempt"]),
        (&json!("c"), &json!(1))
    );
}

#[tokio::test]
async fn a_program_that_fails_is_an_error_with_the_end_of_what_it_said() {
    let ran = command("echo first >&2; echo oh no >&2; exit 3", json!({})).await;
    let error = ran.result.error.unwrap();
    assert_eq!(error.category.as_str(), "dependency");
    assert_eq!(
        error.message,
        "`sh` ended with exit status: 3: first\noh no"
    );
    let ran = command(
        r#"echo '{"error": {"category": "network", "message": "no route"}}'"#,
        json!({}),
    )
    .await;
    let error = ran.result.error.unwrap();
    assert_eq!(
        (error.category.as_str(), error.message.as_str()),
        ("network", "no route")
    );
    let ran = command("", json!({"argv": ["/no/such/program"]})).await;
    assert_eq!(ran.result.error.unwrap().category.as_str(), "configuration");
    let ran = command("", json!({"cwd": "../.."})).await;
    assert_eq!(ran.result.error.unwrap().category.as_str(), "configuration");
}

#[tokio::test]
async fn garbage_of_any_size_is_bounded() {
    let script = r#"
        head -c 20000000 /dev/zero | tr '\0' x; echo
        printf '\377\376 bytes\n'
        head -c 100000 /dev/zero | tr '\0' y; echo
        echo '{"output": {"still": "here"}}'
    "#;
    let ran = command(script, json!({})).await;
    assert_eq!(ran.result.output["c"], json!({"still": "here"}));
    let logs = ran.progress("c", "log");
    assert_eq!(
        logs[0]["message"],
        "a line of 20000000 bytes is longer than 16777216, and dropped"
    );
    assert!(logs[1]["message"].as_str().unwrap().ends_with(" bytes"));
    assert!(logs[2]["message"].as_str().unwrap().len() < 5000);
    let flood = command(
        "i=0; while [ $i -lt 11000 ]; do echo line; i=$((i+1)); done",
        json!({}),
    )
    .await;
    assert_eq!(flood.result.status, RunStatus::Completed);
    assert_eq!(flood.progress("c", "log").len(), 10_000);
}

#[tokio::test]
async fn text_is_streamed_and_given_whole() {
    let ran = command("printf 'grü'; printf 'ße'", json!({"stdout": "text"})).await;
    assert_eq!(ran.result.output["c"], json!({"text": "grüße"}));
    let tokens: String = ran
        .progress("c", "token")
        .into_iter()
        .map(|data| data["text"].as_str().unwrap())
        .collect();
    assert_eq!(tokens, "grüße");
}

#[tokio::test]
async fn cancelling_kills_the_program_and_its_children() {
    let directory = tempfile::tempdir().unwrap();
    // the grandchild ignores what a terminal would send
    let script = "sh -c 'trap \"\" TERM INT HUP; echo $$ > grandchild; sleep 600' & echo '{\"progress\": 0.1}'; \
        while [ ! -s grandchild ]; do sleep 0.01; done; echo '{\"progress\": 0.5}'; wait";
    let mut running = begin(directory.path(), script, json!({}));
    running.until(|event| event.data["progress"] == 0.5).await;
    let pid = std::fs::read_to_string(directory.path().join("grandchild")).unwrap();
    assert!(lives(&pid));
    let asked = Instant::now();
    running.cancel.cancel();
    let ran = running.end().await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(ran.result.status, RunStatus::Cancelled);
    assert!(gone(&pid).await);
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let script = "sh -c 'echo $$ > grandchild; sleep 600'";
    let ran = begin(directory.path(), script, json!({"timeout_seconds": 0.5}))
        .end()
        .await;
    assert_eq!(ran.result.error.unwrap().category.as_str(), "timeout");
    let pid = std::fs::read_to_string(directory.path().join("grandchild")).unwrap();
    assert!(gone(&pid).await);
}

#[tokio::test]
async fn what_a_program_leaves_in_the_background_ends_with_it() {
    let directory = tempfile::tempdir().unwrap();
    // the child holds standard output open: without its end the step would wait for it
    let script = "sleep 600 & echo $! > child; echo '{\"output\": {\"done\": true}}'";
    let ran = begin(directory.path(), script, json!({})).end().await;
    assert_eq!(ran.result.output["c"], json!({"done": true}));
    let pid = std::fs::read_to_string(directory.path().join("child")).unwrap();
    assert!(gone(&pid).await);
}

#[tokio::test]
async fn a_program_that_does_not_read_is_free_not_to() {
    let directory = tempfile::tempdir().unwrap();
    let mut definition = pipeline(
        json!([{"id": "c", "type": "command", "config": {"argv": ["true"]}}]),
        json!([]),
    );
    definition["steps"][0]["inputs"] = json!({"big": "x".repeat(1 << 20)});
    let options = RunOptions {
        work_dir: directory.path().to_owned(),
        ..RunOptions::default()
    };
    let ran = start(&StepRegistry::builtin(), &definition, json!({}), options)
        .end()
        .await;
    assert_eq!(ran.result.status, RunStatus::Completed);
}
