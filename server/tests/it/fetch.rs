//! Files on the connection that events come on: in chunks, in turns, and never in the way.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use stepcast::log::Budget;
use tokio_tungstenite::tungstenite::Message;

use crate::access_harness::{ask, closed, get, post, said, token, weaker, ws as connect};
use crate::cbor::{CBOR, JSON, items};
use crate::harness::{Server, Ws, complete, progress, soon};
use crate::ingest_harness::{announce, post as events, send};

/// A client that asks for files.
struct Client {
    ws: Ws,
    /// Bytes of each fetch, without a hole.
    files: BTreeMap<String, Vec<u8>>,
    /// Where the first byte of each lies.
    begun: BTreeMap<String, usize>,
    /// Names of the chunks, in their order.
    turns: Vec<String>,
}

impl Client {
    async fn open(server: &Server, path: &str, headers: &[(&str, &str)]) -> Self {
        let (ws, _) = connect(server, path, headers).await.unwrap();
        Self {
            ws,
            files: BTreeMap::new(),
            begun: BTreeMap::new(),
            turns: Vec::new(),
        }
    }

    async fn speaking(server: &Server, path: &str, protocol: &str) -> Self {
        Self::open(server, path, &[("sec-websocket-protocol", protocol)]).await
    }

    async fn say(&mut self, said: Value) {
        let text = Message::text(said.to_string());
        self.ws.0.send(text).await.unwrap();
    }

    async fn fetch(&mut self, fetch: &str, id: &str, sha256: &str, offset: u64) {
        self.say(json!({ "action": "fetch", "fetch": fetch, "execution_id": id, "sha256": sha256, "offset": offset }))
            .await;
    }

    /// The next frame that is no ping, or the close code. Chunks are kept, and stand for their length.
    async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let mut frame = match soon(self.ws.0.next()).await.unwrap().unwrap() {
                Message::Text(text) => {
                    let mut frame: Value = serde_json::from_str(&text).unwrap();
                    if let Some(data) = frame.get_mut("data").filter(|data| data.is_string()) {
                        let bytes = STANDARD.decode(data.as_str().unwrap()).unwrap();
                        *data = bytes.into();
                    }
                    frame
                }
                Message::Binary(bytes) => chunk(&bytes).unwrap_or_else(|| items(&bytes).remove(0)),
                Message::Close(frame) => return Err(frame.unwrap().code.into()),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            if frame["control"] == "artifact" {
                let name = frame["fetch"].as_str().unwrap().to_owned();
                let had = self.files.get(&name).map_or(0, Vec::len);
                let offset = usize::try_from(frame["offset"].as_u64().unwrap()).unwrap();
                self.begun.insert(name, offset - had);
            }
            if frame["control"] == "artifact_chunk" {
                self.keep(&mut frame);
            }
            if frame["control"] != "ping" {
                return Ok(frame);
            }
        }
    }

    fn keep(&mut self, frame: &mut Value) {
        let name = frame["fetch"].as_str().unwrap().to_owned();
        let bytes: Vec<u8> = serde_json::from_value(frame["data"].take()).unwrap();
        assert!((1..=64 << 10).contains(&bytes.len()));
        frame["data"] = bytes.len().into();
        let file = self.files.entry(name.clone()).or_default();
        let begun = self.begun.entry(name.clone()).or_insert(0);
        assert_eq!(frame["offset"], *begun + file.len(), "{name}");
        file.extend(bytes);
        self.turns.push(name);
    }

    async fn until(&mut self, control: &str) -> Value {
        loop {
            let frame = self.next().await.unwrap();
            if frame["control"] == control {
                return frame;
            }
        }
    }
}

/// A chunk in CBOR, whose data is a byte string.
fn chunk(message: &[u8]) -> Option<Value> {
    #[derive(serde::Deserialize)]
    struct Chunk {
        control: String,
        fetch: String,
        offset: u64,
        data: Bytes,
    }
    let it: Chunk = cbor4ii::serde::from_slice(message).ok()?;
    Some(
        json!({ "control": it.control, "fetch": it.fetch, "offset": it.offset, "data": it.data.0 }),
    )
}

struct Bytes(Vec<u8>);

impl<'de> serde::Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taken;
        impl serde::de::Visitor<'_> for Taken {
            type Value = Bytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a byte string")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Taken)
    }
}

/// A run elsewhere that goes on, and has made a file of `count` numbered lines; its hash and content.
async fn numbers(server: &Server, id: &str, count: usize) -> (String, Vec<u8>) {
    assert_eq!(announce(server, id).await.status, 201);
    let content = (1..=count).map(|n| format!("{n}\n")).collect::<String>();
    let path = format!("/api/executions/{id}/artifacts?name=n.txt");
    let headers = [("content-type", "text/plain".to_owned())];
    let kept = send(server, &path, &headers, content.clone()).await;
    assert_eq!(kept.status, 201);
    (hash_of(content.as_bytes()), content.into_bytes())
}

fn hash_of(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn an_event_waits_for_one_chunk_and_not_for_the_file() {
    let server = Server::start().await;
    // more than sockets hold
    let (hash, content) = numbers(&server, "a", 3_000_000).await;
    for protocol in [JSON, CBOR] {
        let id = format!("live-{protocol}");
        let context = server.execution(&id, Budget::default());
        let mut client = Client::speaking(&server, "/ws/executions", protocol).await;
        client
            .say(json!({ "action": "subscribe", "execution_id": id }))
            .await;
        client.until("hello").await;
        client.fetch("f", "a", &hash, 0).await;
        let head = client.until("artifact").await;
        assert_eq!(
            head,
            json!({ "control": "artifact", "fetch": "f", "execution_id": "a", "name": "n.txt", "media_type": "text/plain",
                    "size": content.len(), "sha256": hash, "offset": 0, "length": content.len() })
        );
        for n in 1..=20 {
            context.emit(progress(n)).await.unwrap();
        }
        let (mut seen, mut before_end) = (Vec::new(), 0);
        let end = loop {
            let frame = client.next().await.unwrap();
            match frame["control"].as_str() {
                Some("artifact_end") => break frame,
                Some(_) => before_end += usize::from(seen.len() == 20),
                None => seen.push(frame["seq"].as_u64().unwrap()),
            }
        };
        assert_eq!(seen, (1..=20).collect::<Vec<u64>>(), "in order, {protocol}");
        assert!(before_end > 0, "the file went on after the events");
        assert_eq!(
            end,
            json!({ "control": "artifact_end", "fetch": "f", "offset": content.len(), "size": content.len(), "sha256": hash })
        );
        assert!(client.files["f"] == content, "{protocol}");
        assert_eq!(hash_of(&client.files["f"]), hash);
        // and the connection goes on as if nothing had been
        context.emit(complete()).await.unwrap();
        assert_eq!(client.until("closed").await["last_seq"], 21);
    }
    server.stop().await;
}

#[tokio::test]
async fn files_take_turns_and_one_that_is_cancelled_leaves_the_others() {
    let server = Server::start().await;
    let (long, content) = numbers(&server, "long", 1_500_000).await;
    let (short, rest) = numbers(&server, "short", 100_000).await;
    let mut client = Client::speaking(&server, "/ws/executions", CBOR).await;
    client.fetch("a", "long", &long, 0).await;
    client.fetch("b", "long", &long, 0).await;
    client.fetch("c", "short", &short, 0).await;
    client.until("artifact").await;
    client.until("artifact").await;
    client.until("artifact").await;
    let begun = client.turns.len();
    assert_eq!(client.until("artifact_end").await["fetch"], "c");
    assert!(client.files["c"] == rest);
    let turns = &client.turns[begun..];
    for three in turns.windows(3) {
        let mut three = three.to_vec();
        three.sort_unstable();
        assert_eq!(three, ["a", "b", "c"], "{turns:?}");
    }
    client
        .say(json!({ "action": "unfetch", "fetch": "a" }))
        .await;
    let end = client.until("artifact_end").await;
    let had = client.files["a"].len();
    assert_eq!(
        (&end["fetch"], &end["cancelled"], &end["offset"]),
        (&json!("a"), &json!(true), &json!(had))
    );
    assert!(had < content.len());
    // nothing more of it, all of the other
    assert_eq!(client.until("artifact_end").await["fetch"], "b");
    assert!(client.files["a"].len() == had && client.files["b"] == content);
    client
        .say(json!({ "action": "unfetch", "fetch": "a" }))
        .await;
    assert_eq!(client.until("artifact_error").await["status"], 404);
    // on from where it was
    client.fetch("a", "long", &long, had as u64).await;
    let end = client.until("artifact_end").await;
    assert!(end.get("cancelled").is_none(), "{end}");
    assert!(client.files["a"] == content);
    server.stop().await;
}

#[tokio::test]
async fn a_part_is_had_by_its_place_and_what_cannot_be_is_refused() {
    let server = Server::start().await;
    let (hash, content) = numbers(&server, "a", 50_000).await;
    let size = content.len();
    for protocol in [JSON, CBOR] {
        let mut client = Client::speaking(&server, "/ws/executions", protocol).await;
        for (at, length) in [
            (0, None),
            (1, Some(1)),
            (70_000, Some(70_000)),
            (size - 1, Some(usize::MAX)),
            (size, None),
            (5, Some(0)),
        ] {
            let name = format!("{at}");
            client
                .say(json!({ "action": "fetch", "fetch": name, "execution_id": "a", "sha256": hash, "offset": at, "length": length }))
                .await;
            let head = client.until("artifact").await;
            let part =
                &content[at..length.map_or(size, |length| size.min(at.saturating_add(length)))];
            assert_eq!(head["length"], part.len());
            let end = client.until("artifact_end").await;
            assert_eq!(end["offset"], at + part.len());
            let had = client.files.remove(&name).unwrap_or_default();
            assert!(had == part, "{at} {length:?} {protocol}");
        }
        let unknown = "0".repeat(64);
        let long = "x".repeat(65);
        for (fetch, id, hash, offset, status) in [
            ("f", "a", hash.as_str(), size as u64 + 1, 416),
            ("f", "a", "abc", 0, 400),
            ("f", "a", unknown.as_str(), 0, 404),
            ("f", "none", hash.as_str(), 0, 404),
            ("", "a", hash.as_str(), 0, 400),
            (long.as_str(), "a", hash.as_str(), 0, 400),
        ] {
            client.fetch(fetch, id, hash, offset).await;
            let error = client.next().await.unwrap();
            assert_eq!(error["control"], "artifact_error", "{error}");
            assert_eq!(
                (&error["fetch"], &error["status"]),
                (&json!(fetch), &json!(status)),
                "{error}"
            );
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn names_are_of_one_fetch_each_and_not_too_many_are_under_way() {
    let server = Server::start().await;
    let (hash, _) = numbers(&server, "a", 3_000_000).await;
    let mut client = Client::speaking(&server, "/ws/executions", CBOR).await;
    for name in 0..8 {
        client.fetch(&name.to_string(), "a", &hash, 0).await;
    }
    client.fetch("3", "a", &hash, 0).await;
    assert_eq!(client.until("artifact_error").await["status"], 409);
    client.fetch("8", "a", &hash, 0).await;
    assert_eq!(client.until("artifact_error").await["status"], 429);
    client
        .say(json!({ "action": "unfetch", "fetch": "3" }))
        .await;
    client.until("artifact_end").await;
    client.fetch("8", "a", &hash, 0).await;
    let next = loop {
        let frame = client.next().await.unwrap();
        if frame["control"] != "artifact_chunk" {
            break frame;
        }
    };
    assert_eq!(
        (&next["control"], &next["fetch"]),
        (&json!("artifact"), &json!("8"))
    );
    // who goes in the middle of it leaves nothing behind
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_of_one_run_gives_its_files_only_and_ends_after_them() {
    let server = Server::start().await;
    let (hash, content) = numbers(&server, "a", 1_500_000).await;
    let (other, _) = numbers(&server, "b", 10).await;
    let mut client = Client::speaking(&server, "/ws/pipeline/a", CBOR).await;
    client.fetch("f", "a", &hash, 0).await;
    client.fetch("g", "b", &other, 0).await;
    client.until("artifact_chunk").await;
    let end = json!([{ "event_type": "pipeline_complete", "data": { "output": {} } }]);
    assert_eq!(events(&server, "a", None, end).await.status, 200);
    let mut told = Vec::new();
    let code = loop {
        match client.next().await {
            Ok(frame) if frame["control"].is_string() => told.push(frame),
            Ok(_) => {}
            Err(code) => break code,
        }
    };
    let words: Vec<_> = told
        .iter()
        .map(|it| it["control"].as_str().unwrap())
        .collect();
    assert!(
        words.contains(&"closed") && words.last() == Some(&"artifact_end"),
        "{words:?}"
    );
    let error = told.iter().find(|it| it["control"] == "artifact_error");
    assert_eq!(error.unwrap()["status"], 400);
    assert_eq!(code, 1000);
    assert!(client.files["f"] == content);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_a_file() {
    let server = Server::start().await;
    let (hash, content) = numbers(&server, "a", 3_000_000).await;
    let mut many = Client::speaking(&server, "/ws/executions", CBOR).await;
    let mut one = Client::speaking(&server, "/ws/pipeline/a", JSON).await;
    for client in [&mut many, &mut one] {
        client.fetch("f", "a", &hash, 0).await;
        client.until("artifact_chunk").await;
    }
    let stopping = tokio::spawn(server.stop());
    for client in [&mut many, &mut one] {
        let code = loop {
            if let Err(code) = client.next().await {
                break code;
            }
        };
        assert_eq!(code, 1001);
        assert!(client.files["f"].len() < content.len());
    }
    stopping.await.unwrap();
}

/// The same function decides as of a download, and what is foreign looks as what is not there.
#[tokio::test]
async fn who_may_not_load_it_is_told_nothing_of_it() {
    let server = closed().await;
    let (ann, ben) = (
        token(&server, "alice", "watch,start,ingest"),
        token(&server, "ben", "watch"),
    );
    let blind = weaker(&server, "start");
    let body = json!({ "execution_id": "of-ann", "mode": "external", "pipeline": "p" });
    let (status, answer) = post(&server, "/api/executions", &ann, body).await;
    assert_eq!(status, 201, "{answer}");
    let path = "/api/executions/of-ann/artifacts?name=x.txt";
    let request = ask(&server, reqwest::Method::POST, path, &ann);
    let (status, kept) = said(request.body("hello world")).await;
    assert_eq!(status, 201, "{kept}");
    let hash = hash_of(b"hello world");
    for (token, id, status) in [
        (&ann, "of-ann", 200),
        (&ann, "of-none", 404),
        (&ben, "of-ann", 404),
        (&ben, "of-none", 404),
        (&blind, "of-ann", 403),
        (&blind, "of-none", 403),
    ] {
        let bearer = format!("Bearer {token}");
        let mut client =
            Client::open(&server, "/ws/executions", &[("authorization", &bearer)]).await;
        client.fetch("f", id, &hash, 0).await;
        let mut told = client.next().await.unwrap();
        if status == 200 {
            assert_eq!(told["control"], "artifact", "{told}");
            client.until("artifact_end").await;
            assert_eq!(client.files["f"], b"hello world");
            continue;
        }
        let message = told["message"].take();
        assert_eq!(
            told,
            json!({ "control": "artifact_error", "fetch": "f", "status": status, "message": null })
        );
        let (over_http, problem) = get(
            &server,
            &format!("/api/executions/{id}/artifacts/{hash}"),
            token,
        )
        .await;
        assert_eq!((over_http, &problem["detail"]), (status, &message), "{id}");
    }
    // what is asked for stands in the audit log, as a download does
    let admin = token(&server, "root", "admin");
    let (_, audit) = get(&server, "/api/audit", &admin).await;
    assert!(audit.to_string().contains("of-none"), "{audit}");
    server.stop().await;
}
