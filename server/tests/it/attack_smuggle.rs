//! Requests within requests: what two servers in a row could take for different things.

use stepcast::log::Budget;

use crate::attack_harness::{Raw, lives, making, responses};
use crate::harness::{Server, complete, progress};

const POST: &str = "POST /api/pipelines/validate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

/// Sends it, and sees that no second request was found in it.
async fn nothing_is_smuggled(server: &Server, name: &str, bytes: Vec<u8>, expected: &[u16]) {
    let said = Raw::sent(server, bytes).await.rest().await;
    let (status, count) = responses(&said);
    assert!(expected.contains(&status), "{name}: {said}");
    assert_eq!(count, 1, "{name}: {said}");
    let (found, _) = server.get("/api/executions/smuggled").await;
    assert_eq!(found, 404, "{name}: the second request was taken");
}

#[tokio::test]
async fn request_smuggling_by_two_lengths_is_refused_or_closed() {
    let server = Server::start().await;
    let inner = making("smuggled");
    let chunked = format!("2\r\n{{}}\r\n0\r\n\r\n{inner}");
    let all = chunked.len();
    for (name, fields, body, expected) in [
        // the length that the body says of itself counts, and the connection is closed after it
        (
            "length, then chunked",
            format!("Content-Length: {all}\r\nTransfer-Encoding: chunked"),
            chunked.clone(),
            vec![200, 400, 422],
        ),
        (
            "chunked, then length",
            format!("Transfer-Encoding: chunked\r\nContent-Length: {all}"),
            chunked.clone(),
            vec![200, 400, 422],
        ),
        (
            "short length, chunked",
            "Content-Length: 4\r\nTransfer-Encoding: chunked".to_owned(),
            chunked.clone(),
            vec![200, 400, 422],
        ),
        (
            "two lengths",
            format!("Content-Length: 2\r\nContent-Length: {}", inner.len() + 2),
            format!("{{}}{inner}"),
            vec![400],
        ),
        (
            "two lengths, the short one last",
            format!("Content-Length: {}\r\nContent-Length: 2", inner.len() + 2),
            format!("{{}}{inner}"),
            vec![400],
        ),
        (
            "a list of lengths",
            "Content-Length: 2, 2".to_owned(),
            format!("{{}}{inner}"),
            vec![400],
        ),
        (
            "a signed length",
            "Content-Length: +2".to_owned(),
            format!("{{}}{inner}"),
            vec![400],
        ),
        (
            "a negative length",
            "Content-Length: -2".to_owned(),
            format!("{{}}{inner}"),
            vec![400],
        ),
        (
            "a length past all numbers",
            "Content-Length: 99999999999999999999999".to_owned(),
            format!("{{}}{inner}"),
            vec![400],
        ),
        (
            "a length in hexadecimal",
            "Content-Length: 0x2".to_owned(),
            format!("{{}}{inner}"),
            vec![400],
        ),
    ] {
        let bytes = format!("{POST}{fields}\r\n\r\n{body}").into_bytes();
        nothing_is_smuggled(&server, name, bytes, &expected).await;
    }
    lives(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn request_smuggling_by_an_obscured_transfer_encoding_is_refused() {
    let server = Server::start().await;
    let inner = making("smuggled");
    let body = format!("0\r\n\r\n{inner}");
    let length = format!("Content-Length: {}\r\n", body.len());
    for field in [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding\t: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: \x0bchunked",
        "Transfer\0-Encoding: chunked",
    ] {
        let bytes = format!("{POST}{length}{field}\r\n\r\n{body}").into_bytes();
        nothing_is_smuggled(&server, field, bytes, &[400]).await;
    }
    let old = format!(
        "POST /api/pipelines/validate HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
    );
    nothing_is_smuggled(&server, "HTTP/1.0", old.into_bytes(), &[400]).await;
    lives(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn request_smuggling_by_malformed_chunks_is_refused() {
    let server = Server::start().await;
    let inner = making("smuggled");
    for (name, body) in [
        (
            "a bare line feed after a size",
            format!("2\n{{}}\r\n0\r\n\r\n{inner}"),
        ),
        (
            "a bare line feed in an extension",
            format!("2;a\n{{}}\r\n0\r\n\r\n{inner}"),
        ),
        (
            "a bare line feed after a chunk",
            format!("2\r\n{{}}\n0\r\n\r\n{inner}"),
        ),
        (
            "a size with a sign",
            format!("+2\r\n{{}}\r\n0\r\n\r\n{inner}"),
        ),
        (
            "a size with a prefix",
            format!("0x2\r\n{{}}\r\n0\r\n\r\n{inner}"),
        ),
        (
            "a size past all numbers",
            format!("ffffffffffffffffff\r\n{{}}\r\n0\r\n\r\n{inner}"),
        ),
        ("no size", format!("\r\n{{}}\r\n0\r\n\r\n{inner}")),
        (
            "an extension without end",
            format!("2;{}\r\n{{}}\r\n0\r\n\r\n{inner}", "x".repeat(100_000)),
        ),
        (
            "a chunk that is longer than its size",
            format!("1\r\n{{}}\r\n0\r\n\r\n{inner}"),
        ),
        (
            "fields after the end without end",
            format!("2\r\n{{}}\r\n0\r\n{}\r\n{inner}", "X: y\r\n".repeat(50_000)),
        ),
    ] {
        let bytes = format!("{POST}Transfer-Encoding: chunked\r\n\r\n{body}").into_bytes();
        let mut raw = Raw::connect(&server).await;
        let _closed = tokio::io::AsyncWriteExt::write_all(&mut raw.0, &bytes).await;
        let said = raw.rest().await;
        let (status, count) = responses(&said);
        assert!(matches!(status, 0 | 400), "{name}: {said}");
        assert!(count <= 1, "{name}: {said}");
        assert_eq!(
            server.get("/api/executions/smuggled").await.0,
            404,
            "{name}"
        );
    }
    // an extension alone is allowed, and means nothing
    let fine = format!(
        "{POST}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\n{{}}\r\n0\r\n\r\n"
    );
    let said = Raw::sent(&server, fine).await.rest().await;
    assert!(matches!(responses(&said), (200 | 422, 1)), "{said}");
    lives(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn request_smuggling_by_line_ends_in_a_head_is_refused() {
    let server = Server::start().await;
    let inner = making("smuggled");
    for (name, bytes) in [
        (
            "a field that holds a request line",
            format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: y\n{inner}"),
        ),
        (
            "a bare carriage return in a field",
            format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: y\r{inner}"),
        ),
        (
            "a NUL in a field",
            format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: y\0{inner}"),
        ),
        (
            "two spaces in the first line",
            format!("GET  /healthz HTTP/1.1\r\nHost: localhost\r\nX: {inner}"),
        ),
        (
            "a version of its own",
            format!("GET /healthz HTTP/9.1\r\nHost: localhost\r\n\r\n{inner}"),
        ),
        (
            "an address with a line end",
            format!("GET /healthz\r\n{inner}"),
        ),
    ] {
        nothing_is_smuggled(&server, name, bytes.into_bytes(), &[400]).await;
    }
    lives(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn requests_behind_an_upgrade_or_a_stream_are_never_taken() {
    let server = Server::start().await;
    let context = server.execution("e", Budget::default());
    context.emit(progress(1)).await.unwrap();
    let inner = making("smuggled");
    let upgrade = "GET /ws/pipeline/e HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let stream = "GET /stream/pipeline/e HTTP/1.1\r\nHost: localhost\r\n";
    let length = format!("Content-Length: {}\r\n", inner.len());
    let mut open = Vec::new();
    for head in [upgrade, stream] {
        for fields in ["", length.as_str(), "Transfer-Encoding: chunked\r\n"] {
            let mut raw = Raw::sent(&server, format!("{head}{fields}\r\n{inner}")).await;
            raw.until("HTTP/1.1 ").await;
            open.push((head, fields.to_owned(), raw));
        }
    }
    context.emit(complete()).await.unwrap();
    for (head, fields, mut raw) in open {
        // the first response was begun before
        let rest = raw.rest().await;
        assert!(!rest.contains("HTTP/1.1 "), "{head}{fields}: {rest}");
    }
    assert_eq!(server.get("/api/executions/smuggled").await.0, 404);
    // without a stream, one behind the other is what HTTP allows
    let mut raw = Raw::sent(
        &server,
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(responses(&raw.rest().await), (200, 2));
    server.stop().await;
}
