//! Built-in steps that keep what they read as files for viewers.

use serde_json::{Value, json};

use crate::artifact::run;
use crate::harness::Server;

fn one(kind: &str, config: &Value) -> Value {
    json!({
        "name": "files",
        "steps": [{"id": "s", "type": kind, "config": config}],
        "flow": {"start_at": "s", "paths": []},
    })
}

async fn made(server: &Server, id: &str) -> (Value, Vec<u8>, String) {
    let (_, list) = server.get(&format!("/api/executions/{id}/artifacts")).await;
    let artifact = list["artifacts"][0].clone();
    let url = server.url(artifact["href"].as_str().unwrap());
    let response = server.client.get(url).send().await.unwrap();
    let kind = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    (artifact, response.bytes().await.unwrap().to_vec(), kind)
}

fn output(events: &[Value]) -> &Value {
    let complete = events
        .iter()
        .find(|event| event["event_type"] == "step_complete");
    &complete.unwrap_or_else(|| panic!("{events:#?}"))["data"]["output"]
}

#[tokio::test]
async fn a_file_step_keeps_a_file_that_is_no_text() {
    let server = Server::start().await;
    let folder = server.directory.path().join("pipelines");
    std::fs::create_dir_all(&folder).unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    std::fs::write(folder.join("noise.png"), &bytes).unwrap();
    let events = run(
        &server,
        "a",
        one("file", &json!({"path": "noise.png", "format": "artifact"})),
    )
    .await;
    let (artifact, content, kind) = made(&server, "a").await;
    assert!(content == bytes);
    assert_eq!(
        (artifact["name"].as_str(), kind.as_str()),
        (Some("noise.png"), "image/png")
    );
    let described = json!({"name": "noise.png", "media_type": "image/png", "size": 100_000, "sha256": artifact["sha256"]});
    assert_eq!(
        *output(&events),
        json!({"path": "noise.png", "bytes": 100_000, "artifact": described})
    );
    let config =
        json!({"path": "noise.png", "format": "artifact", "name": "n.bin", "media_type": "x/y"});
    run(&server, "b", one("file", &config)).await;
    let (artifact, _, kind) = made(&server, "b").await;
    assert_eq!(
        (artifact["name"].as_str(), kind.as_str()),
        (Some("n.bin"), "x/y")
    );
    server.stop().await;
}

#[tokio::test]
async fn an_http_step_keeps_a_response_as_a_file() {
    let server = Server::start().await;
    run(
        &server,
        "a",
        crate::artifact::program(crate::artifact::HELLO_TXT),
    )
    .await;
    let (artifact, ..) = made(&server, "a").await;
    let url = server.url(artifact["href"].as_str().unwrap());
    let config = json!({"url": url, "response": "artifact", "name": "copy.txt"});
    let events = run(&server, "b", one("http", &config)).await;
    let (copy, content, kind) = made(&server, "b").await;
    assert_eq!(
        (content.as_slice(), kind.as_str()),
        (b"hello world".as_slice(), "text/plain")
    );
    assert_eq!(copy["sha256"], artifact["sha256"]);
    assert_eq!(output(&events)["artifact"]["name"], "copy.txt");
    assert!(output(&events).get("body").is_none());
    // what was not expected is an error, and no file
    let config = json!({"url": server.url("/api/executions/none"), "response": "artifact"});
    let events = run(&server, "c", one("http", &config)).await;
    assert!(
        events
            .iter()
            .any(|event| event["event_type"] == "step_error")
    );
    let (_, list) = server.get("/api/executions/c/artifacts").await;
    assert_eq!(list["artifacts"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn options_that_go_with_files_only_are_refused_elsewhere() {
    let server = Server::start().await;
    for (kind, config, place) in [
        (
            "file",
            json!({"path": "x", "name": "y"}),
            "$.steps[0].config.name",
        ),
        (
            "file",
            json!({"path": "x", "action": "write", "content": 1, "format": "artifact"}),
            "$.steps[0].config.format",
        ),
        (
            "http",
            json!({"url": "http://x/", "media_type": "a/b"}),
            "$.steps[0].config.media_type",
        ),
    ] {
        let body = json!({"definition": one(kind, &config)});
        let (status, problem) = server.post("/api/executions", body).await;
        assert_eq!(
            (status, problem["errors"][0]["path"].as_str()),
            (422, Some(place)),
            "{problem}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_run_that_keeps_nothing_keeps_no_files_and_says_so() {
    let server = Server::start().await;
    let definition = crate::artifact::program(crate::artifact::HELLO_TXT);
    let body = json!({"mode": "blocking", "definition": definition});
    let (status, answer) = server.post("/api/executions", body).await;
    assert_eq!(status, 200);
    let message = answer["result"]["error"]["message"]
        .as_str()
        .unwrap_or_default();
    assert!(message.contains("no files are kept"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn a_python_class_keeps_a_file_and_fails_where_it_cannot() {
    let server = Server::start().await;
    let folder = server.directory.path().join("pipelines");
    std::fs::create_dir_all(&folder).unwrap();
    let module = r#"
import stepcast

class Draw:
    def run(self, data):
        with open("drawn.csv", "w") as file:
            file.write("a,b\n")
        stepcast.emit_artifact("drawn.csv", name="rows.csv")
        return {"drawn": True}

class Steal:
    def run(self, data):
        stepcast.emit_artifact("/etc/hostname")
        return {}
"#;
    std::fs::write(folder.join("drawing.py"), module).unwrap();
    let class = |name: &str| {
        json!({
            "name": "python",
            "steps": [{"id": "s", "module": "drawing", "step_class": name}],
            "flow": {"start_at": "s", "paths": []},
        })
    };
    let events = run(&server, "a", class("Draw")).await;
    assert_eq!(*output(&events), json!({"drawn": true}));
    let (artifact, content, kind) = made(&server, "a").await;
    assert_eq!(content, b"a,b\n");
    assert_eq!(
        (artifact["name"].as_str(), kind.as_str()),
        (Some("rows.csv"), "text/csv")
    );
    let events = run(&server, "b", class("Steal")).await;
    let failed = events
        .iter()
        .find(|event| event["event_type"] == "step_error");
    let message = failed.unwrap()["data"]["error"]["message"]
        .as_str()
        .unwrap();
    assert!(message.contains("outside"), "{message}");
    server.stop().await;
}
