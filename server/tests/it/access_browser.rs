//! What browsers show instead of a header: tickets, cookies, subprotocols. And what pages of others try with them.

use reqwest::Method;
use serde_json::json;

use crate::access_harness::{
    ALL, ask, closed, cookie, get, post, register, said, start, token, ws,
};
use crate::harness::{Server, soon};

async fn ticket(server: &Server, token: &str, id: &str, purpose: &str) -> String {
    let body = json!({ "execution_id": id, "purpose": purpose });
    let (status, drawn) = post(server, "/api/tickets", token, body).await;
    assert_eq!(
        (status, &drawn["expires_in_seconds"]),
        (201, &json!(30)),
        "{drawn}"
    );
    drawn["ticket"].as_str().unwrap().to_owned()
}

async fn signed_in(server: &Server, token: &str) -> String {
    let request = server.client.post(server.url("/api/session"));
    let response = soon(request.json(&json!({ "token": token })).send())
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 201);
    let (pair, line) = cookie(&response, "stepcast_session");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!line.contains(token), "{line}");
    pair
}

#[tokio::test]
async fn a_replayed_ticket_opens_nothing() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let drawn = ticket(&server, &alice, "run", "sse").await;
    let path = format!("/stream/pipeline/run?ticket={drawn}");
    let response = soon(server.client.get(server.url(&path)).send())
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(get(&server, &path, "").await.0, 401);
    let drawn = ticket(&server, &alice, "run", "websocket").await;
    let path = format!("/ws/pipeline/run?ticket={drawn}");
    let (mut first, _) = ws(&server, &path, &[]).await.unwrap();
    assert_eq!(first.frame().await.unwrap()["control"], "hello");
    let (second, _) = ws(&server, &path, &[]).await.unwrap();
    assert_eq!(second.rest().await.1, 3502);
    server.stop().await;
}

#[tokio::test]
async fn a_stolen_ticket_opens_no_other_run_and_no_other_route() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    start(&server, "other", &alice).await;
    for (purpose, path) in [
        ("sse", "/stream/pipeline/other"),
        ("websocket", "/stream/pipeline/run"),
        ("sse", "/api/executions/run"),
        ("sse", "/api/executions/run/events"),
        ("sse", "/api/executions"),
        ("sse", "/api/audit"),
    ] {
        let drawn = ticket(&server, &alice, "run", purpose).await;
        let (status, body) = get(&server, &format!("{path}?ticket={drawn}"), "").await;
        assert_eq!(status, 401, "{purpose} {path} {body}");
    }
    // nor does it draw another, or sign anybody in
    let drawn = ticket(&server, &alice, "run", "sse").await;
    let body = json!({ "execution_id": "run", "purpose": "sse" });
    let path = format!("/api/tickets?ticket={drawn}");
    assert_eq!(post(&server, &path, "", body).await.0, 401);
    let body = json!({ "token": drawn });
    assert_eq!(post(&server, "/api/session", "", body).await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_ticket_of_a_token_that_was_revoked_opens_nothing_for_long() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let drawn = ticket(&server, &alice, "run", "websocket").await;
    assert!(register(&server).revoke_token("alice").unwrap());
    let path = format!("/ws/pipeline/run?ticket={drawn}");
    let (socket, _) = ws(&server, &path, &[]).await.unwrap();
    assert_eq!(socket.rest().await.1, 3502);
    server.stop().await;
}

#[tokio::test]
async fn a_cookie_signs_in_and_is_void_after_signing_out() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let pair = signed_in(&server, &alice).await;
    let with = |path: &str| server.client.get(server.url(path)).header("cookie", &pair);
    assert_eq!(said(with("/api/executions/run")).await.0, 200);
    assert_eq!(said(with("/api/session")).await.1["user"], "alice");
    let origin = format!("http://{}", server.address);
    let headers = [("cookie", pair.as_str()), ("origin", origin.as_str())];
    let (mut viewer, _) = ws(&server, "/ws/pipeline/run", &headers).await.unwrap();
    assert_eq!(viewer.frame().await.unwrap()["control"], "hello");
    let out = server.client.delete(server.url("/api/session"));
    let response = soon(out.header("cookie", &pair).header("origin", &origin).send())
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 204);
    assert!(
        cookie(&response, "stepcast_session")
            .1
            .contains("Max-Age=0")
    );
    assert_eq!(viewer.rest().await.1, 3001);
    assert_eq!(said(with("/api/executions/run")).await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_session_is_renewed_by_its_own_page_and_by_nothing_else() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let pair = signed_in(&server, &alice).await;
    let origin = format!("http://{}", server.address);
    let renew = |with: &[(&'static str, &str)]| {
        let request = server.client.put(server.url("/api/session"));
        let headers = with.iter();
        headers.fold(request, |request, (name, value)| {
            request.header(*name, *value)
        })
    };
    let own = [("cookie", pair.as_str()), ("origin", origin.as_str())];
    let response = soon(renew(&own).send()).await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let (again, line) = cookie(&response, "stepcast_session");
    assert_eq!(again, pair, "the same session");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43"] {
        assert!(line.contains(part), "{line}");
    }
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(
        (&body["user"], &body["signed_in"]),
        (&json!("alice"), &json!(true))
    );
    let bearer = format!("Bearer {alice}");
    let port = "http://127.0.0.1:1".to_owned();
    for (with, status) in [
        (
            &[("cookie", pair.as_str()), ("origin", port.as_str())][..],
            401,
        ),
        (&[("authorization", bearer.as_str())][..], 400),
        (
            &[("cookie", "stepcast_session=stepcast_session_1")][..],
            401,
        ),
        (&[][..], 401),
    ] {
        let (told, body) = said(renew(with)).await;
        assert_eq!(told, status, "{with:?}: {body}");
    }
    register(&server).revoke_token("alice").unwrap();
    assert_eq!(said(renew(&own)).await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_session_ends_with_the_token_that_began_it() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    let pair = signed_in(&server, &alice).await;
    register(&server).revoke_token("alice").unwrap();
    let with = server
        .client
        .get(server.url("/api/executions"))
        .header("cookie", &pair);
    assert_eq!(said(with).await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_session_stolen_from_a_cookie_is_no_bearer_token() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    let pair = signed_in(&server, &alice).await;
    let (_, secret) = pair.split_once('=').unwrap();
    assert_eq!(get(&server, "/api/executions", secret).await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_gets_nothing_with_the_cookie() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let pair = signed_in(&server, &alice).await;
    // another site's name is not let in at all; a page of another port of this machine is, and its cookie does not count
    let elsewhere = "http://evil.example";
    let port = "http://127.0.0.1:1";
    for (origin, status) in [(elsewhere, 403), (port, 401), ("null", 403)] {
        let cancel = server.client.post(server.url("/api/executions/run/cancel"));
        let cancel = cancel.header("cookie", &pair).header("origin", origin);
        assert_eq!(said(cancel).await.0, status, "{origin}");
    }
    let cancel = server.client.post(server.url("/api/executions/run/cancel"));
    assert_eq!(
        said(cancel.header("cookie", &pair)).await.0,
        401,
        "without an origin"
    );
    let list = server.client.get(server.url("/api/executions"));
    let list = list
        .header("cookie", &pair)
        .header("sec-fetch-site", "same-site");
    assert_eq!(said(list).await.0, 401);
    for (origin, refusal) in [(elsewhere, Err(403)), (port, Ok(3502)), ("null", Err(403))] {
        let headers = [("cookie", pair.as_str()), ("origin", origin)];
        let end = match ws(&server, "/ws/pipeline/run", &headers).await {
            Ok((socket, _)) => Ok(socket.rest().await.1),
            Err(status) => Err(status),
        };
        assert_eq!(end, refusal, "cross-site WebSocket from {origin}");
    }
    assert_eq!(
        get(&server, "/api/executions/run", &alice).await.1["status"],
        "running"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_cannot_sign_anybody_in() {
    let server = closed().await;
    let mallory = token(&server, "mallory", ALL);
    for (origin, status) in [("http://evil.example", 403), ("http://127.0.0.1:1", 403)] {
        let request = server
            .client
            .post(server.url("/api/session"))
            .header("origin", origin);
        let response = soon(request.json(&json!({ "token": mallory })).send())
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(response.headers().get("set-cookie").is_none());
    }
    server.stop().await;
}

#[tokio::test]
async fn a_bearer_subprotocol_lets_in_and_is_never_repeated() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let offered = format!("stepcast.v1, stepcast.bearer.{alice}");
    let headers = [("sec-websocket-protocol", offered.as_str())];
    let (mut socket, chosen) = ws(&server, "/ws/pipeline/run", &headers).await.unwrap();
    assert_eq!(chosen.as_deref(), Some("stepcast.v1"));
    assert_eq!(socket.frame().await.unwrap()["control"], "hello");
    let headers = [(
        "sec-websocket-protocol",
        "stepcast.v1, stepcast.bearer.wrong",
    )];
    let (socket, _) = ws(&server, "/ws/pipeline/run", &headers).await.unwrap();
    assert_eq!(socket.rest().await.1, 3502);
    server.stop().await;
}

#[tokio::test]
async fn a_shared_run_is_seen_beside_ones_own() {
    let server = closed().await;
    let (alice, bob) = (token(&server, "alice", ALL), token(&server, "bob", ALL));
    start(&server, "alices", &alice).await;
    start(&server, "bobs", &bob).await;
    let (_, share) = post(&server, "/api/executions/alices/shares", &alice, json!({})).await;
    let session = signed_in(&server, &bob).await;
    let request = server.client.post(server.url("/api/session"));
    let body = json!({ "token": share["token"] });
    let response = soon(request.json(&body).send()).await.unwrap();
    let (link, _) = cookie(&response, "stepcast_share");
    let both = format!("{session}; {link}");
    for id in ["alices", "bobs"] {
        let request = ask(&server, Method::GET, &format!("/api/executions/{id}"), "");
        assert_eq!(said(request.header("cookie", &both)).await.0, 200, "{id}");
    }
    let origin = format!("http://{}", server.address);
    let cancel = ask(&server, Method::POST, "/api/executions/alices/cancel", "");
    let cancel = cancel.header("cookie", &both).header("origin", &origin);
    assert_eq!(said(cancel).await.0, 404, "a link is for watching");
    server.stop().await;
}
