//! Tokens, shares and the audit log as operators and owners use them.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use stepcast::access::{NewToken, Scopes};
use tokio::process::Command;

use crate::access_harness::{ALL, ask, closed, get, post, register, said, start, token, ws};
use crate::harness::{Server, emit, soon};
use stepcast::log::Budget;

/// Standard output, where the command succeeds; else its complaint.
async fn stepcast(arguments: &[&str], data: &Path) -> Result<String, String> {
    let run = Command::new(env!("CARGO_BIN_EXE_stepcast"))
        .args(arguments)
        .arg("--data-dir")
        .arg(data)
        .env_remove("RUST_LOG")
        .output();
    let output = soon(run).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        return Ok(text(output.stdout));
    }
    Err(text(output.stderr))
}

#[tokio::test]
async fn a_token_of_the_command_line_is_good_at_once_and_void_at_once() {
    let server = closed().await;
    let data = server.directory.path().join("data");
    let made = stepcast(
        &[
            "token",
            "create",
            "ci",
            "--user",
            "robot",
            "--scopes",
            "watch,start",
        ],
        &data,
    );
    let token = made.await.unwrap().trim().to_owned();
    let (status, session) = get(&server, "/api/session", &token).await;
    assert_eq!((status, &session["user"]), (200, &json!("robot")));
    assert_eq!(session["scopes"], json!(["watch", "start"]));
    let again = stepcast(&["token", "create", "ci", "--scopes", "watch"], &data).await;
    assert!(again.unwrap_err().contains("already"));
    let wrong = stepcast(&["token", "create", "x", "--scopes", "root"], &data).await;
    assert!(wrong.unwrap_err().contains("no scope"));
    let listed = stepcast(&["token", "list"], &data).await.unwrap();
    assert!(
        listed.contains("\"robot\"") && !listed.contains(&token),
        "{listed}"
    );
    assert_eq!(get(&server, "/api/executions", &token).await.0, 200);
    stepcast(&["token", "revoke", "ci"], &data).await.unwrap();
    let (status, problem) = get(&server, "/api/executions", &token).await;
    assert_eq!(status, 401, "{problem}");
    assert!(stepcast(&["token", "revoke", "ci"], &data).await.is_err());
    server.stop().await;
}

#[tokio::test]
async fn an_expired_token_is_no_token() {
    let server = closed().await;
    let new = NewToken {
        name: "old".into(),
        user: "old".into(),
        scopes: Scopes::parse("admin").unwrap(),
        expires: Some(1),
    };
    let secret = register(&server).make_token(&new).unwrap();
    assert_eq!(
        get(&server, "/api/executions", secret.reveal()).await.0,
        401
    );
    server.stop().await;
}

#[tokio::test]
async fn a_link_shows_its_run_and_nothing_else_until_it_is_revoked() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "shared", &alice).await;
    start(&server, "private", &alice).await;
    let shares = "/api/executions/shared/shares";
    let (status, share) = post(&server, shares, &alice, json!({ "expires_in_seconds": 60 })).await;
    assert_eq!(status, 201, "{share}");
    let link = share["token"].as_str().unwrap();
    assert_eq!(
        get(&server, "/api/executions/shared?view=true", link)
            .await
            .0,
        200
    );
    assert_eq!(
        get(&server, "/api/executions/shared/events", link).await.0,
        200
    );
    assert_eq!(
        get(&server, "/api/executions/shared/waits", link).await.0,
        200
    );
    for other in ["private", "nobody"] {
        let path = format!("/api/executions/{other}");
        assert_eq!(get(&server, &path, link).await.0, 404);
    }
    for (method, path) in [
        (Method::GET, "/api/executions"),
        (Method::POST, "/api/executions"),
        (Method::POST, "/api/executions/shared/cancel"),
        (Method::DELETE, "/api/executions/shared"),
        (Method::POST, shares),
        (Method::GET, shares),
        (Method::GET, "/api/audit"),
    ] {
        let (status, body) = said(ask(&server, method, path, link)).await;
        assert_eq!(status, 403, "{path} {body}");
    }
    let header = format!("Bearer {link}");
    let (mut viewer, _) = ws(
        &server,
        "/ws/pipeline/shared",
        &[("authorization", &header)],
    )
    .await
    .unwrap();
    assert_eq!(viewer.frame().await.unwrap()["control"], "hello");
    let (_, listed) = get(&server, shares, &alice).await;
    assert!(!listed.to_string().contains(link), "{listed}");
    let path = format!("{shares}/{}", share["id"]);
    let wrong = format!("/api/executions/private/shares/{}", share["id"]);
    assert_eq!(
        said(ask(&server, Method::DELETE, &wrong, &alice)).await.0,
        404
    );
    assert_eq!(
        said(ask(&server, Method::DELETE, &path, &alice)).await.0,
        204
    );
    assert_eq!(viewer.rest().await.1, 3001);
    assert_eq!(get(&server, "/api/executions/shared", link).await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_link_from_a_cursor_does_not_show_what_was_before() {
    let server = closed().await;
    let admin = token(&server, "root", "admin");
    let context = server.execution("run", Budget::default());
    emit(&context, 10).await;
    let epoch = context.stream().unwrap().epoch();
    let shares = "/api/executions/run/shares";
    let after = |seq: u64| json!({ "after": format!("{epoch}.{seq}") });
    assert_eq!(post(&server, shares, &admin, after(11)).await.0, 400);
    let (status, share) = post(&server, shares, &admin, after(6)).await;
    assert_eq!(status, 201, "{share}");
    let link = share["token"].as_str().unwrap();
    for query in [
        "",
        "?after=earliest",
        &format!("?after={epoch}.2"),
        "?after=1.3",
        "?last_event_id=9.1",
    ] {
        let path = format!("/api/executions/run/events{query}");
        let (status, page) = get(&server, &path, link).await;
        assert_eq!(
            (status, &page["events"][0]["seq"]),
            (200, &json!(7)),
            "{query} {page}"
        );
        let header = format!("Bearer {link}");
        let path = format!("/ws/pipeline/run{query}");
        let (socket, _) = ws(&server, &path, &[("authorization", &header)])
            .await
            .unwrap();
        let seqs = crate::harness::seqs(&socket.rest().await.0);
        assert_eq!(seqs, [7, 8, 9, 10], "{query}");
        let stream = ask(
            &server,
            Method::GET,
            &format!("/stream/pipeline/run{query}"),
            link,
        );
        let text = soon(stream.send()).await.unwrap().text().await.unwrap();
        assert!(
            text.contains("\"seq\":7") && !text.contains("\"seq\":6"),
            "{text}"
        );
    }
    // what it looks like as a whole would tell of what was before
    assert_eq!(
        get(&server, "/api/executions/run?view=true", link).await.0,
        403
    );
    assert_eq!(get(&server, "/api/executions/run/waits", link).await.0, 403);
    assert_eq!(get(&server, "/api/executions/run", link).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_link_to_a_deleted_run_does_not_open_another_with_its_id() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "again", &alice).await;
    let (_, share) = post(&server, "/api/executions/again/shares", &alice, json!({})).await;
    let link = share["token"].as_str().unwrap();
    assert_eq!(get(&server, "/api/executions/again", link).await.0, 200);
    post(&server, "/api/executions/again/cancel", &alice, json!({})).await;
    let gone = soon(async {
        loop {
            let path = "/api/executions/again";
            let (status, _) = said(ask(&server, Method::DELETE, path, &alice)).await;
            if status != 409 {
                return status;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(gone.await, 204);
    start(&server, "again", &alice).await;
    assert_eq!(get(&server, "/api/executions/again", link).await.0, 404);
    server.stop().await;
}

fn told(entries: &Value) -> Vec<(String, String, u64)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let entries = entries["entries"].as_array().unwrap().iter().rev();
    entries
        .map(|it| {
            (
                text(&it["user"]),
                text(&it["action"]),
                it["status"].as_u64().unwrap(),
            )
        })
        .collect()
}

async fn audit(server: &Server, admin: &str) -> Vec<(String, String, u64)> {
    told(&get(server, "/api/audit?execution_id=run", admin).await.1)
}

#[tokio::test]
async fn the_audit_log_tells_who_did_what_and_who_was_turned_away() {
    let server = closed().await;
    let (alice, mallory, admin) = (
        token(&server, "alice", ALL),
        token(&server, "mallory", "watch cancel"),
        token(&server, "root", "admin"),
    );
    start(&server, "run", &alice).await;
    get(&server, "/api/executions/run", &alice).await;
    get(&server, "/api/executions/run", &alice).await;
    post(&server, "/api/executions/run/cancel", &mallory, json!({})).await;
    let header = format!("Bearer {mallory}");
    ws(&server, "/ws/pipeline/run", &[("authorization", &header)])
        .await
        .unwrap();
    post(&server, "/api/executions/run/shares", &alice, json!({})).await;
    post(&server, "/api/executions/run/cancel", &admin, json!({})).await;
    let expected = [
        ("alice", "start", 201),
        ("alice", "watch", 200),
        ("mallory", "cancel", 404),
        ("mallory", "open", 404),
        ("alice", "share", 201),
        ("root", "cancel", 202),
    ];
    let expected =
        expected.map(|(user, action, status)| (user.to_owned(), action.to_owned(), status));
    assert_eq!(audit(&server, &admin).await, expected);
    // only an administrator reads it, and that is told too
    assert_eq!(get(&server, "/api/audit", &alice).await.0, 403);
    let (_, newest) = get(&server, "/api/audit?user=root&limit=1", &admin).await;
    assert_eq!(newest["entries"][0]["action"], "administer");
    let data = server.directory.path().join("data");
    let lines = stepcast(&["audit", "--user", "mallory"], &data)
        .await
        .unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(!lines.contains("stepcast_token_"), "{lines}");
    server.stop().await;
}
