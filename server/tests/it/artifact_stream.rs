//! A file over a WebSocket: in order, from any offset, at the client's pace.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;

use crate::artifact::{program, run};
use crate::harness::{Server, Ws, soon};

/// A run that makes a file of `count` numbered lines; its hash and content.
pub(crate) async fn numbers(server: &Server, count: usize) -> (String, Vec<u8>) {
    let script = format!(r#"seq {count} > n.txt; echo '{{"artifact": "n.txt"}}'"#);
    run(server, "a", program(&script)).await;
    let (_, list) = server.get("/api/executions/a/artifacts").await;
    let hash = list["artifacts"][0]["sha256"].as_str().unwrap().to_owned();
    let content = (1..=count).map(|n| format!("{n}\n")).collect::<String>();
    (hash, content.into_bytes())
}

async fn open(server: &Server, hash: &str, query: &str) -> Ws {
    server
        .ws(&format!("/ws/executions/a/artifacts/{hash}{query}"))
        .await
}

/// The text frames, the binary messages joined, and the close code.
pub(crate) async fn all<S: AsyncRead + AsyncWrite + Unpin>(
    mut ws: Ws<S>,
) -> (Vec<Value>, Vec<u8>, u16) {
    let (mut texts, mut bytes) = (Vec::new(), Vec::new());
    loop {
        match soon(ws.0.next()).await.unwrap().unwrap() {
            Message::Text(text) => texts.push(serde_json::from_str(&text).unwrap()),
            Message::Binary(part) => {
                assert!(part.len() <= 64 << 10);
                bytes.extend_from_slice(&part);
            }
            Message::Close(frame) => return (texts, bytes, frame.unwrap().code.into()),
            other @ (Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                panic!("{other:?}")
            }
        }
    }
}

#[tokio::test]
async fn a_file_comes_in_messages_and_goes_on_at_any_offset() {
    let server = Server::start().await;
    let (hash, content) = numbers(&server, 100_000).await;
    let size = content.len();
    for offset in [0, 1, 65_536, size - 1, size] {
        let (texts, bytes, code) =
            all(open(&server, &hash, &format!("?offset={offset}")).await).await;
        let head = json!({"control": "artifact", "name": "n.txt", "media_type": "text/plain",
                          "size": size, "sha256": hash, "offset": offset});
        assert_eq!(
            texts,
            [head, json!({"control": "artifact_end", "size": size})]
        );
        assert!(bytes == content[offset..], "from {offset}");
        assert_eq!(code, 1000);
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_refused_is_refused_in_band() {
    let server = Server::start().await;
    let (hash, content) = numbers(&server, 10).await;
    let past = format!("?offset={}", content.len() + 1);
    let unknown = "0".repeat(64);
    for (hash, query, status, code) in [
        (hash.as_str(), past.as_str(), 400, 3500),
        (hash.as_str(), "?offset=x", 400, 3500),
        ("abc", "", 400, 3500),
        (unknown.as_str(), "", 404, 3501),
    ] {
        let (texts, bytes, closed) = all(open(&server, hash, query).await).await;
        assert_eq!(texts.len(), 1);
        assert_eq!(
            (&texts[0]["control"], &texts[0]["status"]),
            (&json!("error"), &json!(status))
        );
        assert_eq!((bytes.len(), closed), (0, code), "{hash}{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn pings_are_answered_while_a_file_is_sent_and_a_client_may_go() {
    let server = Server::start().await;
    let (hash, content) = numbers(&server, 2_000_000).await;
    let mut ws = open(&server, &hash, "").await;
    ws.0.send(Message::Ping(vec![7].into())).await.unwrap();
    let (mut read, mut answered) = (0, false);
    while !answered {
        match soon(ws.0.next()).await.unwrap().unwrap() {
            Message::Pong(payload) => answered = payload[..] == [7],
            Message::Binary(part) => read += part.len(),
            Message::Text(_) => {}
            other @ (Message::Ping(_) | Message::Close(_) | Message::Frame(_)) => {
                panic!("{other:?}")
            }
        }
    }
    assert!(read < content.len(), "the answer came in between");
    ws.0.close(None).await.unwrap();
    drop(ws);
    // one that is stopped in the middle is told to come back
    let mut ws = open(&server, &hash, "").await;
    assert!(matches!(
        soon(ws.0.next()).await,
        Some(Ok(Message::Text(_)))
    ));
    let stopping = tokio::spawn(server.stop());
    let (_, bytes, code) = all(ws).await;
    assert!(bytes.len() < content.len());
    assert_eq!(code, 1012);
    stopping.await.unwrap();
}
