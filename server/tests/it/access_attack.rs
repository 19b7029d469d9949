//! Strangers, and people who reach for what is another's.

use reqwest::Method;
use serde_json::{Value, json};
use stepcast::access::Action;
use stepcast::config::Config;
use stepcast::{Ask, RunError, routes};

use crate::access_harness::{ALL, ask, closed, get, post, said, start, token, weaker, ws};
use crate::harness::{Server, soon};

/// A path of a route, for one execution.
fn filled(path: &str, id: &str) -> String {
    path.replace("{id}", id)
        .replace("{execution_id}", id)
        .replace("{wait_id}", "w.1")
        .replace("{share}", "1")
        .replace("{name}", "nothing")
        .replace("{sha256}", &"0".repeat(64))
}

#[tokio::test]
async fn a_stranger_gets_nothing_from_any_route() {
    let server = closed().await;
    start(&server, "alices", &token(&server, "alice", ALL)).await;
    for wrong in [
        "",
        "nonsense",
        "stepcast_token_00",
        "a.b.c",
        "stepcast_session_1",
    ] {
        for route in routes() {
            let path = filled(route.path, "alices");
            match route.ask {
                Ask::Nothing => continue,
                // refuses in the words of its own protocol: `graphql::a_connection_says_who_it_is…`
                Ask::Handshake if path == "/ws/graphql" => continue,
                Ask::Handshake => {
                    let header = format!("Bearer {wrong}");
                    let (socket, _) = ws(&server, &path, &[("authorization", &header)])
                        .await
                        .unwrap();
                    let (frames, code) = socket.rest().await;
                    assert_eq!((frames.len(), code), (1, 3502), "{path} {frames:?}");
                    assert_eq!(frames[0]["status"], 401);
                }
                Ask::Name | Ask::May(_) | Ask::Of(_) => {
                    let request = ask(&server, route.method.clone(), &path, wrong);
                    let response = soon(request.send()).await.unwrap();
                    assert_eq!(response.status().as_u16(), 401, "{} {path}", route.method);
                    let asked = response.headers()["www-authenticate"].to_str().unwrap();
                    assert!(asked.starts_with("Bearer "), "{asked}");
                }
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn another_users_execution_is_as_unknown_as_one_that_is_not_there_on_every_route() {
    let server = closed().await;
    let (alice, mallory) = (token(&server, "alice", ALL), token(&server, "mallory", ALL));
    start(&server, "alices", &alice).await;
    let mut tried = 0;
    for route in routes() {
        let (foreign, unknown) = (filled(route.path, "alices"), filled(route.path, "nobody"));
        match route.ask {
            Ask::Of(_) => {
                let one = said(ask(&server, route.method.clone(), &foreign, &mallory)).await;
                let other = said(ask(&server, route.method.clone(), &unknown, &mallory)).await;
                assert_eq!(one.0, 404, "{} {foreign}: {}", route.method, one.1);
                assert_eq!(one, other, "{} {foreign}", route.method);
            }
            // a connection to whatever it will ask for: what it asks for is decided then
            Ask::Handshake if foreign == unknown => continue,
            Ask::Handshake => {
                let header = format!("Bearer {mallory}");
                let mut ends = Vec::new();
                for (path, id) in [(foreign, "alices"), (unknown, "nobody")] {
                    let (socket, _) = ws(&server, &path, &[("authorization", &header)])
                        .await
                        .unwrap();
                    let (frames, code) = socket.rest().await;
                    let text = json!(frames).to_string().replace(id, "ID");
                    ends.push((text, code));
                }
                assert_eq!(ends[0], ends[1]);
                assert_eq!(ends[0].1, 3501);
            }
            // what is made has to be named: whether the name is taken is told as by `POST /api/executions`
            Ask::May(Action::Start) if route.method == Method::PUT => {
                let put = ask(&server, Method::PUT, &foreign, &mallory);
                let (status, body) = said(put).await;
                assert_eq!(status, 409, "{body}");
                continue;
            }
            Ask::Nothing | Ask::Name | Ask::May(_) => {
                // whatever names an execution in its path asks about it
                assert_eq!(
                    foreign, unknown,
                    "{} names an execution and does not ask",
                    route.path
                );
                continue;
            }
        }
        tried += 1;
    }
    assert!(tried >= 15, "{tried}");
    for purpose in ["websocket", "sse", "artifact"] {
        let draw = |id: &str| json!({ "execution_id": id, "purpose": purpose });
        let one = post(&server, "/api/tickets", &mallory, draw("alices")).await;
        let other = post(&server, "/api/tickets", &mallory, draw("nobody")).await;
        assert_eq!((one.0, &one), (404, &other));
    }
    for list in ["/api/executions", "/api/waits"] {
        let text = get(&server, list, &mallory).await.1.to_string();
        assert!(!text.contains("alices"), "{text}");
    }
    // it is hers all the while, and an administrator's
    assert_eq!(get(&server, "/api/executions/alices", &alice).await.0, 200);
    let admin = token(&server, "root", "admin");
    let (status, listed) = get(&server, "/api/executions", &admin).await;
    assert_eq!(
        (status, &listed["executions"][0]["owner"]),
        (200, &json!("alice"))
    );
    server.stop().await;
}

#[tokio::test]
async fn a_token_without_the_scope_cannot_do_it_to_its_own_run_either() {
    let server = closed().await;
    let admin = token(&server, "root", "admin");
    start(&server, "run", &admin).await;
    for route in routes() {
        let action = match route.ask {
            Ask::May(action) | Ask::Of(action) => action,
            Ask::Nothing | Ask::Name | Ask::Handshake => continue,
        };
        let without: Vec<&str> = ALL
            .split(' ')
            .filter(|scope| *scope != action.scope().as_str())
            .collect();
        let user = format!("{} {:?}", route.method, route.path);
        let weak = token(&server, &user, &without.join(" "));
        for id in ["run", "nobody"] {
            let path = filled(route.path, id);
            let (status, body) = said(ask(&server, route.method.clone(), &path, &weak)).await;
            assert_eq!(status, 403, "{} {path}: {body}", route.method);
            let scope = format!("`{}`", action.scope().as_str());
            assert!(body["detail"].as_str().unwrap().contains(&scope), "{body}");
        }
    }
    assert_eq!(Action::Audit.scope().as_str(), "admin");
    server.stop().await;
}

#[tokio::test]
async fn who_may_watch_may_do_nothing_else_to_their_own_run() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let weak = weaker(&server, "watch");
    for (method, path, body) in [
        (Method::POST, "/api/executions/run/cancel", json!({})),
        (Method::DELETE, "/api/executions/run", json!({})),
        (Method::POST, "/api/executions/run/resume", json!({})),
        (Method::POST, "/api/executions/run/events", json!([])),
        (
            Method::POST,
            "/api/executions/run/waits/w/answer",
            json!({}),
        ),
        (Method::POST, "/api/executions", json!({})),
        (Method::GET, "/api/pipelines", json!({})),
        (Method::GET, "/api/audit", json!({})),
    ] {
        let asked = ask(&server, method.clone(), path, &weak).json(&body);
        let (status, body) = said(asked).await;
        assert_eq!(status, 403, "{method} {path}: {body}");
    }
    assert_eq!(get(&server, "/api/executions/run", &weak).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_method_or_path_that_no_route_has_is_closed() {
    let server = closed().await;
    let admin = token(&server, "root", "admin");
    for (method, path) in [
        (Method::PUT, "/api/executions"),
        (Method::PATCH, "/api/executions/x"),
        (Method::GET, "/api/nothing"),
        (Method::POST, "/api/audit"),
    ] {
        let (status, _) = said(ask(&server, method.clone(), path, &admin)).await;
        assert!(matches!(status, 404 | 405), "{method} {path}: {status}");
    }
    // the page itself is for everybody, or nobody could sign in
    assert_ne!(get(&server, "/", "").await.0, 401);
    assert_eq!(get(&server, "/healthz", "").await.0, 200);
    let (status, ready) = get(&server, "/readyz", "").await;
    assert_eq!((status, ready), (200, json!({ "status": "ready" })));
    assert!(get(&server, "/readyz", &admin).await.1["totals"].is_object());
    server.stop().await;
}

#[tokio::test]
async fn a_foreign_announcement_in_the_same_words_is_not_ones_own() {
    let server = closed().await;
    let (alice, mallory) = (token(&server, "alice", ALL), token(&server, "mallory", ALL));
    let body = json!({ "mode": "external", "pipeline": "Work", "execution_id": "work" });
    let announce = |token| post(&server, "/api/executions", token, body.clone());
    assert_eq!(announce(&alice).await.0, 201);
    assert_eq!(announce(&alice).await.0, 200);
    assert_eq!(announce(&mallory).await.0, 409);
    let event = json!({ "event_type": "pipeline_start", "data": {} });
    let ingest = |token| post(&server, "/api/executions/work/events", token, event.clone());
    assert_eq!(ingest(&mallory).await.0, 404);
    assert_eq!(ingest(&alice).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn an_answer_is_by_whoever_is_signed_in_whatever_name_they_claim() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    let body = json!({ "execution_id": "asks", "definition": {
        "name": "Asks",
        "steps": [{ "id": "review", "type": "human", "config": {
            "prompt": "Well?", "ui_schema": { "fields": [{ "name": "ok", "type": "boolean" }] }
        } }],
        "flow": { "start_at": "review", "paths": [] },
    }});
    let (status, started) = post(&server, "/api/executions", &alice, body).await;
    assert_eq!(status, 201, "{started}");
    let wait = soon(async {
        loop {
            let (_, waits) = get(&server, "/api/waits", &alice).await;
            if let Some(wait) = waits["waits"].get(0) {
                return wait["wait_id"].as_str().unwrap().to_owned();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let path = format!("/api/executions/asks/waits/{wait}/answer");
    let answer = json!({ "answer": { "ok": true }, "by": "the boss" });
    let (status, answered) = post(&server, &path, &alice, answer).await;
    assert_eq!(
        (status, &answered["by"]),
        (200, &json!("alice")),
        "{answered}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_server_without_accounts_does_not_listen_elsewhere_and_says_how_it_would() {
    let mut config = Config {
        listen: ([0, 0, 0, 0], 0).into(),
        ..Config::default()
    };
    let message = config.check().unwrap_err().to_string();
    for part in ["listen", "stepcast token create", "[access]", "security.md"] {
        assert!(message.contains(part), "{message}");
    }
    config.access.tokens = true;
    config.check().unwrap();
}

#[tokio::test]
async fn a_listener_of_the_embedders_own_is_held_to_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: directory.path().join("data"),
        ..Config::default()
    };
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let served = stepcast::run(listener, config, std::future::pending()).await;
    let message = served.unwrap_err().to_string();
    assert!(
        message.contains("0.0.0.0") && message.contains("security.md"),
        "{message}"
    );
}

#[tokio::test]
async fn a_flood_of_failing_sign_ins_does_not_push_others_out_of_the_audit_log() {
    let server = closed().await;
    let admin = token(&server, "root", "admin");
    start(&server, "run", &admin).await;
    for _ in 0..50 {
        let body = json!({ "token": "stepcast_token_guess" });
        assert_eq!(post(&server, "/api/session", "", body).await.0, 401);
    }
    let (_, told) = get(&server, "/api/audit", &admin).await;
    let told = told["entries"].as_array().unwrap();
    let failed = told.iter().filter(|it| it["action"] == "sign_in").count();
    assert!((1..=15).contains(&failed), "{failed}");
    assert!(told.iter().any(|it| it["action"] == "start"));
    server.stop().await;
}

#[tokio::test]
async fn a_flood_of_strangers_handshakes_does_not_push_others_out_of_the_audit_log() {
    let server = closed().await;
    let admin = token(&server, "root", "admin");
    start(&server, "run", &admin).await;
    for n in 0..50 {
        let path = format!("/ws/pipeline/made-up-{n}");
        let (_, code) = ws(&server, &path, &[]).await.unwrap().0.rest().await;
        assert_eq!(code, 3502);
    }
    let (_, told) = get(&server, "/api/audit", &admin).await;
    let told = told["entries"].as_array().unwrap();
    let opens = told.iter().filter(|it| it["action"] == "open").count();
    assert_eq!(opens, 1, "{told:?}");
    server.stop().await;
}

#[tokio::test]
async fn an_embedder_cannot_forget_the_accounts_that_its_settings_ask_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config {
        data_dir: directory.path().join("data"),
        ..Config::default()
    };
    config.access.tokens = true;
    let log = stepcast::log::Log::new(std::sync::Arc::new(stepcast::log::MemoryStore::new()));
    let registry = stepcast::step::StepRegistry::builtin();
    let executions = stepcast::executions::Executions::recover(log, registry, config)
        .await
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = stepcast::serve(listener, executions, std::future::pending()).await;
    assert!(matches!(served, Err(RunError::Unguarded)));
}

#[tokio::test]
async fn without_accounts_nothing_is_asked_and_nothing_is_kept() {
    let server = Server::start().await;
    for route in routes().iter().filter(|route| route.method == Method::GET) {
        // some answers have no end
        let url = server.url(&filled(route.path, "nobody"));
        let status = soon(server.client.get(url).send()).await.unwrap().status();
        assert!(
            !matches!(status.as_u16(), 401 | 403),
            "{}: {status}",
            route.path
        );
    }
    let (_, session) = server.get("/api/session").await;
    assert_eq!(session, json!({ "accounts": false, "signed_in": false }));
    let (_, answer) = server.post("/api/session", json!({ "token": "x" })).await;
    assert!(answer["detail"].as_str().unwrap().contains("no accounts"));
    assert!(!server.directory.path().join("data/access.db").exists());
    let null: Value = server.get("/api/executions").await.1["executions"].clone();
    assert_eq!(null, json!([]));
    server.stop().await;
}
