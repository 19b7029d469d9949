//! `POST /api/executions/{id}/resume`: an ended run goes on as a new execution.

use serde_json::{Value, json};
use stepcast::config::StoreKind;

use crate::harness::Server;

/// Reads a file that may not be there yet, after a step that ends well and notes that it was executed.
fn needs_a_file(server: &Server) -> Value {
    let pipelines = server.directory.path().join("pipelines");
    std::fs::create_dir_all(&pipelines).unwrap();
    let script = "echo x >> executed; echo '{\"output\":{\"text\":\"'$(head -c 20000 /dev/zero | tr '\\0' y)'\"}}'";
    json!({
        "name": "Needs",
        "steps": [
            { "id": "make", "type": "command", "config": { "command": ["sh", "-c", script] } },
            { "id": "read", "type": "file", "config": { "path": "there.txt" } },
        ],
        "flow": { "start_at": "make", "paths": [{ "from": "make", "to": "read" }] },
        "outputs": { "read": "{{ read.text }}", "made": "{{ make.text }}" },
    })
}

async fn run(server: &Server, id: &str, definition: Value) -> Vec<Value> {
    let body = json!({ "definition": definition, "execution_id": id });
    let (status, answer) = server.post("/api/executions", body).await;
    assert_eq!(status, 201, "{answer}");
    events(server, id).await
}

/// All events, once it has ended.
async fn events(server: &Server, id: &str) -> Vec<Value> {
    let (frames, _) = server.ws(&format!("/ws/pipeline/{id}")).await.rest().await;
    let events = frames.into_iter().filter(|frame| frame["seq"].is_u64());
    events.collect()
}

async fn resume(server: &Server, id: &str) -> (u16, Value) {
    server
        .post(&format!("/api/executions/{id}/resume"), json!({}))
        .await
}

fn executed(server: &Server) -> usize {
    let file = server.directory.path().join("pipelines/executed");
    std::fs::read_to_string(file).unwrap().lines().count()
}

/// The place of the last checkpoint.
fn checkpoint(events: &[Value]) -> usize {
    let saved = |event: &Value| event["event_type"] == "checkpoint_saved";
    events.iter().rposition(saved).unwrap() + 1
}

fn database(server: &Server) -> rusqlite::Connection {
    rusqlite::Connection::open(server.directory.path().join("data/stepcast.db")).unwrap()
}

#[tokio::test]
async fn rule_6_a_failed_run_goes_on_as_a_new_execution_with_the_history_of_the_old() {
    let server = Server::with(|_| {}).await;
    let old = run(&server, "old", needs_a_file(&server)).await;
    assert_eq!(old.last().unwrap()["data"]["reason"], "failed");
    std::fs::write(server.directory.path().join("pipelines/there.txt"), "now").unwrap();

    let (status, answer) = resume(&server, "old").await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["resumed_from"], "old");
    let id = answer["execution_id"].as_str().unwrap();
    assert_eq!(answer["links"]["self"], format!("/api/executions/{id}"));
    let new = events(&server, id).await;
    assert_eq!(executed(&server), 1, "what had ended is not executed again");
    let cut = checkpoint(&old);
    for (was, is) in old.iter().zip(&new).take(cut) {
        let mut was = was.clone();
        was["execution_id"] = id.into();
        assert_eq!(*is, was, "with its number, its time and its data");
    }
    assert_eq!(
        new[cut]["data"],
        json!({ "kind": "resumed", "reason": "request", "resumed_from": "old", "checkpoint_id": "1", "steps": ["read"] })
    );
    let end = new.last().unwrap();
    assert_eq!(end["event_type"], "pipeline_complete");
    assert_eq!(end["data"]["output"]["read"], "now");
    assert_eq!(
        end["data"]["output"]["made"].as_str().unwrap().len(),
        20_000
    );
    assert_eq!(end["data"]["steps_completed"], 2);

    let (_, summary) = server.get(&format!("/api/executions/{id}")).await;
    assert_eq!(summary["resumed_from"], "old");
    assert_eq!(events(&server, "old").await, old);
    assert_eq!(
        server.get("/api/executions/old").await.1["resumed_from"],
        Value::Null
    );
    // and once more: another execution
    let (status, third) = resume(&server, "old").await;
    assert_eq!(status, 201);
    let third = third["execution_id"].as_str().unwrap();
    assert_eq!(
        events(&server, third).await.last().unwrap()["event_type"],
        "pipeline_complete"
    );
    // an execution that was resumed and is complete keeps nothing to go on from
    for table in ["checkpoints", "results"] {
        let count = format!("SELECT count(DISTINCT execution) FROM {table}");
        let kept: i64 = database(&server)
            .query_row(&count, [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, 1, "{table}: that of the failed one");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_history_that_retention_has_cut_short_is_copied_as_far_as_it_goes() {
    let server = Server::with(|_| {}).await;
    let old = run(&server, "old", needs_a_file(&server)).await;
    std::fs::write(server.directory.path().join("pipelines/there.txt"), "now").unwrap();
    let at = |kind: &str| {
        old.iter()
            .position(|event| event["event_type"] == kind)
            .unwrap()
            + 1
    };
    let output = at("step_output");
    let complete = &old[at("step_complete") - 1];
    assert_eq!(complete["data"]["output_seq"], output);
    // what is kept ahead holds the stream
    server.executions.log().flush();
    for (gone, kept) in [(output - 1, Some(2)), (output, None)] {
        let store = server.executions.log().store().shrinks().unwrap();
        assert!(store.trim(1, gone as u64).unwrap().done);
        let (status, answer) = resume(&server, "old").await;
        assert_eq!(status, 201, "{answer}");
        let new = events(&server, answer["execution_id"].as_str().unwrap()).await;
        assert_eq!(new[0]["event_type"], "pipeline_start");
        assert_eq!(new[0]["data"], old[0]["data"]);
        let complete = new
            .iter()
            .find(|event| event["event_type"] == "step_complete");
        assert_eq!(complete.unwrap()["data"]["output_seq"].as_u64(), kept);
        let end = new.last().unwrap();
        assert_eq!(
            end["data"]["output"]["made"].as_str().unwrap().len(),
            20_000
        );
        assert_eq!(end["data"]["output"]["read"], "now");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_go_on_is_refused_with_a_reason() {
    let server = Server::with(|_| {}).await;
    assert_eq!(resume(&server, "nobody").await.0, 404);
    let step =
        |id: &str, kind: &str, config: Value| json!({ "id": id, "type": kind, "config": config });
    let one = |kind: &str, config: Value| json!({ "name": "One", "steps": [step("a", kind, config)], "flow": { "start_at": "a" } });
    run(&server, "complete", one("set", json!({ "values": {} }))).await;
    run(&server, "first", one("fail", json!({}))).await;
    let mut to_failure = one("set", json!({ "values": {} }));
    to_failure["flow"]["paths"] = json!([{ "from": "a", "to": "end_with_failure" }]);
    run(&server, "as-it-says", to_failure).await;
    let body =
        json!({ "definition": one("delay", json!({ "seconds": 600 })), "execution_id": "running" });
    server.post("/api/executions", body).await;
    let old = run(&server, "other", needs_a_file(&server)).await;
    assert_eq!(old.last().unwrap()["data"]["reason"], "failed");
    let other = "UPDATE checkpoints SET state = CAST(replace(CAST(state AS TEXT), '\"version\":1', '\"version\":0') AS BLOB) WHERE execution = (SELECT key FROM executions WHERE id = 'other')";
    database(&server).execute(other, []).unwrap();
    for (id, why) in [
        ("complete", "is complete"),
        ("first", "has no checkpoint"),
        ("as-it-says", "failed as its pipeline says"),
        ("running", "has not ended"),
        ("other", "written by another version"),
    ] {
        let (status, problem) = resume(&server, id).await;
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(status, 409, "{id}: {detail}");
        assert!(detail.contains(why), "{id}: {detail}");
    }
    server.stop().await;

    let memory = Server::with(|config| config.store = StoreKind::Memory).await;
    let old = run(&memory, "old", needs_a_file(&memory)).await;
    assert!(
        old.iter()
            .all(|event| event["event_type"] != "checkpoint_saved")
    );
    assert_eq!(resume(&memory, "old").await.0, 409);
    memory.stop().await;
}

#[tokio::test]
async fn a_run_that_was_cancelled_or_out_of_time_goes_on_too_and_has_its_time_again() {
    let server = Server::with(|_| {}).await;
    let definition = |seconds: f64| {
        json!({
            "name": "Time",
            "timeout_seconds": 1,
            "steps": [
                { "id": "a", "type": "delay", "config": { "seconds": seconds } },
                { "id": "b", "type": "delay", "config": { "seconds": 600 } },
            ],
            "flow": { "start_at": "a", "paths": [{ "from": "a", "to": "b" }] },
        })
    };
    let old = run(&server, "late", definition(0.5)).await;
    assert_eq!(old.last().unwrap()["data"]["reason"], "timeout");
    let (status, answer) = resume(&server, "late").await;
    assert_eq!(status, 201, "{answer}");
    let new = events(&server, answer["execution_id"].as_str().unwrap()).await;
    assert_eq!(new.last().unwrap()["data"]["reason"], "timeout");
    // half a second had been used at the checkpoint, and a whole one was given again
    let duration = new.last().unwrap()["data"]["duration_ms"].as_f64().unwrap();
    assert!(duration >= 1500.0, "{duration}");

    let body = json!({ "definition": definition(0.0), "execution_id": "cancelled" });
    server.post("/api/executions", body).await;
    let mut ws = server.ws("/ws/pipeline/cancelled").await;
    while ws.frame().await.unwrap()["event_type"] != "checkpoint_saved" {}
    server
        .post("/api/executions/cancelled/cancel", json!({}))
        .await;
    ws.rest().await;
    let (status, answer) = resume(&server, "cancelled").await;
    assert_eq!(status, 201, "{answer}");
    let id = answer["execution_id"].as_str().unwrap();
    let cancel = format!("/api/executions/{id}/cancel");
    assert_eq!(server.post(&cancel, json!({})).await.0, 202);
    let end = events(&server, id).await.pop().unwrap();
    assert_eq!(end["data"]["reason"], "cancelled");
    server.stop().await;
}
