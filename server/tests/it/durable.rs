//! Durable Streams: what is gone, who may, and what a restart leaves. Its own suite and client are in `e2e`.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use stepcast::log::Budget;

use crate::access_harness::{ALL, ask, closed, get, start, token, weaker};
use crate::harness::{Server, emit, progress, soon};
use crate::ingest_harness::{server_on, server_with};

async fn put(server: &Server, id: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let url = server.url(&format!("/v1/stream/{id}"));
    let mut request = server.client.put(url).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    soon(request.send()).await.unwrap()
}

async fn post(server: &Server, id: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let url = server.url(&format!("/v1/stream/{id}"));
    let mut request = server.client.post(url).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    soon(request.send()).await.unwrap()
}

async fn read(server: &Server, path: &str) -> Response {
    let url = server.url(&format!("/v1/stream/{path}"));
    soon(server.client.get(url).send()).await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

const TEXT: [(&str, &str); 1] = [("content-type", "text/plain")];
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[tokio::test]
async fn what_is_gone_is_told_in_every_mode() {
    let server = Server::with(|config| {
        config.buffer_size = 2;
        config.retention_execution_events = 10;
        config.retention_interval_ms = 100;
    })
    .await;
    let budget = Budget {
        events: 2,
        ..Budget::default()
    };
    let context = server.execution("run", budget);
    for n in 1..=100 {
        context.emit(progress(n)).await.unwrap();
    }
    let whole = loop {
        let whole = read(&server, "run").await;
        if header(&whole, "stepcast-gap") == "1-90" {
            break whole;
        }
    };
    assert_eq!(header(&whole, "stream-up-to-date"), "true");
    let next = header(&whole, "stream-next-offset").to_owned();
    let events: Vec<Value> = soon(whole.json()).await.unwrap();
    assert_eq!((events.len(), &events[0]["seq"]), (10, &json!(91)));
    let epoch: u64 = next.split('.').next().unwrap().parse().unwrap();
    for live in ["", "&live=long-poll", "&live=sse"] {
        let gone = read(&server, &format!("run?offset={epoch}.3{live}")).await;
        if live != "&live=sse" {
            assert_eq!(gone.status().as_u16(), 410, "{live}");
            let rest = header(&gone, "stream-next-offset").to_owned();
            let told: Value = soon(gone.json()).await.unwrap();
            assert_eq!((&told["from"], &told["to"]), (&json!(4), &json!(90)));
            let rest = read(&server, &format!("run?offset={rest}")).await;
            assert_eq!(soon(rest.json::<Vec<Value>>()).await.unwrap(), events);
        } else {
            // nothing that follows is given: whoever comes back is told
            let text = soon(gone.text()).await.unwrap();
            assert!(!text.contains("event: data"), "{text}");
        }
        let other = read(&server, &format!("run?offset={}.3{live}", epoch + 1)).await;
        assert_eq!(other.status().as_u16(), 410, "{live}");
        let beyond = read(&server, &format!("run?offset={epoch}.999{live}")).await;
        assert_eq!(beyond.status().as_u16(), 400, "{live}");
    }
    emit(&context, 1).await;
    let end = read(&server, &format!("run?offset={next}&live=sse")).await;
    let text = soon(end.text()).await.unwrap();
    assert!(text.contains("\"streamClosed\":true"), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_is_its_owners() {
    let server = closed().await;
    let (alice, mallory) = (token(&server, "alice", ALL), token(&server, "mallory", ALL));
    let path = "/v1/stream/notes";
    let said = |method: Method, token: &str| {
        ask(&server, method, path, token)
            .header("content-type", "text/plain")
            .body("x")
    };
    let status = async |method: Method, token: &str| {
        let response = soon(said(method, token).send()).await.unwrap();
        response.status().as_u16()
    };
    assert_eq!(status(Method::PUT, &alice).await, 201);
    assert_eq!(status(Method::PUT, &alice).await, 200);
    assert_eq!(status(Method::PUT, &mallory).await, 409);
    for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
        assert_eq!(status(method.clone(), &mallory).await, 404, "{method}");
        assert_eq!(status(method.clone(), "").await, 401, "{method}");
    }
    let watcher = weaker(&server, "watch");
    for method in [Method::PUT, Method::POST, Method::DELETE] {
        assert_eq!(status(method.clone(), &watcher).await, 403, "{method}");
    }
    assert_eq!(status(Method::POST, &alice).await, 204);
    let read = soon(ask(&server, Method::GET, path, &watcher).send())
        .await
        .unwrap();
    assert_eq!(header(&read, "cache-control"), "no-store");
    assert_eq!(soon(read.text()).await.unwrap(), "xx");
    // it is in her list, and in nobody else's
    let listed = get(&server, "/api/executions", &alice).await.1;
    assert_eq!(listed["executions"][0]["execution_id"], "notes");
    let others = get(&server, "/api/executions", &mallory).await.1;
    assert_eq!(others["executions"], json!([]));
    // what the server runs itself is read only
    start(&server, "run", &alice).await;
    let run = ask(&server, Method::POST, "/v1/stream/run", &alice)
        .header("content-type", "application/json");
    assert_eq!(
        soon(run.body("[1]").send())
            .await
            .unwrap()
            .status()
            .as_u16(),
        405
    );
    assert_eq!(status(Method::DELETE, &alice).await, 204);
    assert_eq!(status(Method::GET, &alice).await, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_restart_leaves_what_was_appended_and_how_far_its_writers_had_come() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_on(directory.path()).await;
    let kept = [("content-type", "text/plain"), ("stream-ttl", "3600")];
    assert_eq!(
        put(&server, "notes", &kept, "a").await.status().as_u16(),
        201
    );
    let second = [TEXT[0], ("stream-seq", "b2")];
    assert_eq!(
        post(&server, "notes", &second, "b").await.status().as_u16(),
        204
    );
    // one that says nothing of the order does not lose it
    let third = post(&server, "notes", &TEXT, "c").await;
    let end = header(&third, "stream-next-offset").to_owned();
    drop(server.stop_and_keep().await);
    let server = server_on(directory.path()).await;
    for seq in ["b2", "b1", "a", "B3"] {
        let late = post(&server, "notes", &[TEXT[0], ("stream-seq", seq)], "x").await;
        assert_eq!(late.status().as_u16(), 409, "{seq}");
    }
    let whole = read(&server, "notes").await;
    assert_eq!(
        (
            header(&whole, "stream-ttl"),
            header(&whole, "stream-next-offset")
        ),
        ("3600", end.as_str())
    );
    assert_eq!(soon(whole.text()).await.unwrap(), "abc");
    let next = [TEXT[0], ("stream-seq", "b3"), ("stream-closed", "true")];
    assert_eq!(
        post(&server, "notes", &next, "d").await.status().as_u16(),
        204
    );
    assert_eq!(
        soon(read(&server, "notes").await.text()).await.unwrap(),
        "abcd"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_time_that_was_set_is_over_at_that_time_whatever_happens_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_with(directory.path(), |_| {}).await;
    let soon_over =
        stepcast_core::time::Timestamp::from_unix_millis(stepcast::clock::unix_millis() + 1500);
    let until = [TEXT[0], ("stream-expires-at", soon_over.as_str())];
    assert_eq!(
        put(&server, "brief", &until, "a").await.status().as_u16(),
        201
    );
    let closed = [TEXT[0], ("stream-ttl", "1"), ("stream-closed", "true")];
    assert_eq!(
        put(&server, "shut", &closed, "a").await.status().as_u16(),
        201
    );
    drop(server.stop_and_keep().await);
    // the lease of one that has an hour would begin anew
    let server = server_on(directory.path()).await;
    soon(async {
        while read(&server, "brief").await.status().as_u16() == 200 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(stepcast::clock::unix_millis() >= soon_over.unix_millis().unwrap());
    assert_eq!(read(&server, "brief").await.status().as_u16(), 404);
    // a closed one is left to retention once the server was started anew
    assert_eq!(read(&server, "shut").await.status().as_u16(), 200);
    let again = put(&server, "brief", &JSON, "").await;
    assert_eq!(again.status().as_u16(), 201, "the name is free");
    server.stop().await;
}
