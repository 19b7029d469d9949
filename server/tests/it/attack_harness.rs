//! Bytes as an attacker sends them, and what comes back.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::harness::{Server, soon};

/// A connection that is spoken to in bytes.
pub(crate) struct Raw<S = TcpStream>(pub(crate) S);

impl Raw {
    pub(crate) async fn connect(server: &Server) -> Self {
        Self(TcpStream::connect(&server.address).await.unwrap())
    }

    /// A connection that has sent this.
    pub(crate) async fn sent(server: &Server, bytes: impl AsRef<[u8]>) -> Self {
        let mut raw = Self::connect(server).await;
        raw.send(bytes).await;
        raw
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Whatever comes until the server closes; a connection that is reset has been closed too.
    pub(crate) async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let mut piece = [0; 4096];
        soon(async {
            while let Ok(read @ 1..) = self.0.read(&mut piece).await {
                all.extend_from_slice(&piece[..read]);
            }
        })
        .await;
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Whatever comes until `end` has come.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        let mut piece = [0; 4096];
        soon(async {
            loop {
                let text = String::from_utf8_lossy(&all);
                if text.contains(end) {
                    return text.into_owned();
                }
                let read = self.0.read(&mut piece).await.unwrap();
                assert!(read > 0, "closed after {text}");
                all.extend_from_slice(&piece[..read]);
            }
        })
        .await
    }

    /// Sends a piece again and again until the server closes; how long that took, and what it said.
    pub(crate) async fn trickle(&mut self, piece: &[u8], every: Duration) -> (Duration, String) {
        let begun = Instant::now();
        let mut all = Vec::new();
        let mut buffer = [0; 1024];
        loop {
            assert!(begun.elapsed() < Duration::from_secs(20), "never closed");
            // what is closed does not take it
            let _closed = self.0.write_all(piece).await;
            match tokio::time::timeout(every, self.0.read(&mut buffer)).await {
                Ok(Ok(read @ 1..)) => all.extend_from_slice(&buffer[..read]),
                Ok(Ok(_) | Err(_)) => break,
                Err(_nothing) => {}
            }
        }
        (begun.elapsed(), String::from_utf8_lossy(&all).into_owned())
    }
}

/// The status of the first response, and how many there are.
pub(crate) fn responses(text: &str) -> (u16, usize) {
    let status = text.get(9..12).and_then(|it| it.parse().ok());
    (status.unwrap_or(0), text.matches("HTTP/1.1 ").count())
}

/// A request that makes an execution with this id, to be found where it was taken for one.
pub(crate) fn making(id: &str) -> String {
    let body = json!({ "mode": "external", "pipeline": "x", "execution_id": id }).to_string();
    format!(
        "POST /api/executions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// An execution of a producer elsewhere.
pub(crate) async fn external(server: &Server, id: &str, lease_ms: u64) {
    let body =
        json!({ "mode": "external", "pipeline": "x", "execution_id": id, "lease_ms": lease_ms });
    let (status, said) = server.post("/api/executions", body).await;
    assert_eq!(status, 201, "{said}");
}

/// Every path that takes a POST, about the execution `x` where it is about one.
pub(crate) fn posts() -> Vec<String> {
    let posts = stepcast::routes().into_iter();
    let posts = posts.filter(|route| route.method == Method::POST);
    posts
        .map(|route| {
            let path = route.path.replace("{id}", "x").replace("{name}", "nothing");
            let path = path.replace("{wait_id}", "w.1");
            if path.ends_with("/artifacts") {
                format!("{path}?name=a.bin")
            } else {
                path
            }
        })
        .collect()
}

/// Whether what is posted there is looked at as JSON.
pub(crate) fn reads_json(path: &str) -> bool {
    let bare = [
        "/start",
        "/cancel",
        "/resume",
        "/heartbeat",
        "/artifacts?name=a.bin",
        // without accounts there is nothing to sign in to
        "/session",
    ];
    !bare.iter().any(|end| path.ends_with(end))
}

/// The server answers others.
pub(crate) async fn lives(server: &Server) {
    let (status, said) = server.get("/healthz").await;
    assert_eq!(status, 200, "{said}");
    let (status, listed) = server.get("/api/executions").await;
    assert!(status == 200 && listed["executions"] != Value::Null);
}
