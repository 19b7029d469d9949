//! Bytes that are no text: in addresses, fields, bodies and frames.

use futures_util::SinkExt as _;
use stepcast::log::Budget;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use crate::attack_harness::{Raw, external, lives, posts, reads_json, responses};
use crate::harness::{Server, soon};

/// What is no UTF-8: a byte that never stands in it, a character cut off, a surrogate, one written too long.
const BAD: [&[u8]; 4] = [b"\xff", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\xaf"];

#[tokio::test]
async fn malformed_utf8_in_paths_queries_and_fields_is_refused() {
    let server = Server::start().await;
    server.execution("e", Budget::default());
    external(&server, "x", 60_000).await;
    for bad in BAD {
        let escaped: String = bad.iter().map(|byte| format!("%{byte:02X}")).collect();
        let raw = |before: &str, after: &str| [before.as_bytes(), bad, after.as_bytes()].concat();
        let end = " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let field = |path: &str, name: &str| {
            let before = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
            let host = if name == "Host" {
                ""
            } else {
                "Host: localhost\r\n"
            };
            raw(&format!("{before}{host}{name}: "), "\r\n\r\n")
        };
        for (name, bytes, expected) in [
            (
                "path",
                format!("GET /api/executions/{escaped}{end}").into_bytes(),
                400,
            ),
            ("raw path", raw("GET /api/executions/", end), 400),
            (
                "stream",
                format!("GET /stream/pipeline/{escaped}{end}").into_bytes(),
                400,
            ),
            (
                "cursor",
                format!("GET /stream/pipeline/e?after={escaped}{end}").into_bytes(),
                400,
            ),
            (
                "pace",
                format!("GET /stream/pipeline/e?pace={escaped}{end}").into_bytes(),
                400,
            ),
            (
                "page",
                format!("GET /api/executions/e/events?after={escaped}{end}").into_bytes(),
                400,
            ),
            (
                "list",
                format!("GET /api/executions?status={escaped}{end}").into_bytes(),
                400,
            ),
            (
                "many",
                format!("GET /stream/executions?execution_id={escaped}{end}").into_bytes(),
                400,
            ),
            (
                "raw query",
                raw("GET /api/executions/e/events?after=", end),
                400,
            ),
            (
                "last event id",
                field("/stream/pipeline/e", "Last-Event-ID"),
                400,
            ),
            ("host", field("/healthz", "Host"), 403),
            ("origin", field("/healthz", "Origin"), 403),
        ] {
            let said = Raw::sent(&server, bytes).await.rest().await;
            assert_eq!(responses(&said), (expected, 1), "{name} {escaped}: {said}");
        }
        // what names nothing that is read does no harm
        for name in ["Authorization", "Cookie", "X-Forwarded-For", "User-Agent"] {
            let said = Raw::sent(&server, field("/healthz", name))
                .await
                .rest()
                .await;
            assert_eq!(responses(&said), (200, 1), "{name}: {said}");
        }
        let producer = raw(
            "POST /api/executions/x/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\nProducer-Epoch: 0\r\nProducer-Seq: 0\r\nProducer-Id: ",
            "\r\n\r\n{}",
        );
        let said = Raw::sent(&server, producer).await.rest().await;
        assert_eq!(responses(&said), (400, 1), "{said}");
    }
    lives(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn malformed_utf8_in_bodies_to_every_endpoint_is_refused() {
    let server = Server::start().await;
    external(&server, "x", 60_000).await;
    for bad in BAD {
        let body = [b"{\"input\":{\"a\":\"".as_slice(), bad, b"\"}}"].concat();
        for path in posts().iter().filter(|path| reads_json(path)) {
            let request = server.client.post(server.url(path));
            let request = request.header("content-type", "application/json");
            let response = soon(request.body(body.clone()).send()).await.unwrap();
            assert_eq!(response.status().as_u16(), 400, "{path}");
        }
        let line = [b"{\"event_type\":\"".as_slice(), bad, b"\"}\n"].concat();
        let request = server.client.post(server.url("/api/executions/x/events"));
        let request = request.header("content-type", "application/x-ndjson");
        let response = soon(request.body(line).send()).await.unwrap();
        assert_eq!(response.status().as_u16(), 400);
    }
    let (_, page) = server.get("/api/executions/x/events").await;
    assert_eq!(page["last_seq"], 0, "{page}");
    lives(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn malformed_utf8_in_frames_closes_with_the_code_for_it() {
    let server = Server::start().await;
    server.execution("e", Budget::default());
    let data = |opcode, bytes: Vec<u8>, last| {
        let header = FrameHeader {
            is_final: last,
            opcode,
            ..FrameHeader::default()
        };
        Message::Frame(Frame::from_payload(header, bytes.into()))
    };
    for bad in BAD {
        let text = OpCode::Data(Data::Text);
        let close = [&[3, 232], bad].concat();
        for attack in [
            vec![data(text, bad.to_vec(), true)],
            vec![
                data(text, b"ok".to_vec(), false),
                data(OpCode::Data(Data::Continue), bad.to_vec(), true),
            ],
            vec![data(OpCode::Control(Control::Close), close, true)],
        ] {
            for path in ["/ws/pipeline/e", "/ws/executions"] {
                let mut ws = server.ws(path).await;
                for frame in attack.clone() {
                    ws.0.send(frame).await.unwrap();
                }
                let (_, code) = ws.rest().await;
                assert_eq!(code, 1007, "{path}");
            }
        }
    }
    lives(&server).await;
    server.stop().await;
}
