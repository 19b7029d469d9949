//! Files that steps make: kept with the event that announces them, served in parts, and gone with the run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::config::Config;

use crate::harness::{Server, soon};

/// The SHA-256 of `hello world`.
const HELLO: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

/// A pipeline of one program.
pub(crate) fn program(script: &str) -> Value {
    json!({
        "name": "files",
        "steps": [{"id": "make", "type": "command", "config": {"argv": ["sh", "-c", script]}}],
        "flow": {"start_at": "make", "paths": []},
    })
}

/// A program that makes the file `hello.txt`.
pub(crate) const HELLO_TXT: &str =
    r#"printf 'hello world' > hello.txt; echo '{"artifact": "hello.txt"}'"#;

/// Runs to the end, and gives the events.
pub(crate) async fn run(server: &Server, id: &str, definition: Value) -> Vec<Value> {
    let body = json!({"execution_id": id, "definition": definition});
    let (status, answer) = server.post("/api/executions", body).await;
    assert_eq!(status, 201, "{answer}");
    ended(server, id).await
}

pub(crate) async fn ended(server: &Server, id: &str) -> Vec<Value> {
    let messages = server
        .sse(&format!("/stream/pipeline/{id}"), None)
        .await
        .rest()
        .await;
    messages
        .iter()
        .map(|message| serde_json::from_str(&message.data).unwrap())
        .filter(|event: &Value| event.get("seq").is_some())
        .collect()
}

fn announced(events: &[Value]) -> Vec<&Value> {
    events
        .iter()
        .filter(|event| event["data"]["kind"] == "artifact")
        .collect()
}

async fn file(server: &Server, id: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let mut request = server
        .client
        .get(server.url(&format!("/api/executions/{id}/artifacts/{HELLO}")));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header(response: &reqwest::Response, name: &str) -> String {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap()).to_owned()
}

/// Files in the folder, at any depth.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Waits until there are so many files.
pub(crate) async fn until_files(server: &Server, count: usize) {
    let folder = server.directory.path().join("data/artifacts");
    let reached = async {
        while files(&folder).len() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached)
        .await
        .unwrap_or_else(|_late| panic!("{:?}", files(&folder)));
}

#[tokio::test]
async fn a_file_of_a_program_is_announced_and_served() {
    for memory in [true, false] {
        let server = if memory {
            Server::start().await
        } else {
            Server::with(|_| {}).await
        };
        let events = run(&server, "a", program(HELLO_TXT)).await;
        let announced = announced(&events);
        assert_eq!(announced.len(), 1, "{events:?}");
        assert_eq!(
            announced[0]["data"],
            json!({"kind": "artifact", "name": "hello.txt", "media_type": "text/plain", "size": 11, "sha256": HELLO})
        );
        assert_eq!(announced[0]["step_id"], "make");
        let (status, list) = server.get("/api/executions/a/artifacts").await;
        assert_eq!(status, 200);
        let href = format!("/api/executions/a/artifacts/{HELLO}");
        assert_eq!(
            list["artifacts"],
            json!([{"seq": announced[0]["seq"], "name": "hello.txt", "media_type": "text/plain", "size": 11,
                    "sha256": HELLO, "href": href}])
        );
        let response = file(&server, "a", &[]).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), "text/plain");
        assert_eq!(header(&response, "etag"), format!("\"{HELLO}\""));
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
        assert!(header(&response, "content-security-policy").contains("sandbox"));
        assert!(header(&response, "cache-control").contains("immutable"));
        assert_eq!(
            header(&response, "content-disposition"),
            "inline; filename*=UTF-8''hello.txt"
        );
        assert_eq!(response.text().await.unwrap(), "hello world");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_part_is_what_a_range_asks_for() {
    let server = Server::start().await;
    run(&server, "a", program(HELLO_TXT)).await;
    let tag = format!("\"{HELLO}\"");
    let part = file(&server, "a", &[("range", "bytes=6-")]).await;
    assert_eq!(part.status(), 206);
    assert_eq!(header(&part, "content-range"), "bytes 6-10/11");
    assert_eq!(header(&part, "content-length"), "5");
    assert_eq!(part.text().await.unwrap(), "world");
    let part = file(&server, "a", &[("range", "bytes=0-4"), ("if-range", &tag)]).await;
    assert_eq!(
        (part.status().as_u16(), part.text().await.unwrap().as_str()),
        (206, "hello")
    );
    let whole = file(
        &server,
        "a",
        &[("range", "bytes=0-4"), ("if-range", "\"other\"")],
    )
    .await;
    assert_eq!(whole.status(), 200);
    assert_eq!(whole.text().await.unwrap(), "hello world");
    let past = file(&server, "a", &[("range", "bytes=11-")]).await;
    assert_eq!(past.status(), 416);
    assert_eq!(header(&past, "content-range"), "bytes */11");
    let known = file(&server, "a", &[("if-none-match", &tag)]).await;
    assert_eq!(known.status(), 304);
    assert_eq!(header(&known, "etag"), tag);
    let url = server.url(&format!("/api/executions/a/artifacts/{HELLO}"));
    let head = server.client.head(url).send().await.unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(header(&head, "content-length"), "11");
    assert_eq!(header(&head, "accept-ranges"), "bytes");
    server.stop().await;
}

#[tokio::test]
async fn a_file_is_served_to_whom_it_belongs_and_to_no_other_run() {
    let server = Server::start().await;
    run(&server, "a", program(HELLO_TXT)).await;
    run(&server, "b", program("true")).await;
    assert_eq!(file(&server, "b", &[]).await.status(), 404);
    assert_eq!(file(&server, "none", &[]).await.status(), 404);
    let (status, problem) = server.get("/api/executions/a/artifacts/abc").await;
    assert_eq!(status, 400, "{problem}");
    let (status, _) = server
        .get(&format!("/api/executions/a/artifacts/{}", "0".repeat(64)))
        .await;
    assert_eq!(status, 404);
    server.stop().await;
}

#[tokio::test]
async fn what_a_browser_would_run_is_offered_to_be_saved() {
    let server = Server::start().await;
    let script = r#"printf '<svg/>' > 'a b.svg'; echo '{"artifact": "a b.svg"}'
        printf '<p>' > p.html; echo '{"artifact": {"path": "p.html", "name": "é.html"}}'"#;
    run(&server, "a", program(script)).await;
    let (_, list) = server.get("/api/executions/a/artifacts").await;
    for (artifact, name, media_type) in [
        (&list["artifacts"][0], "a%20b.svg", "image/svg+xml"),
        (&list["artifacts"][1], "%C3%A9.html", "text/html"),
    ] {
        let url = server.url(artifact["href"].as_str().unwrap());
        let response = server.client.get(url).send().await.unwrap();
        assert_eq!(header(&response, "content-type"), media_type);
        let expected = format!("attachment; filename*=UTF-8''{name}");
        assert_eq!(header(&response, "content-disposition"), expected);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_program_cannot_hand_out_what_lies_elsewhere() {
    let server = Server::start().await;
    for (id, path) in [
        ("a", "/etc/hostname"),
        ("b", "../stepcast.db"),
        ("c", "link"),
        ("d", "no-such-file"),
        ("e", "."),
    ] {
        let script = format!("ln -sf /etc/hostname link; echo '{{\"artifact\": \"{path}\"}}'");
        let events = run(&server, id, program(&script)).await;
        assert!(announced(&events).is_empty(), "{path}");
        let failed = events
            .iter()
            .find(|event| event["event_type"] == "step_error");
        let message = failed.unwrap()["data"]["error"]["message"]
            .as_str()
            .unwrap();
        assert!(message.contains(path), "{path}: {message}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_step_whose_file_is_too_large_fails_and_says_which_setting() {
    for (setting, change) in [
        (
            "artifacts.max_bytes",
            (|c| c.artifacts.max_bytes = 10) as fn(&mut Config),
        ),
        ("artifacts.max_execution_bytes", |c| {
            c.artifacts.max_execution_bytes = 10
        }),
        ("artifacts.max_total_bytes", |c| {
            c.artifacts.max_total_bytes = 10
        }),
    ] {
        let server = Server::with(change).await;
        let events = run(&server, "a", program(HELLO_TXT)).await;
        assert!(announced(&events).is_empty());
        let failed = events
            .iter()
            .find(|event| event["event_type"] == "step_error");
        let error = &failed.unwrap()["data"]["error"];
        assert_eq!(error["category"], "resource");
        assert!(
            error["message"].as_str().unwrap().contains(setting),
            "{error}"
        );
        until_files(&server, 0).await;
        assert_eq!(server.executions.artifacts().bytes(), 0);
        server.stop().await;
    }
}

#[tokio::test]
async fn the_files_of_a_run_go_with_it_and_those_of_others_stay() {
    let server = Server::with(|config| config.retention_interval_ms = 100).await;
    run(&server, "a", program(HELLO_TXT)).await;
    run(&server, "b", program(HELLO_TXT)).await;
    run(
        &server,
        "c",
        program(r#"echo 1 > 1; echo '{"artifact": "1"}'"#),
    )
    .await;
    until_files(&server, 2).await;
    for (id, left) in [("a", 2), ("c", 1), ("b", 0)] {
        let url = server.url(&format!("/api/executions/{id}"));
        assert_eq!(
            server.client.delete(url).send().await.unwrap().status(),
            204
        );
        until_files(&server, left).await;
        assert_eq!(file(&server, id, &[]).await.status(), 404);
        if id == "a" {
            assert_eq!(file(&server, "b", &[]).await.status(), 200);
        }
    }
    assert_eq!(server.executions.artifacts().bytes(), 0);
    server.stop().await;
}

#[tokio::test]
async fn retention_takes_files_away_too() {
    let server = Server::with(|config| {
        config.retention_interval_ms = 100;
        config.retention_executions = 1;
    })
    .await;
    for n in 0..4 {
        let script = format!(r#"echo {n} > {n}; echo '{{"artifact": "{n}"}}'"#);
        run(&server, &format!("run-{n}"), program(&script)).await;
    }
    until_files(&server, 1).await;
    server.stop().await;
}

#[tokio::test]
async fn a_start_keeps_what_is_announced_and_removes_what_is_not() {
    let server = Server::with(|_| {}).await;
    run(&server, "a", program(HELLO_TXT)).await;
    let directory = server.stop_and_keep().await;
    let folder = directory.path().join("data/artifacts");
    let never = folder.join("00").join("0".repeat(64));
    std::fs::create_dir_all(never.parent().unwrap()).unwrap();
    std::fs::write(&never, "left behind").unwrap();
    std::fs::create_dir_all(folder.join("unfinished")).unwrap();
    std::fs::write(folder.join("unfinished/.tmp"), "half").unwrap();
    std::fs::write(folder.join("README"), "an operator's own").unwrap();
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        data_dir: directory.path().join("data"),
        pipelines: directory.path().join("pipelines"),
        ..Config::default()
    };
    let registry = stepcast::step::StepRegistry::builtin();
    let listener = tokio::net::TcpListener::bind(config.listen).await.unwrap();
    let executions = stepcast::open(config, registry).await.unwrap();
    assert_eq!(executions.artifacts().bytes(), 11);
    let server = Server::serving(listener, executions, directory);
    assert_eq!(
        file(&server, "a", &[]).await.text().await.unwrap(),
        "hello world"
    );
    let mut left = files(&folder);
    left.sort();
    assert_eq!(left, [folder.join("README"), folder.join("b9").join(HELLO)]);
    server.stop().await;
}

#[tokio::test]
async fn a_run_that_is_gone_on_with_by_hand_has_the_files_of_the_one_before() {
    let server = Server::with(|config| config.retention_interval_ms = 100).await;
    let definition = json!({
        "name": "files",
        "steps": [
            {"id": "make", "type": "command", "config": {"argv": ["sh", "-c", HELLO_TXT]}},
            {"id": "fail", "type": "fail", "config": {"message": "no"}},
        ],
        "flow": {"start_at": "make", "paths": [{"from": "make", "to": "fail"}]},
    });
    run(&server, "a", definition).await;
    let (status, resumed) = server.post("/api/executions/a/resume", json!({})).await;
    assert_eq!(status, 201, "{resumed}");
    let id = resumed["execution_id"].as_str().unwrap();
    let events = ended(&server, id).await;
    let (_, list) = server.get(&format!("/api/executions/{id}/artifacts")).await;
    assert_eq!(list["artifacts"][0]["seq"], announced(&events)[0]["seq"]);
    let url = server.url("/api/executions/a");
    assert_eq!(
        server.client.delete(url).send().await.unwrap().status(),
        204
    );
    assert_eq!(
        soon(file(&server, id, &[])).await.text().await.unwrap(),
        "hello world"
    );
    until_files(&server, 1).await;
    server.stop().await;
}
