//! The subprotocol `stepcast.cbor`: what is said, by either end, is what JSON says.
//!
//! That every run comes the same, however it is cut, is in the table of dialects.

use cbor4ii::core::utils::SliceReader;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize as _;
use serde_json::{Value, json};
use stepcast::log::Budget;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;

use crate::access_harness::ws as connect;
use crate::harness::{Server, Ws, complete, progress, seqs, soon};

/// The subprotocols.
pub(crate) const CBOR: &str = "stepcast.cbor";
pub(crate) const JSON: &str = "stepcast.v1";

pub(crate) fn written(value: &Value) -> Vec<u8> {
    cbor4ii::serde::to_vec(Vec::new(), value).unwrap()
}

/// The items of a message.
pub(crate) fn items(message: &[u8]) -> Vec<Value> {
    let (mut items, mut rest) = (Vec::new(), message);
    while !rest.is_empty() {
        let mut reader = cbor4ii::serde::Deserializer::new(SliceReader::new(rest));
        items.push(Value::deserialize(&mut reader).unwrap());
        let reader = reader.into_inner();
        let left = cbor4ii::core::dec::Read::fill(&mut { reader }, usize::MAX)
            .unwrap()
            .as_ref()
            .len();
        rest = &rest[rest.len() - left..];
    }
    items
}

/// The frames of the next message, which has to be of its subprotocol's kind, or the close code.
pub(crate) async fn frames<S: AsyncRead + AsyncWrite + Unpin>(
    ws: &mut Ws<S>,
    in_cbor: bool,
) -> Result<Vec<Value>, u16> {
    loop {
        match soon(ws.0.next()).await {
            Some(Ok(Message::Text(text))) => {
                assert!(!in_cbor, "{text}");
                let lines = text.split('\n');
                return Ok(lines.map(|it| serde_json::from_str(it).unwrap()).collect());
            }
            Some(Ok(Message::Binary(bytes))) => {
                assert!(in_cbor);
                return Ok(items(&bytes));
            }
            Some(Ok(Message::Close(frame))) => {
                return Err(frame.map_or(1005, |frame| frame.code.into()));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(1006),
        }
    }
}

async fn open(server: &Server, path: &str, protocols: &str) -> (Ws, Option<String>) {
    let offered = [("sec-websocket-protocol", protocols)];
    // a client that offers something does not go on where nothing is chosen
    let offered = if protocols.is_empty() {
        &[][..]
    } else {
        &offered
    };
    connect(server, path, offered).await.unwrap()
}

async fn say(ws: &mut Ws, message: Message) -> Value {
    ws.0.send(message).await.unwrap();
    let mut frames = frames(ws, true).await.unwrap();
    assert_eq!(frames.len(), 1);
    frames.remove(0)
}

#[tokio::test]
async fn the_first_protocol_that_is_known_is_chosen() {
    let server = Server::start().await;
    let _context = server.execution("e", Budget::default());
    for (offered, chosen) in [
        ("stepcast.cbor", Some(CBOR)),
        ("stepcast.v2, stepcast.cbor, stepcast.v1", Some(CBOR)),
        ("stepcast.v1, stepcast.cbor", Some(JSON)),
        ("stepcast.bearer.x, stepcast.cbor", Some(CBOR)),
        ("", None),
    ] {
        for path in ["/ws/pipeline/e", "/ws/executions"] {
            let (mut ws, found) = open(&server, path, offered).await;
            assert_eq!(found.as_deref(), chosen, "{offered}");
            ws.0.send(Message::text(r#"{"action":"ping"}"#))
                .await
                .unwrap();
            let first = frames(&mut ws, chosen == Some(CBOR)).await.unwrap();
            let word = if path == "/ws/executions" {
                "pong"
            } else {
                "hello"
            };
            assert_eq!(first[0]["control"], word, "{offered} {path}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_says_it_in_either_and_is_told_what_is_wrong() {
    let server = Server::with(|config| config.limits.message_bytes = 4096).await;
    let (mut ws, _) = open(&server, "/ws/executions", CBOR).await;
    let ping = json!({ "action": "ping" });
    for message in [
        Message::binary(written(&ping)),
        Message::text(ping.to_string()),
    ] {
        assert_eq!(say(&mut ws, message).await, json!({ "control": "pong" }));
    }
    let deep = vec![0x81; 4000];
    let twice = [written(&ping), written(&ping)].concat();
    for (wrong, why) in [
        (&b""[..], "not a frame: "),
        (b"\xa1\x66act", "not a frame: "),
        (&written(&json!([1])), "not a frame: "),
        (&written(&json!({ "action": "dance" })), "unknown variant"),
        (&deep, "not a frame: "),
        (&twice, "something follows the item"),
        (b"\xa1\x01\x02", "not a frame: "),
    ] {
        let said = say(&mut ws, Message::binary(wrong.to_vec())).await;
        assert_eq!(
            (&said["control"], &said["status"]),
            (&json!("error"), &json!(400))
        );
        let message = said["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }
    // it goes on, up to the limit of a message
    assert_eq!(
        say(&mut ws, Message::binary(written(&ping))).await["control"],
        "pong"
    );
    ws.0.send(Message::binary(vec![0; 4097])).await.unwrap();
    assert_eq!(frames(&mut ws, true).await, Err(1009));
    // where JSON is spoken, there is no other
    let (mut ws, _) = open(&server, "/ws/executions", JSON).await;
    ws.0.send(Message::binary(written(&ping))).await.unwrap();
    let said = frames(&mut ws, false).await.unwrap();
    let message = "not a frame: a binary message, where JSON is spoken";
    assert_eq!(said[0]["message"], message);
    server.stop().await;
}

/// Filters, fidelity, windows and resumption are the session's: what it says is said in either.
#[tokio::test]
async fn what_a_reader_asks_for_is_the_same_in_both() {
    let server = Server::start().await;
    let context = server.execution("e", Budget::default());
    for n in 1..=40 {
        context.emit(progress(n)).await.unwrap();
    }
    context.emit(complete()).await.unwrap();
    for query in [
        "",
        "?type=pipeline_complete",
        "?fidelity=steps",
        "?fidelity=snapshot",
        "?fidelity=coalesced",
        "?where=data.n%20%3E%20%6030%60",
        "?after=1.38",
        "?pace=100",
        "?after=now&batch=true",
        "?batch=true",
        "?after=1.99",
    ] {
        let path = format!("/ws/pipeline/e{query}");
        let mut told = Vec::new();
        for protocol in [JSON, CBOR] {
            let (mut ws, _) = open(&server, &path, protocol).await;
            let mut all = Vec::new();
            let code = loop {
                match frames(&mut ws, protocol == CBOR).await {
                    Ok(frames) => all.extend(frames),
                    Err(code) => break code,
                }
            };
            // drawn for each connection
            for frame in &mut all {
                frame.as_object_mut().unwrap().remove("retry_ms");
            }
            told.push((all, code));
        }
        assert!(!told[0].0.is_empty(), "{query}");
        assert_eq!(told[0], told[1], "{query}");
    }
    server.stop().await;
}

/// One write serves those that are at the tail; those that are not share what was made of each event.
#[tokio::test]
async fn readers_of_both_follow_the_same_run_compressed_or_not() {
    let server = Server::with(|config| config.compression.streams = true).await;
    let context = server.execution("e", Budget::default());
    let mut readers = Vec::new();
    for protocol in [JSON, CBOR, CBOR] {
        let (alone, _) = open(&server, "/ws/pipeline/e", protocol).await;
        let (mut many, _) = open(&server, "/ws/executions?batch=true", protocol).await;
        let say = json!({ "action": "subscribe", "execution_id": "e", "window": 1000 });
        many.0.send(Message::text(say.to_string())).await.unwrap();
        readers.extend([(alone, protocol == CBOR), (many, protocol == CBOR)]);
    }
    for (ws, in_cbor) in &mut readers {
        let hello = frames(ws, *in_cbor).await.unwrap();
        assert_eq!(hello[0]["control"], "hello");
    }
    for n in 1..=50 {
        context.emit(progress(n)).await.unwrap();
        if n % 10 == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    for (ws, in_cbor) in &mut readers {
        let mut seen = Vec::new();
        while seqs(&seen).len() < 50 {
            seen.extend(frames(ws, *in_cbor).await.unwrap());
        }
        assert_eq!(seqs(&seen), (1..=50).collect::<Vec<u64>>());
        assert_eq!(seen[49]["data"], json!({ "n": 50 }));
    }
    drop(readers);
    server.stop().await;
}
