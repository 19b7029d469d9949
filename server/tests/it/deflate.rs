//! Compressed WebSockets (RFC 7692), read by an inflater that keeps its window, frame by frame.

use flate2::{Decompress, FlushDecompress};
use serde_json::Value;
use stepcast::log::Budget;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cbor::{CBOR, JSON, items};
use crate::harness::{Server, complete, progress, soon};

/// A client that reads bytes, as no library of ours does.
struct Client {
    socket: TcpStream,
    inflater: Decompress,
    /// Bytes of events on the wire.
    bytes: usize,
    compressed: bool,
}

impl Client {
    async fn connect(
        server: &Server,
        path: &str,
        (protocol, offer): (&str, &str),
        answer: Option<&str>,
    ) -> Self {
        let mut socket = TcpStream::connect(&server.address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: {protocol}\r\nSec-WebSocket-Extensions: {offer}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(socket.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        let agreed = head
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-extensions: "));
        assert_eq!(agreed, answer);
        Self {
            socket,
            inflater: Decompress::new(false),
            bytes: 0,
            compressed: answer.is_some(),
        }
    }

    /// The next message; none at the close.
    async fn text(&mut self) -> Option<Value> {
        loop {
            let first = soon(self.socket.read_u8()).await.unwrap();
            let length = match soon(self.socket.read_u8()).await.unwrap() {
                126 => usize::from(self.socket.read_u16().await.unwrap()),
                127 => usize::try_from(self.socket.read_u64().await.unwrap()).unwrap(),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            soon(self.socket.read_exact(&mut payload)).await.unwrap();
            match first & 0x0f {
                kind @ (1 | 2) => {
                    assert_eq!(first & 0x40 > 0, self.compressed);
                    self.bytes += length;
                    if self.compressed {
                        payload = self.inflate(payload);
                    }
                    return Some(match kind {
                        1 => serde_json::from_slice(&payload).unwrap(),
                        _ => items(&payload).remove(0),
                    });
                }
                8 => return None,
                9 => {}
                other => panic!("a frame {other}"),
            }
        }
    }

    fn inflate(&mut self, mut payload: Vec<u8>) -> Vec<u8> {
        payload.extend([0, 0, 0xff, 0xff]);
        let mut text = Vec::with_capacity(1 << 20);
        let before = self.inflater.total_in();
        let flush = FlushDecompress::Sync;
        self.inflater
            .decompress_vec(&payload, &mut text, flush)
            .unwrap();
        assert_eq!(self.inflater.total_in() - before, payload.len() as u64);
        text
    }

    async fn seq(&mut self) -> Option<u64> {
        loop {
            let frame = self.text().await?;
            if let Some(seq) = frame["seq"].as_u64() {
                return Some(seq);
            }
        }
    }
}

const NONE: &str = "permessage-deflate; client_no_context_takeover";
const ALONE: &str = "permessage-deflate; client_no_context_takeover; server_no_context_takeover";

#[tokio::test]
async fn clients_that_come_at_any_time_read_each_event_at_once() {
    let server = Server::with(|config| {
        config.compression.streams = true;
        config.heartbeat_ms = 200;
    })
    .await;
    let context = server.execution("d", Budget::default());
    let offers = [
        (
            (JSON, "permessage-deflate; client_max_window_bits"),
            Some(NONE),
        ),
        (
            (JSON, "permessage-deflate; server_no_context_takeover"),
            Some(ALONE),
        ),
        ((JSON, "permessage-deflate; server_max_window_bits=8"), None),
        ((CBOR, "permessage-deflate"), Some(NONE)),
    ];
    let mut clients = Vec::new();
    for n in 1..=30_u64 {
        for (offer, answer) in offers {
            if n % 3 == 1 {
                let mut client = Client::connect(&server, "/ws/pipeline/d", offer, answer).await;
                for seq in 1..n {
                    assert_eq!(client.seq().await, Some(seq), "{offer:?}");
                }
                clients.push(client);
            }
        }
        context
            .emit(progress(usize::try_from(n).unwrap()))
            .await
            .unwrap();
        for client in &mut clients {
            assert_eq!(client.seq().await, Some(n));
        }
        if n % 10 == 0 {
            // long enough for pings in between
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        }
    }
    context.emit(complete()).await.unwrap();
    let mut bytes = Vec::new();
    for client in &mut clients {
        assert_eq!(client.seq().await, Some(31));
        assert_eq!(client.seq().await, None);
        bytes.push(client.bytes);
    }
    let [takes_over, alone, plain, cbor] = bytes[..4] else {
        panic!("four ways");
    };
    assert!(
        takes_over * 2 < plain && takes_over < alone && alone < plain && cbor * 2 < plain,
        "{bytes:?}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_client_compresses_too_and_a_bomb_is_refused() {
    let server = Server::with(|config| config.compression.streams = true).await;
    for (text, code) in [
        (br#"{"action":"ping"}"#.to_vec(), None),
        // sixteen megabytes in sixteen thousand bytes
        (vec![b' '; 16 << 20], Some(1009_u16)),
    ] {
        let mut client = Client::connect(
            &server,
            "/ws/executions",
            (JSON, "permessage-deflate"),
            Some(NONE),
        )
        .await;
        let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
        let mut payload = Vec::with_capacity(1 << 20);
        compress
            .compress_vec(&text, &mut payload, flate2::FlushCompress::Sync)
            .unwrap();
        payload.truncate(payload.len() - 4);
        assert!(payload.len() < 1 << 16);
        let mut frame = vec![0xc1, 0xfe];
        frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(&payload);
        if payload.len() < 126 {
            frame.splice(1..4, [0x80 | u8::try_from(payload.len()).unwrap()]);
        }
        client.socket.write_all(&frame).await.unwrap();
        match code {
            None => assert_eq!(client.text().await.unwrap()["control"], "pong"),
            Some(code) => {
                let mut close = [0; 4];
                soon(client.socket.read_exact(&mut close)).await.unwrap();
                assert_eq!(
                    (close[0], u16::from_be_bytes([close[2], close[3]])),
                    (0x88, code)
                );
            }
        }
    }
    server.stop().await;
}
