//! The command line as a person and a program use it: the real binary, its output and its exit code.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::log::Budget;
use stepcast_core::event::StreamEvent;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::harness::{Server, emit, soon};
use crate::recorded::record;

pub(crate) fn stepcast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepcast"));
    command
        .args(arguments)
        .env_remove("RUST_LOG")
        .env_remove("STEPCAST_SERVER")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) async fn output(arguments: &[&str]) -> (i32, String, String) {
    told(soon(stepcast(arguments).output()).await.unwrap())
}

pub(crate) fn told(output: Output) -> (i32, String, String) {
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A folder with a pipeline of these steps, one after the other.
fn pipeline(steps: &[Value]) -> (TempDir, String) {
    let ids: Vec<&Value> = steps.iter().map(|step| &step["id"]).collect();
    let paths: Vec<Value> = ids
        .windows(2)
        .map(|pair| json!({"from": pair[0], "to": pair[1]}))
        .collect();
    let flow = json!({"start_at": ids[0], "paths": paths});
    let parameters = json!([{"name": "who", "default": "world"}, {"name": "n", "default": 1}]);
    let whole = json!({"name": "Test", "parameters": parameters, "steps": steps, "flow": flow});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pipeline.json");
    std::fs::write(&file, whole.to_string()).unwrap();
    let name = file.to_str().unwrap().to_owned();
    (folder, name)
}

fn greet() -> Value {
    let values = json!({"text": "Hello, {{ parameters.who }}!", "n": "{{ parameters.n }}"});
    json!({"id": "greet", "type": "set", "config": {"values": values}})
}

fn delay(seconds: f64) -> Value {
    json!({"id": "wait", "type": "delay", "config": {"seconds": seconds}})
}

fn fail() -> Value {
    json!({"id": "boom", "type": "fail", "config": {"message": "on purpose"}})
}

fn events(ndjson: &str) -> Vec<StreamEvent> {
    ndjson
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn assert_whole(events: &[StreamEvent], last: &str) {
    assert!(
        events
            .iter()
            .map(|event| event.seq)
            .eq(1..=events.len() as u64)
    );
    assert_eq!(events.last().unwrap().event_type.as_str(), last);
}

/// Waits for the first line of its output.
async fn first_line(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = soon(lines.next_line()).await.unwrap().unwrap();
    let rest = lines.into_inner().into_inner();
    child.stdout = Some(rest);
    line
}

#[cfg(unix)]
async fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    let status = Command::new("kill")
        .args(["-s", name, &id])
        .status()
        .await
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn in_a_pipe_a_run_is_one_event_a_line_and_the_input_arrives() {
    let (folder, file) = pipeline(&[delay(0.05), greet()]);
    let input = folder.path().join("input.json");
    std::fs::write(&input, r#"{"who":"file","n":7}"#).unwrap();
    let at = format!("@{}", input.display());
    let (code, out, err) = output(&["run", &file, "--input", &at, "-p", "who=Ada"]).await;
    assert_eq!((code, err.as_str()), (0, ""));
    let events = events(&out);
    assert_whole(&events, "pipeline_complete");
    assert_eq!(events[0].data["input"], json!({"who": "Ada", "n": 7}));
    assert!(
        events.last().unwrap().data["output"]
            .to_string()
            .contains("Hello, Ada!")
    );
}

#[tokio::test]
async fn told_plainly_a_run_is_lines_for_a_person() {
    let (_folder, file) = pipeline(&[delay(0.05), greet(), fail()]);
    let (code, out, _) =
        output(&["run", &file, "--format", "plain", "--execution-id", "run_1"]).await;
    assert_eq!(code, 1);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "Test · 3 steps · run_1");
    assert!(lines[1].starts_with("✓ wait "), "{out}");
    assert!(lines[2].starts_with("✓ greet "), "{out}");
    assert!(
        lines[3].starts_with("✗ boom ") && lines[3].ends_with("on purpose"),
        "{out}"
    );
    assert!(
        lines[4].starts_with("✗ failed in ") && lines[4].contains("2 of 3 steps"),
        "{out}"
    );
    assert!(!out.contains('\u{1b}'), "no colours in a pipe");
}

#[tokio::test]
async fn the_exit_code_tells_failure_from_what_cannot_be_run() {
    let (_folder, file) = pipeline(&[fail()]);
    let (code, out, _) = output(&["run", &file]).await;
    assert_eq!(code, 1);
    assert_whole(&events(&out), "pipeline_error");

    let (_folder, slow) = pipeline(&[delay(30.0)]);
    let (code, out, _) = output(&["run", &slow, "--timeout", "0.2"]).await;
    assert_eq!(code, 1);
    assert_eq!(events(&out).last().unwrap().data["reason"], "timeout");

    let (_folder, wrong) = pipeline(&[json!({"id": "a", "type": "dely"})]);
    for (arguments, part) in [
        (vec!["run", &wrong], "$.steps[0].type"),
        (vec!["run", "no-such-file.json"], "cannot be read"),
        (vec!["run", &file, "--input", "[]"], "JSON object"),
        (vec!["run", &file, "-p", "x"], "key=value"),
        (vec!["run", &file, "--timeout", "-1"], "--timeout"),
        (vec!["run", &file, "--execution-id", "a b"], "letters"),
        (vec!["run"], "Usage"),
        (vec!["fly"], "unrecognized"),
    ] {
        let (code, out, err) = output(&arguments).await;
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(part), "{arguments:?}: {err}");
    }
}

#[tokio::test]
async fn validate_says_what_is_wrong_where_and_what_was_meant() {
    let (_good_folder, good) = pipeline(&[greet()]);
    let (code, out, _) = output(&["validate", &good]).await;
    assert_eq!(code, 0);
    assert!(out.contains("fine"), "{out}");
    let (_bad_folder, bad) =
        pipeline(&[json!({"id": "a", "type": "dely", "config": {"seconds": 1}})]);
    let (code, out, _) = output(&["validate", &good, &bad]).await;
    assert_eq!(code, 1);
    let line = out.lines().find(|line| line.starts_with(&bad)).unwrap();
    assert!(
        line.contains("$.steps[0].type") && line.contains("did you mean `delay`?"),
        "{line}"
    );
    assert_eq!(output(&["validate", "no-such-file.json"]).await.0, 2);
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_cancels_a_run_and_its_last_event_is_written() {
    let (_folder, file) = pipeline(&[delay(60.0)]);
    let mut child = stepcast(&["run", &file]).spawn().unwrap();
    let first = first_line(&mut child).await;
    signal(&child, "INT").await;
    let (code, out, err) = told(soon(child.wait_with_output()).await.unwrap());
    assert_eq!(code, 130, "{err}");
    let events = events(&format!("{first}\n{out}"));
    assert_eq!(events.last().unwrap().data["reason"], "cancelled");
    assert!(err.contains("cancelling"), "{err}");
}

#[tokio::test]
async fn a_run_ends_with_its_reader() {
    let (_folder, file) = pipeline(&[delay(60.0)]);
    let mut child = stepcast(&["run", &file]).spawn().unwrap();
    first_line(&mut child).await;
    drop(child.stdout.take());
    let status = soon(child.wait()).await.unwrap();
    assert_eq!(status.code(), Some(130));
}

#[tokio::test]
async fn tail_writes_what_the_log_holds_by_every_transport() {
    let server = Server::start().await;
    let context = server.execution("run_1", Budget::default());
    emit(&context, 300).await;
    let (_, page) = server.get("/api/executions/run_1/events?limit=1000").await;
    let logged: Vec<&Value> = page["events"].as_array().unwrap().iter().collect();
    let address = format!("http://{}/api/executions/run_1", server.address);
    for transport in ["ws", "sse", "poll"] {
        let (code, out, err) = output(&["tail", &address, "--transport", transport]).await;
        assert_eq!(code, 0, "{transport}: {err}");
        let lines: Vec<Value> = out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(lines.iter().eq(logged.iter().copied()), "{transport}");
        assert!(
            err.contains("following run_1") && err.contains("connect"),
            "{transport}: {err}"
        );
    }
    let cursor = format!("{}.290", page["epoch"]);
    let by_id = [
        "tail",
        "run_1",
        "--server",
        &server.address,
        "--after",
        &cursor,
    ];
    let (code, out, _) = output(&by_id).await;
    let seqs: Vec<u64> = events(&out).iter().map(|event| event.seq).collect();
    assert_eq!((code, seqs), (0, (291..=300).collect()));
    server.stop().await;
}

#[tokio::test]
async fn tail_takes_its_time_where_it_is_given_a_pace() {
    let server = Server::with(|config| {
        let apart = Duration::from_millis(400);
        record(&config.data_dir, "slow", 8, apart, true);
        record(&config.data_dir, "slower", 2, apart * 10_000, true);
    })
    .await;
    let tail = |id, more: &[&str]| {
        let address = format!("http://{}/api/executions/{id}", server.address);
        let mut command = stepcast(&["tail", &address]);
        command.args(more);
        command
    };
    for transport in ["ws", "sse"] {
        let whole = tail("slow", &["--pace", "100", "--transport", transport]).output();
        let (code, out, err) = told(soon(whole).await.unwrap());
        assert_eq!(code, 0, "{err}");
        assert_whole(&events(&out), "pipeline_complete");
        assert_eq!(out.lines().count(), 8);
        let paced = ["--pace", "1", "--transport", transport];
        let mut waits = tail("slower", &paced).spawn().unwrap();
        first_line(&mut waits).await;
        assert!(waits.try_wait().unwrap().is_none(), "over an hour to go");
    }
    for (more, part) in [
        (&["--pace", "0"][..], "from 0.5 to 100"),
        (
            &["--pace", "2", "--transport", "poll"],
            "long poll has no pace",
        ),
    ] {
        let refused = tail("slow", more).output();
        let (code, _, err) = told(soon(refused).await.unwrap());
        assert_eq!(code, 2);
        assert!(err.contains(part), "{err}");
    }
    server.stop().await;
}

#[tokio::test]
async fn tail_ends_with_the_outcome_and_says_why_it_cannot_follow() {
    let server = Server::start().await;
    let folder = server.directory.path().join("pipelines");
    for (name, steps) in [("fails", vec![fail()]), ("waits", vec![delay(60.0)])] {
        let (_source, file) = pipeline(&steps);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(Path::new(&file), folder.join(format!("{name}.json"))).unwrap();
        let body = json!({"pipeline": name, "execution_id": name});
        let (status, answer) = server.post("/api/executions", body).await;
        assert!(status < 300, "{answer}");
    }
    let tail = |id: &'static str| {
        let address = server.address.clone();
        async move { output(&["tail", id, "--server", &address]).await }
    };
    assert_eq!(tail("fails").await.0, 1);
    let (waits, (status, _)) = tokio::join!(tail("waits"), async {
        server.post("/api/executions/waits/cancel", json!({})).await
    });
    assert!(status < 300);
    assert_eq!(waits.0, 130);
    assert_eq!(events(&waits.1).last().unwrap().data["reason"], "cancelled");
    let (code, out, err) = tail("nobody").await;
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("no such execution"), "{err}");
    server.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn serve_answers_starts_what_it_is_told_and_stops_when_it_is_told() {
    let (folder, _file) = pipeline(&[delay(60.0)]);
    let data = folder.path().join("data");
    let (data, pipelines) = (data.to_str().unwrap(), folder.path().to_str().unwrap());
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        data,
        "--pipelines",
        pipelines,
        "--start",
        "pipeline",
    ];
    let mut child = stepcast(&arguments).spawn().unwrap();
    let line = first_line(&mut child).await;
    let address = line.strip_prefix("listening on http://").unwrap();
    let _already = rustls::crypto::ring::default_provider().install_default();
    let url = format!("http://{address}/api/executions");
    let runs: Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
    assert!(runs.to_string().contains("\"running\""), "{runs}");
    signal(&child, "TERM").await;
    let (code, _, err) = told(soon(child.wait_with_output()).await.unwrap());
    assert_eq!(code, 0, "{err}");

    let nothing = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--store",
        "memory",
        "--start",
        "nothing",
    ];
    let (code, _, err) = output(&nothing).await;
    assert_eq!(code, 2);
    assert!(err.contains("--start nothing"), "{err}");
    assert_eq!(output(&["serve", "--listen", "0.0.0.0:0"]).await.0, 2);
}

#[tokio::test]
async fn help_teaches_by_examples() {
    for command in ["serve", "run", "tail", "answer", "validate"] {
        let (code, out, _) = output(&[command, "--help"]).await;
        assert_eq!(code, 0);
        assert!(out.contains("Examples:") && out.contains("Usage:"), "{out}");
    }
    let mut child = stepcast(&["--version"]).spawn().unwrap();
    let mut text = String::new();
    soon(child.stdout.take().unwrap().read_to_string(&mut text))
        .await
        .unwrap();
    assert_eq!(
        text.trim(),
        format!("stepcast {}", env!("CARGO_PKG_VERSION"))
    );
}
