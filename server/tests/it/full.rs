//! A log without room: producers are told, readers go on, and it goes on by itself when there is room again.

use serde_json::{Value, json};
use stepcast::context::EmitError;
use stepcast::log::{Budget, Reader};

use crate::harness::{Server, complete, emit, progress, soon};

fn large(n: usize) -> stepcast::context::Draft {
    let mut draft = progress(n);
    draft.data = json!({ "n": n, "text": "x".repeat(4000) });
    draft
}

/// A log of 2 MiB with `filler`, an execution that has ended and holds half of it.
async fn small() -> Server {
    let server = Server::with(|config| config.max_log_bytes = 2 << 20).await;
    let filler = server.execution("filler", Budget::default());
    for n in 0..250 {
        filler.emit(large(n)).await.unwrap();
    }
    emit(&filler, 1).await;
    server
}

async fn delete(server: &Server, id: &str) {
    let url = server.url(&format!("/api/executions/{id}"));
    let answer = server.client.delete(url).send().await.unwrap();
    assert_eq!(answer.status(), 204);
}

#[tokio::test]
async fn rule_5_a_full_log_refuses_producers_serves_readers_and_goes_on_when_there_is_room() {
    let server = small().await;
    let context = server.execution("e", Budget::default());
    let stream = context.stream().unwrap().clone();
    let (mut acknowledged, mut refusal) = (0, None);
    for n in 0..1000 {
        let settled = async { stream.settled(stream.append(&large(n)).await?).await };
        match soon(settled).await {
            Ok(()) => acknowledged = n + 1,
            Err(error) => {
                refusal = Some(error);
                break;
            }
        }
    }
    let Some(EmitError::Store(refusal)) = refusal else {
        panic!("2 MiB are never full: {refusal:?}");
    };
    assert!(
        refusal.contains("the log is full (max_log_bytes is 2097152)"),
        "{refusal}"
    );
    assert!(acknowledged > 10);
    // whoever else wants to write is told the same
    let body = json!({ "definition": { "name": "W", "steps": [{ "id": "w", "type": "set", "config": { "values": { "text": "x".repeat(2_500_000) } } }], "flow": { "start_at": "w", "paths": [] } } });
    let (status, problem) = server.post("/api/executions", body).await;
    assert_eq!(status, 507, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("max_log_bytes"), "{detail}");
    // readers read
    for (id, first) in [("filler", 1), ("e", 1)] {
        let (status, page) = server
            .get(&format!("/api/executions/{id}/events?limit=5000"))
            .await;
        assert_eq!((status, &page["events"][0]["seq"]), (200, &json!(first)));
    }
    // there is room: what was waiting is kept, and the next one is taken
    delete(&server, "filler").await;
    let refused = acknowledged as u64 + 1;
    soon(stream.watch().wait_for(|tail| tail.last_seq >= refused))
        .await
        .unwrap();
    let next = stream.append(&complete()).await.unwrap();
    assert_eq!(next, refused + 1);
    soon(stream.settled(next)).await.unwrap();
    let mut reader = Reader::new(stream, 0);
    let mut seen = Vec::new();
    while reader.after() < next {
        let page = reader.read(5000).await.unwrap();
        assert_eq!(page.gap, None, "nothing is lost");
        seen.extend(page.records.iter().map(stepcast::log::Record::seq));
    }
    assert_eq!(seen, (1..=next).collect::<Vec<_>>());
    server.stop().await;
}

#[tokio::test]
async fn rule_6_a_run_stopped_by_a_full_log_says_so_when_there_is_room() {
    let server = small().await;
    let line = json!({ "text": "y".repeat(4000) }).to_string();
    let script = format!("while true; do echo '{line}'; done");
    let body = json!({
        "execution_id": "run",
        "definition": {
            "name": "Endless",
            "steps": [{ "id": "talk", "type": "command", "config": { "command": ["sh", "-c", script] } }],
            "flow": { "start_at": "talk", "paths": [] }
        }
    });
    let (status, answer) = server.post("/api/executions", body).await;
    assert_eq!(status, 201, "{answer}");
    let id = "run".parse().unwrap();
    let stream = server.executions.log().open(&id).unwrap().unwrap();
    soon(async {
        while stream.last_failure().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(stream.tail().ended, None, "its end does not fit either");
    delete(&server, "filler").await;
    soon(stream.watch().wait_for(|tail| tail.ended.is_some()))
        .await
        .unwrap();
    let (_, row) = server.get("/api/executions/run").await;
    assert_eq!(row["status"], "failed");
    let error = row["error"].as_str().unwrap();
    assert!(
        error.contains("its events could not be kept") && error.contains("max_log_bytes"),
        "{error}"
    );
    let (frames, _) = server.ws("/ws/pipeline/run").await.rest().await;
    let ends: Vec<&Value> = frames
        .iter()
        .filter(|frame| frame["event_type"] == "pipeline_error")
        .collect();
    assert_eq!(ends.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn retention_makes_room_in_a_full_log_at_once() {
    let server = Server::with(|config| {
        config.max_log_bytes = 2 << 20;
        config.retention_bytes = 1 << 20;
        config.retention_interval_ms = 86_400_000;
    })
    .await;
    for round in 0..6 {
        let context = server.execution(&format!("e{round}"), Budget::default());
        let stream = context.stream().unwrap().clone();
        for n in 0..150 {
            soon(async {
                // refused while it is full, and taken as soon as the oldest have gone
                while let Err(error) = stream.append(&large(n)).await {
                    assert!(matches!(error, EmitError::Store(_)), "{error}");
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        soon(emit(&context, 1)).await;
    }
    assert_eq!(server.get("/api/executions/e0").await.0, 404);
    let (_, page) = server.get("/api/executions/e5/events").await;
    assert_eq!(
        (&page["earliest"], &page["last_seq"]),
        (&json!(1), &json!(151))
    );
    server.stop().await;
}

/// The real binary, whose files may not become larger than this: what a disk does when it is full, within a test.
#[cfg(unix)]
async fn with_files_of_at_most(
    kibibytes: usize,
    data_dir: &std::path::Path,
) -> (tokio::process::Child, String) {
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    let blocks = kibibytes * 2;
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_stepcast")])
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data_dir)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = soon(lines.next_line()).await.unwrap().unwrap();
    let address = line.strip_prefix("listening on ").unwrap().to_owned();
    (child, address)
}

#[cfg(unix)]
#[tokio::test]
async fn rule_5_an_execution_is_acknowledged_only_where_it_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (mut child, address) = with_files_of_at_most(512, directory.path()).await;
    let _already = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let definition = json!({
        "name": "W",
        "steps": [{ "id": "w", "type": "set", "config": { "values": { "text": "x".repeat(10_000) } } }],
        "flow": { "start_at": "w", "paths": [] }
    });
    let (mut kept, mut refused) = (Vec::new(), None);
    for n in 0..200 {
        let body =
            json!({ "definition": definition, "mode": "create", "execution_id": format!("e{n}") });
        let request = client.post(format!("{address}/api/executions")).json(&body);
        match soon(request.send()).await.unwrap().status().as_u16() {
            201 => kept.push(n),
            status => {
                refused = Some((n, status));
                break;
            }
        }
    }
    let (refused, status) = refused.expect("its journal cannot hold 2 MB");
    assert!(status >= 500 && kept.len() > 5, "{status} after {kept:?}");
    let find = |n: i32| {
        let request = client.get(format!("{address}/api/executions/e{n}"));
        async { soon(request.send()).await.unwrap().status().as_u16() }
    };
    for n in kept {
        assert_eq!(find(n).await, 200, "e{n}");
    }
    assert_eq!(find(refused).await, 404);
    child.kill().await.unwrap();
}
