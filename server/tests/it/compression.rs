//! Compressed streams and responses: what a decoder reads is what everybody reads, event by event.

use std::io::Write;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde_json::json;
use stepcast::context::{Draft, StreamingContext};
use stepcast::log::Budget;
use stepcast_core::event::EventType;
use stepcast_core::wire::sse::{Item, Reader};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Server, complete, emit, progress, soon};

/// A decoder that gives what it can as soon as it can.
enum Decoder {
    Gzip(Box<flate2::write::GzDecoder<Vec<u8>>>),
    Zstd(zstd::stream::write::Decoder<'static, Vec<u8>>),
    Brotli(Box<brotli::DecompressorWriter<Vec<u8>>>),
    Plain(Vec<u8>),
}

impl Decoder {
    fn new(coding: &str) -> Self {
        match coding {
            "gzip" => Self::Gzip(Box::new(flate2::write::GzDecoder::new(Vec::new()))),
            "zstd" => Self::Zstd(zstd::stream::write::Decoder::new(Vec::new()).unwrap()),
            "br" => Self::Brotli(Box::new(brotli::DecompressorWriter::new(Vec::new(), 4096))),
            _ => Self::Plain(Vec::new()),
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let inner: &mut Vec<u8> = match self {
            Self::Gzip(it) => {
                it.write_all(bytes).unwrap();
                it.flush().unwrap();
                it.get_mut()
            }
            Self::Zstd(it) => {
                it.write_all(bytes).unwrap();
                it.flush().unwrap();
                it.get_mut()
            }
            Self::Brotli(it) => {
                it.write_all(bytes).unwrap();
                it.flush().unwrap();
                it.get_mut()
            }
            Self::Plain(it) => {
                it.extend_from_slice(bytes);
                it
            }
        };
        std::mem::take(inner)
    }

    /// That the body ended as its coding says: gzip has a checksum of all of it.
    fn finish(self) {
        if let Self::Gzip(mut it) = self {
            it.try_finish().unwrap();
        }
    }
}

/// A whole body.
pub(crate) fn decoded(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(coding);
    let plain = decoder.push(body);
    decoder.finish();
    plain
}

/// One who follows a run.
struct Viewer {
    body: BoxStream<'static, reqwest::Result<Bytes>>,
    decoder: Decoder,
    reader: Reader,
    items: Vec<Item>,
    /// Bytes on the wire.
    bytes: usize,
}

impl Viewer {
    async fn new(server: &Server, path: &str, coding: &str) -> Self {
        let request = server.client.get(server.url(path));
        let response = request
            .header("accept-encoding", coding)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), 200);
        let headers = response.headers();
        let coded = headers
            .get("content-encoding")
            .map(|value| value.to_str().unwrap());
        assert_eq!(coded, (coding != "identity").then_some(coding));
        assert_eq!(headers["vary"], "Accept-Encoding");
        Self {
            body: response.bytes_stream().boxed(),
            decoder: Decoder::new(coding),
            reader: Reader::default(),
            items: Vec::new(),
            bytes: 0,
        }
    }

    /// The next event's place; none at the end of the body.
    async fn seq(&mut self) -> Option<u64> {
        loop {
            while !self.items.is_empty() {
                if let Item::Message(message) = self.items.remove(0)
                    && message.event != "control"
                {
                    let event: serde_json::Value = serde_json::from_str(&message.data).unwrap();
                    return event["seq"].as_u64();
                }
            }
            let piece = soon(self.body.next()).await?.unwrap();
            self.bytes += piece.len();
            let plain = self.decoder.push(&piece);
            self.reader.push(&plain, &mut self.items).unwrap();
        }
    }

    async fn rest(mut self) -> (Vec<u64>, usize) {
        let mut seqs = Vec::new();
        while let Some(seq) = self.seq().await {
            seqs.push(seq);
        }
        self.decoder.finish();
        (seqs, self.bytes)
    }
}

const CODINGS: [&str; 4] = ["gzip", "zstd", "br", "identity"];

async fn compressing(heartbeat_ms: u64) -> Server {
    Server::with(|config| {
        config.compression.streams = true;
        config.heartbeat_ms = heartbeat_ms;
    })
    .await
}

async fn end(context: &StreamingContext) {
    context.emit(complete()).await.unwrap();
}

#[tokio::test]
async fn viewers_of_all_codings_that_come_at_any_time_read_each_event_at_once() {
    let server = compressing(60_000).await;
    let context = server.execution("c", Budget::default());
    let mut viewers = Vec::new();
    for n in 1..=12_u64 {
        for coding in CODINGS {
            let mut viewer = Viewer::new(&server, "/stream/pipeline/c", coding).await;
            for seq in 1..n {
                assert_eq!(viewer.seq().await, Some(seq), "{coding}");
            }
            viewers.push(viewer);
        }
        context
            .emit(progress(usize::try_from(n).unwrap()))
            .await
            .unwrap();
        for viewer in &mut viewers {
            assert_eq!(
                viewer.seq().await,
                Some(n),
                "without another event, or the end"
            );
        }
    }
    end(&context).await;
    for viewer in viewers {
        assert_eq!(viewer.rest().await.0, [13]);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_quiet_stream_is_pinged_and_goes_on() {
    let server = compressing(100).await;
    let context = server.execution("c", Budget::default());
    let mut viewers = Vec::new();
    for coding in CODINGS {
        viewers.push(Viewer::new(&server, "/stream/pipeline/c", coding).await);
    }
    for n in 1..=4 {
        context.emit(progress(1)).await.unwrap();
        for viewer in &mut viewers {
            assert_eq!(viewer.seq().await, Some(n));
        }
        let mut pings = 0;
        while pings < 2 {
            for viewer in &mut viewers {
                let piece = soon(viewer.body.next()).await.unwrap().unwrap();
                let plain = viewer.decoder.push(&piece);
                viewer.reader.push(&plain, &mut viewer.items).unwrap();
            }
            pings += 1;
        }
    }
    end(&context).await;
    for viewer in viewers {
        assert_eq!(viewer.rest().await.0, [5]);
    }
    server.stop().await;
}

#[tokio::test]
async fn who_falls_behind_reads_everything_from_where_it_was_left() {
    let server = compressing(60_000).await;
    let context = server.execution("c", Budget::default());
    let mut viewers = Vec::new();
    for coding in CODINGS {
        viewers.push((
            coding,
            Viewer::new(&server, "/stream/pipeline/c", coding).await,
        ));
    }
    let mut noise = String::new();
    for n in 0..120_u64 {
        // nothing compresses this much, so that sockets fill
        noise.clear();
        noise.extend((0..40_000).map(|_| char::from(fastrand::u8(b' '..b'~'))));
        let draft = Draft {
            event_type: EventType::StepOutput,
            step_id: None,
            data: json!({"n": n, "noise": noise}),
            metadata: None,
        };
        context.emit(draft).await.unwrap();
    }
    for (coding, viewer) in &mut viewers {
        for n in 1..=60 {
            assert_eq!(viewer.seq().await, Some(n), "{coding}");
        }
    }
    for _ in 0..20 {
        context.emit(progress(1)).await.unwrap();
    }
    end(&context).await;
    for (coding, viewer) in viewers {
        let expected: Vec<u64> = (61..=141).collect();
        assert_eq!(viewer.rest().await.0, expected, "{coding}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_whole_run_is_a_fraction_of_its_bytes_and_http_writes_the_same() {
    let server = compressing(60_000).await;
    let context = server.execution("c", Budget::default());
    emit(&context, 300).await;
    let mut sizes = Vec::new();
    for coding in CODINGS {
        let (seqs, bytes) = Viewer::new(&server, "/stream/pipeline/c", coding)
            .await
            .rest()
            .await;
        assert_eq!(seqs, (1..=300).collect::<Vec<u64>>(), "{coding}");
        sizes.push(bytes);
        // HTTP/1.0 stays with HTTP
        let mut socket = tokio::net::TcpStream::connect(&server.address)
            .await
            .unwrap();
        let request = format!(
            "GET /stream/pipeline/c HTTP/1.0\r\nHost: localhost\r\nAccept-Encoding: {coding}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        soon(socket.read_to_end(&mut all)).await.unwrap();
        let head = all.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
        let mut decoder = Decoder::new(coding);
        let text = String::from_utf8(decoder.push(&all[head..])).unwrap();
        decoder.finish();
        assert!(
            text.contains(r#""seq":300"#) && text.ends_with("\n\n"),
            "{coding}"
        );
    }
    let plain = sizes[3];
    assert!(sizes[..3].iter().all(|size| size * 4 < plain), "{sizes:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_is_compressed_only_where_the_settings_say_so() {
    let server = Server::start().await;
    let context = server.execution("c", Budget::default());
    emit(&context, 30).await;
    let request = server.client.get(server.url("/stream/pipeline/c"));
    let response = request
        .header("accept-encoding", "gzip, br, zstd")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers().get("content-encoding"), None);
    assert!(response.text().await.unwrap().contains(r#""seq":30"#));
    server.stop().await;
}

#[tokio::test]
async fn answers_are_compressed_where_they_are_long() {
    for responses in [true, false] {
        let server = Server::with(|config| config.compression.responses = responses).await;
        let context = server.execution("c", Budget::default());
        emit(&context, 30).await;
        let plain = server.get("/api/executions/c/events").await.1;
        for coding in ["gzip", "zstd", "br"] {
            let ask = async |path: &str| {
                let request = server.client.get(server.url(path));
                request
                    .header("accept-encoding", coding)
                    .send()
                    .await
                    .unwrap()
            };
            let response = ask("/api/executions/c/events").await;
            let coded = response.headers().get("content-encoding").cloned();
            assert_eq!(
                coded.as_ref().map(|it| it.to_str().unwrap()),
                responses.then_some(coding)
            );
            let bytes = response.bytes().await.unwrap();
            let mut decoder = Decoder::new(if responses { coding } else { "identity" });
            let text = decoder.push(&bytes);
            assert_eq!(
                serde_json::from_slice::<serde_json::Value>(&text).unwrap(),
                plain
            );
            let short = ask("/api/executions/c/events?limit=1").await;
            assert_eq!(short.headers().get("content-encoding"), None, "it is short");
        }
        server.stop().await;
    }
}
