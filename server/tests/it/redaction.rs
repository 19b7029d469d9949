//! What is taken out of events is nowhere: not on any way of reading, not on the disk.

use std::path::Path;

use serde_json::{Value, json};
use stepcast::config::{Config, StoreKind};
use stepcast::redaction::REDACTED;

use crate::cli::output;
use crate::harness::{Server, soon};
use crate::human_api::of_kind;
use crate::ingest_harness::{announce, post, post_lines, send, server_with};

/// Stands in every input and output of these tests.
pub(crate) const SECRET: &str = "hunter22-hunter22";

pub(crate) fn rules(config: &mut Config) {
    let fields = ["**.password", "data.output.keys.*", "metadata.trace"];
    config.redaction.fields = fields.map(str::to_owned).to_vec();
}

/// An event of a producer elsewhere that holds the secret wherever a rule finds it.
fn telling(step: &str) -> Value {
    json!({
        "event_type": "step_output", "step_id": step,
        "data": {"output": {"user": "ada", "Password": SECRET, "keys": [SECRET, {"a": SECRET}],
            "deep": [{"er": {"password": {"whole": SECRET}}}]}},
        "metadata": {"trace": SECRET, "more": 1},
    })
}

fn told(event: &Value) {
    assert_eq!(
        event["data"]["output"],
        json!({"user": "ada", "Password": REDACTED, "keys": [REDACTED, REDACTED],
            "deep": [{"er": {"password": REDACTED}}]})
    );
    assert_eq!(event["metadata"], json!({"trace": REDACTED, "more": 1}));
}

/// Everything below a folder, byte for byte.
pub(crate) fn is_on_disk(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_on_disk(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    })
}

#[tokio::test]
async fn nobody_reads_what_was_taken_out_by_whatever_way() {
    for store in [StoreKind::Memory, StoreKind::Sqlite] {
        let directory = tempfile::tempdir().unwrap();
        let server = server_with(directory.path(), |config| {
            config.store = store;
            rules(config);
        })
        .await;
        let body = json!({
            "mode": "external", "pipeline": "Elsewhere", "execution_id": "e", "steps": ["a"],
            "input": {"password": SECRET, "n": 1},
        });
        // the same request once more is the same execution
        for status in [201, 200] {
            let answer = send(&server, "/api/executions", &[], body.to_string()).await;
            assert_eq!(answer.status, status, "{:?}", answer.body);
        }
        // live, from before the first event
        let mut live = server.ws("/ws/pipeline/e").await;
        assert_eq!(live.but_pings().await["control"], "hello");
        let stream = server.sse("/stream/pipeline/e", None).await;
        post(&server, "e", None, json!([telling("a"), telling("b")])).await;
        post_lines(&server, "e", None, format!("{}\n", telling("a"))).await;
        let error =
            json!({"error": {"message": "no luck", "password": SECRET}, "reason": "failed"});
        let end = json!({"event_type": "pipeline_error", "data": error});
        assert_eq!(post(&server, "e", None, end).await.status, 200);

        let (frames, _) = live.rest().await;
        let outputs = frames.iter().filter(|it| it["event_type"] == "step_output");
        assert_eq!(outputs.map(told).count(), 3);
        assert_eq!(
            frames[0]["data"]["input"],
            json!({"password": REDACTED, "n": 1})
        );
        let mut seen = vec![json!(frames).to_string()];
        for messages in [stream, server.sse("/stream/pipeline/e", None).await] {
            let messages = messages.rest().await;
            assert!(messages.len() >= 5);
            seen.extend(messages.into_iter().map(|message| message.data));
        }
        let (replayed, _) = server.ws("/ws/pipeline/e").await.rest().await;
        seen.push(json!(replayed).to_string());
        for path in [
            "/api/executions/e/events",
            "/api/executions/e/events?after=earliest&wait_ms=1000&type=step_output",
            "/api/executions/e",
            "/api/executions/e?view=true",
            "/api/executions",
            "/api/executions/e/waits",
            "/api/metrics",
        ] {
            let (status, answer) = server.get(path).await;
            assert_eq!(status, 200, "{path}");
            seen.push(answer.to_string());
        }
        for text in &seen {
            assert!(!text.contains(SECRET), "{text}");
        }
        assert_eq!(
            seen.iter().filter(|text| text.contains(REDACTED)).count(),
            15
        );
        if store == StoreKind::Sqlite {
            let data = directory.path().join("data");
            // while the server has it in its write-ahead log, and once it is in the database
            assert!(!is_on_disk(&data, SECRET));
            server.stop().await;
            assert!(!is_on_disk(&data, SECRET));
            let arguments = [
                "log",
                "export",
                "--all",
                "--data-dir",
                data.to_str().unwrap(),
            ];
            let (code, text, told) = output(&arguments).await;
            assert_eq!(code, 0, "{told}");
            assert!(!text.contains(SECRET) && text.contains(REDACTED));
        } else {
            server.stop().await;
        }
    }
}

#[tokio::test]
async fn a_file_is_told_by_no_name_that_is_taken_out() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_with(directory.path(), |config| {
        config.redaction.fields = vec!["data.name".to_owned()];
    })
    .await;
    announce(&server, "e").await;
    let path = format!("/api/executions/e/artifacts?name={SECRET}.txt&step=a");
    let headers = [("content-type", "text/plain".to_owned())];
    let sent = send(&server, &path, &headers, "content").await;
    assert_eq!(sent.status, 201, "{:?}", sent.body);
    let events = server.events("e").await;
    assert_eq!(of_kind(&events, "artifact")[0]["data"]["name"], REDACTED);
    let (_, listed) = server.get("/api/executions/e/artifacts").await;
    assert_eq!(listed["artifacts"][0]["name"], REDACTED, "{listed}");
    server.stop().await;
    assert!(!is_on_disk(directory.path(), SECRET));
}

#[tokio::test]
async fn secrets_of_the_environment_are_found_wherever_they_stand() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("stepcast.toml");
    std::fs::write(
        &file,
        "[redaction]\nsecrets_from_env = [\"OF_MINE\", \"SHORT\"]\n",
    )
    .unwrap();
    let other = "quote\"d\\and\nlong";
    let step = json!({"id": "a", "type": "command", "config": {"stdout": "text", "command":
        ["sh", "-c", "printf 'key %s; short %s' \"$1\" x", "-", SECRET]}});
    let echo = json!({"id": "b", "type": "set", "config": {"values": {"it": "{{ input.it }}", "text": other}}});
    let pipeline = json!({"name": "P", "steps": [step, echo], "flow": {"start_at": "a",
        "paths": [{"from": "a", "to": "b"}]}});
    let path = directory.path().join("pipeline.json");
    std::fs::write(&path, pipeline.to_string()).unwrap();
    let mut run = crate::cli::stepcast(&["run", "pipeline.json", "--input"]);
    run.arg(json!({"it": SECRET, "in": {SECRET: 1}}).to_string())
        .current_dir(&directory)
        .env("OF_MINE", other)
        // known without being named
        .env("OPENAI_API_KEY", SECRET)
        .env("SHORT", "x");
    // this one names its own: the known ones are not among them
    let (code, text, told) = crate::cli::told(soon(run.output()).await.unwrap());
    assert_eq!(code, 0, "{text}{told}");
    assert!(text.contains(SECRET) && text.contains(REDACTED));
    assert!(!text.contains("quote"), "{text}");
    std::fs::remove_file(&file).unwrap();
    let (code, text, told) = crate::cli::told(soon(run.output()).await.unwrap());
    assert_eq!(code, 0, "{text}{told}");
    assert!(!text.contains(SECRET), "{text}");
    assert!(text.contains("key [redacted]; short x"), "{text}");
}

#[tokio::test]
async fn a_rule_that_is_none_is_refused_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("stepcast.toml");
    std::fs::write(&file, "[redaction]\nfields = [\"data.a\", \"data.a*\"]\n").unwrap();
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--config",
        file.to_str().unwrap(),
    ];
    let (code, _, told) = output(&arguments).await;
    assert_eq!(code, 2, "{told}");
    assert!(
        told.contains("redaction.fields[1]: `data.a*`: a star stands alone"),
        "{told}"
    );

    let server = Server::start().await;
    for (redact, path) in [
        (json!(["data.x", "input.password"]), "$.streaming.redact[1]"),
        (json!([1]), "$.streaming.redact"),
        (json!("data.x"), "$.streaming.redact"),
    ] {
        let definition = json!({"name": "P", "streaming": {"redact": redact},
            "steps": [{"id": "a", "type": "set", "config": {"values": {}}}], "flow": {"start_at": "a"}});
        let (status, problem) = server
            .post("/api/executions", json!({"definition": definition}))
            .await;
        assert_eq!(status, 422);
        let errors = problem["errors"].as_array().unwrap();
        assert!(errors.iter().any(|it| it["path"] == path), "{problem}");
    }
    server.stop().await;
}
