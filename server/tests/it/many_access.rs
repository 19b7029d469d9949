//! Who may follow what on a connection to many executions: each subscription is decided upon by itself.

use reqwest::Method;
use serde_json::{Value, json};

use crate::access_harness::{ALL, ask, closed, cookie, get, post, said, start, token, ws};
use crate::harness::{Server, Ws, soon};
use crate::many::{say, subscribe};

async fn open(server: &Server, token: &str) -> Ws {
    let bearer = format!("Bearer {token}");
    ws(server, "/ws/executions", &[("authorization", &bearer)])
        .await
        .unwrap()
        .0
}

/// The next answer to a question about this execution.
async fn said_of(ws: &mut Ws, id: &str) -> Value {
    loop {
        let frame = ws.but_pings().await;
        if frame["execution_id"] == id {
            return frame;
        }
    }
}

#[tokio::test]
async fn a_foreign_execution_and_one_that_is_not_there_look_the_same_and_the_own_is_served() {
    let server = closed().await;
    let (ann, ben) = (
        token(&server, "ann", "watch,start"),
        token(&server, "ben", "watch,start"),
    );
    start(&server, "of-ann", &ann).await;
    start(&server, "of-ben", &ben).await;
    let mut ws = open(&server, &ann).await;
    let mut told = Vec::new();
    for id in ["of-ben", "of-nobody"] {
        subscribe(&mut ws, id, json!({})).await;
        let mut frame = said_of(&mut ws, id).await;
        assert_eq!(frame["status"], 404);
        frame.as_object_mut().unwrap().remove("execution_id");
        told.push(frame);
    }
    assert_eq!(told[0], told[1]);
    subscribe(&mut ws, "of-ann", json!({})).await;
    assert_eq!(said_of(&mut ws, "of-ann").await["control"], "hello");
    // all of it stands in the audit log
    let admin = token(&server, "root", "admin");
    let (_, audit) = get(&server, "/api/audit", &admin).await;
    let told = audit.to_string();
    for id in ["of-ann", "of-ben", "of-nobody"] {
        assert!(told.contains(id), "{told}");
    }
    drop(ws);
    server.stop().await;
}

#[tokio::test]
async fn a_made_up_place_tells_nothing_of_foreign_executions() {
    let server = closed().await;
    let (ann, ben) = (token(&server, "ann", ALL), token(&server, "ben", ALL));
    start(&server, "secret-of-ben", &ben).await;
    let (status, _) = post(
        &server,
        "/api/executions/secret-of-ben/cancel",
        &ben,
        json!({}),
    )
    .await;
    assert!(status < 300);
    let stream = server
        .executions
        .log()
        .open(&"secret-of-ben".parse().unwrap())
        .unwrap()
        .unwrap();
    soon(stream.watch().wait_for(|tail| tail.ended.is_some()))
        .await
        .unwrap();
    let place = format!(
        "~{}:{}.{}",
        stream.key(),
        stream.epoch(),
        stream.tail().last_seq
    );
    // neither its name, by its number, nor that it has ended, by its name
    let told = async |query: &str, token: &str| {
        let path = format!("/stream/executions?{query}&after={place}");
        let mut response = soon(ask(&server, Method::GET, &path, token).send())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let first = if status == 200 {
            soon(response.chunk()).await.unwrap()
        } else {
            None
        };
        (
            status,
            String::from_utf8(first.unwrap_or_default().to_vec()).unwrap(),
        )
    };
    let (status, first) = told("since=now", &ann).await;
    assert_eq!(status, 200);
    assert!(
        first.contains("410") && !first.contains("secret"),
        "{first}"
    );
    let (status, first) = told("execution_id=secret-of-ben", &ann).await;
    assert_eq!(status, 200);
    assert!(first.contains("404"), "{first}");
    assert_eq!(told("execution_id=secret-of-ben", &ben).await.0, 204);
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_stranger_is_turned_away_before_anything_else() {
    let server = closed().await;
    let (mut ws, _) = ws(&server, "/ws/executions", &[]).await.unwrap();
    assert_eq!(ws.frame().await.unwrap()["status"], 401);
    assert_eq!(ws.frame().await, Err(3502));
    let (status, _) = get(&server, "/stream/executions?since=now", "").await;
    assert_eq!(status, 401);
    drop(ws);
    server.stop().await;
}

#[tokio::test]
async fn a_watch_picks_up_ones_own_runs_and_an_administrators_those_of_all() {
    let server = closed().await;
    let (ann, ben) = (
        token(&server, "ann", "watch,start"),
        token(&server, "ben", "watch,start"),
    );
    let root = token(&server, "root", "admin,start");
    let (mut of_ann, mut of_root, mut own) = (
        open(&server, &ann).await,
        open(&server, &root).await,
        open(&server, &root).await,
    );
    for (ws, pattern) in [
        (&mut of_ann, json!({})),
        (&mut of_root, json!({})),
        (&mut own, json!({"mine": true})),
    ] {
        say(
            ws,
            json!({"action": "watch", "watch": "w", "pattern": pattern}),
        )
        .await;
        assert_eq!(ws.but_pings().await["control"], "watching");
    }
    start(&server, "1-of-ben", &ben).await;
    start(&server, "2-of-ann", &ann).await;
    start(&server, "3-of-root", &root).await;
    let matched = async |ws: &mut Ws| loop {
        let frame = ws.but_pings().await;
        if frame["control"] == "matched" {
            return frame["execution_id"].as_str().unwrap().to_owned();
        }
    };
    assert_eq!(matched(&mut of_ann).await, "2-of-ann");
    for id in ["1-of-ben", "2-of-ann", "3-of-root"] {
        assert_eq!(matched(&mut of_root).await, id);
    }
    assert_eq!(matched(&mut own).await, "3-of-root");
    drop((of_ann, of_root, own));
    server.stop().await;
}

#[tokio::test]
async fn what_a_revoked_link_showed_ends_and_the_rest_of_the_connection_goes_on() {
    let server = closed().await;
    let (ann, ben) = (token(&server, "ann", ALL), token(&server, "ben", ALL));
    start(&server, "of-ann", &ann).await;
    start(&server, "of-ben", &ben).await;
    let (_, share) = post(&server, "/api/executions/of-ben/shares", &ben, json!({})).await;
    let mut cookies = Vec::new();
    for secret in [&json!(ann), &share["token"]] {
        let request = server.client.post(server.url("/api/session"));
        let response = soon(request.json(&json!({"token": secret})).send())
            .await
            .unwrap();
        let name = if cookies.is_empty() {
            "stepcast_session"
        } else {
            "stepcast_share"
        };
        cookies.push(cookie(&response, name).0);
    }
    let (cookies, origin) = (cookies.join("; "), format!("http://{}", server.address));
    let headers = [("cookie", &*cookies), ("origin", &*origin)];
    let mut ws = ws(&server, "/ws/executions", &headers).await.unwrap().0;
    for id in ["of-ann", "of-ben"] {
        subscribe(&mut ws, id, json!({})).await;
        assert_eq!(said_of(&mut ws, id).await["control"], "hello");
    }
    let path = format!("/api/executions/of-ben/shares/{}", share["id"]);
    let (status, answer) = said(ask(&server, Method::DELETE, &path, &ben)).await;
    assert_eq!(status, 204, "{share} {answer}");
    let ended = loop {
        let frame = said_of(&mut ws, "of-ben").await;
        if frame["control"] == "error" {
            break frame;
        }
    };
    assert_eq!(ended["status"], 403, "{ended}");
    subscribe(&mut ws, "of-ben", json!({})).await;
    assert_eq!(said_of(&mut ws, "of-ben").await["status"], 404);
    let (status, _) = post(&server, "/api/executions/of-ann/cancel", &ann, json!({})).await;
    assert!(status < 300);
    loop {
        if said_of(&mut ws, "of-ann").await["control"] == "closed" {
            break;
        }
    }
    drop(ws);
    server.stop().await;
}
