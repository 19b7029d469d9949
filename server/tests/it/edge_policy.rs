//! What pipelines that users post may do, on a server with accounts.

use std::fs;

use serde_json::{Value, json};

use crate::access_harness::{ALL, closed_with, get, post, token};
use crate::harness::{Server, soon};

fn one(kind: &str, config: Value) -> Value {
    json!({
        "name": "Posted",
        "steps": [{ "id": "a", "type": kind, "config": config }],
        "flow": { "start_at": "a", "paths": [] },
    })
}

fn command(argv: Value) -> Value {
    one("command", json!({ "argv": argv, "stdout": "text" }))
}

/// Runs a posted pipeline to its end; its status and what it says.
async fn ran(server: &Server, token: &str, id: &str, definition: Value) -> (String, String) {
    let body = json!({ "execution_id": id, "definition": definition });
    ended(server, token, id, body).await
}

/// Starts a run and waits for its end; its status and what it says.
async fn ended(server: &Server, token: &str, id: &str, body: Value) -> (String, String) {
    let (status, answer) = post(server, "/api/executions", token, body).await;
    assert_eq!(status, 201, "{answer}");
    let id = id.parse().unwrap();
    let stream = server.executions.log().open(&id).unwrap().unwrap();
    let mut tail = stream.watch();
    soon(tail.wait_for(|tail| tail.ended.is_some()))
        .await
        .unwrap();
    let path = format!("/api/executions/{id}");
    let (_, shown) = get(server, &path, token).await;
    let (_, events) = get(server, &format!("{path}/events"), token).await;
    let status = shown["status"].as_str().unwrap().to_owned();
    (status, events.to_string())
}

#[tokio::test]
async fn a_remote_user_starts_no_program_reads_no_file_and_sends_no_request_by_default() {
    let server = closed_with(|_| {}).await;
    let mallory = token(&server, "mallory", ALL);
    let class = json!({
        "name": "Posted",
        "steps": [{ "id": "a", "module": "os", "step_class": "set", "config": {} }],
        "flow": { "start_at": "a", "paths": [] },
    });
    let attacks = [
        command(json!(["id"])),
        one("file", json!({ "path": "/etc/passwd" })),
        one(
            "http",
            json!({ "url": "http://169.254.169.254/latest/meta-data/" }),
        ),
        class,
    ];
    for attack in attacks {
        for (path, body) in [
            ("/api/executions", json!({ "definition": attack })),
            ("/api/pipelines/validate", attack.clone()),
        ] {
            let (status, answer) = post(&server, path, &mallory, body).await;
            assert_eq!(status, 422, "{path} {attack}: {answer}");
            assert!(answer.to_string().contains("steps.posted"), "{answer}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_posted_expression_that_recurses_without_end_ends_no_server() {
    let bomb = one("transform", json!({ "expression": "def f: [f]; f" }));
    // in the server's own process it is not let in at all
    let server = closed_with(|_| {}).await;
    let mallory = token(&server, "mallory", ALL);
    let body = json!({ "definition": bomb });
    let (status, answer) = post(&server, "/api/executions", &mallory, body).await;
    assert_eq!(status, 422, "{answer}");
    assert!(answer.to_string().contains("steps.evaluator"), "{answer}");
    server.stop().await;
    let program = env!("CARGO_BIN_EXE_stepcast");
    let server = closed_with(|config| config.steps.evaluator = Some(program.into())).await;
    let mallory = token(&server, "mallory", ALL);
    let (status, told) = ran(&server, &mallory, "bomb", bomb).await;
    assert_eq!(status, "failed", "{told}");
    assert!(told.contains("recurses too deeply"), "{told}");
    let sum = one("transform", json!({ "expression": "1 + 1" }));
    let (status, told) = ran(&server, &mallory, "sum", sum).await;
    assert_eq!(status, "completed", "{told}");
    server.stop().await;
}

#[tokio::test]
async fn the_operators_own_pipelines_do_what_they_always_did() {
    let server = closed_with(|config| {
        fs::create_dir_all(&config.pipelines).unwrap();
        let file = config.pipelines.join("own.json");
        fs::write(file, command(json!(["echo", "hello"])).to_string()).unwrap();
    })
    .await;
    let ann = token(&server, "ann", ALL);
    let body = json!({ "pipeline": "own", "execution_id": "own" });
    let (status, told) = ended(&server, &ann, "own", body).await;
    assert_eq!(status, "completed", "{told}");
    server.stop().await;
}

#[tokio::test]
async fn a_program_that_is_not_listed_or_is_made_another_by_variables_does_not_start() {
    let server = closed_with(|config| {
        config.steps.posted.push("command".to_owned());
        config.steps.programs.push("echo".to_owned());
    })
    .await;
    let ann = token(&server, "ann", ALL);
    let (status, told) = ran(&server, &ann, "listed", command(json!(["echo", "hello"]))).await;
    assert_eq!(status, "completed", "{told}");
    for (id, argv) in [
        ("shell", json!(["sh", "-c", "echo hello"])),
        ("path", json!(["/bin/echo", "hello"])),
        ("relative", json!(["./echo", "hello"])),
    ] {
        let (status, told) = ran(&server, &ann, id, command(argv)).await;
        assert_eq!(status, "failed", "{told}");
        assert!(told.contains("steps.programs"), "{told}");
    }
    // what a placeholder comes to is looked at, not the placeholder
    let body = json!({
        "execution_id": "templated",
        "definition": command(json!(["{{ input.x }}", "-c", "id"])),
        "input": { "x": "sh" },
    });
    let (status, told) = ended(&server, &ann, "templated", body).await;
    assert_eq!(status, "failed", "{told}");
    assert!(told.contains("steps.programs"), "{told}");
    let preload = json!({ "argv": ["echo"], "env": { "LD_PRELOAD": "/tmp/x.so", "PATH": "." } });
    let (status, told) = ran(&server, &ann, "preload", one("command", preload)).await;
    assert_eq!(status, "failed", "{told}");
    assert!(told.contains("may not set `env`"), "{told}");
    server.stop().await;
}

#[tokio::test]
async fn ssrf_by_address_or_name_does_not_reach_the_inside_of_the_network() {
    let server = closed_with(|config| config.steps.posted.push("http".to_owned())).await;
    let ann = token(&server, "ann", ALL);
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    for (at, host) in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "2130706433",
        "0x7f.1",
        "127.0.0.1.:",
    ]
    .into_iter()
    .enumerate()
    {
        let host = host.trim_end_matches(':');
        let url = format!("http://{host}:{port}/healthz");
        let id = format!("inside-{at}");
        let (status, told) = ran(&server, &ann, &id, one("http", json!({ "url": url }))).await;
        assert_eq!(status, "failed", "{url}: {told}");
        assert!(told.contains("steps.inside"), "{url}: {told}");
    }
    server.stop().await;
    let open = closed_with(|config| {
        config.steps.posted.push("http".to_owned());
        config.steps.inside = true;
    })
    .await;
    let ann = token(&open, "ann", ALL);
    let url = open.url("/healthz");
    let (status, told) = ran(&open, &ann, "inside", one("http", json!({ "url": url }))).await;
    assert_eq!(status, "completed", "{told}");
    open.stop().await;
}

#[tokio::test]
async fn a_users_file_does_not_become_one_of_the_operators_pipelines() {
    let server = closed_with(|config| {
        config.steps.posted.push("file".to_owned());
        fs::create_dir_all(&config.pipelines).unwrap();
    })
    .await;
    let ann = token(&server, "ann", ALL);
    let evil = |path: &str| {
        let content = command(json!(["id"]));
        one(
            "file",
            json!({ "action": "write", "path": path, "content": content }),
        )
    };
    let (status, told) = ran(&server, &ann, "own", evil("evil.json")).await;
    assert_eq!(status, "completed", "{told}");
    let out = server.directory.path().join("pipelines/evil.json");
    for (id, path) in [
        ("up", "../../pipelines/evil.json"),
        ("whole", out.to_str().unwrap()),
    ] {
        let (status, told) = ran(&server, &ann, id, evil(path)).await;
        assert_eq!(status, "failed", "{told}");
    }
    assert_eq!(
        fs::read_dir(server.directory.path().join("pipelines"))
            .unwrap()
            .count(),
        0
    );
    server.stop().await;
}
