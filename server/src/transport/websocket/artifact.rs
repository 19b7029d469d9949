//! `WS /ws/executions/{execution_id}/artifacts/{sha256}?offset=`: a file of an execution, in binary messages.
//!
//! A connection of its own, so that the events of a run never wait behind a file. What is in memory is one message; a
//! client that reads slowly is read the file slowly.

use std::io;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bytes::BytesMut;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use stepcast_core::id::ExecutionId;
use stepcast_core::wire::close::CloseCode;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use super::handshake::Handshake;
use crate::access::Caller;
use crate::api::parts::{Path, Query};
use crate::error::Problem;
use crate::executions::Executions;
use crate::log::{Artifact, NoHash};
use crate::socket::{Socket, stopped_reading};

/// A file, and where to begin.
type Found = (Artifact, std::fs::File, u64);

type Sink = SplitSink<WebSocketStream<Socket>, Message>;

/// Where to begin.
#[derive(Clone, Copy, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct From {
    /// So many bytes the client has already.
    #[serde(default)]
    offset: u64,
}

/// Accepts a WebSocket. What is refused is refused in band: a page cannot see the status of a handshake.
pub(crate) async fn open(
    State(executions): State<Executions>,
    caller: Caller,
    Path((id, sha256)): Path<(String, String)>,
    from: Result<Query<From>, Problem>,
    handshake: Result<Handshake, Problem>,
) -> Result<Response, Problem> {
    let handshake = handshake?;
    let lease = executions.access().lease(&caller.pass);
    let found = find(&executions, &caller, &id, &sha256, from).await;
    Ok(handshake.accept(move |socket, read| async move {
        let largest = Some(executions.config().limits.message_bytes);
        let config = WebSocketConfig::default()
            .max_message_size(largest)
            .max_frame_size(largest);
        let socket =
            WebSocketStream::from_partially_read(socket, read.to_vec(), Role::Server, Some(config));
        let (sink, mut stream) = socket.await.split();
        let mut sending = Sending {
            sink,
            deadline: Duration::from_millis(executions.config().write_deadline_ms),
        };
        let code = tokio::select! {
            code = sending.answer(found) => code,
            () = until_closed(&mut stream) => return,
            () = executions.stopping().cancelled() => Ok(CloseCode::Restart),
            () = lease.over() => Ok(CloseCode::Policy),
        };
        let closed = match code {
            Ok(code) => sending.close(code).await,
            Err(error) => Err(error),
        };
        match closed {
            // the client answers the close; who is not read would lose what is still on its way
            Ok(()) => drop(tokio::time::timeout(CLOSE_HANDSHAKE, until_closed(&mut stream)).await),
            Err(error) => tracing::debug!(%error, "a file was not sent whole"),
        }
    }))
}

async fn find(
    executions: &Executions,
    caller: &Caller,
    id: &str,
    sha256: &str,
    from: Result<Query<From>, Problem>,
) -> Result<Found, Problem> {
    let bad = |detail: String| Problem::new(axum::http::StatusCode::BAD_REQUEST, detail);
    let Query(From { offset }) = from?;
    let id: ExecutionId = id.parse()?;
    let sha256 = sha256
        .parse()
        .map_err(|error: NoHash| bad(format!("`sha256`: {error}.")))?;
    let (artifact, file) = executions.artifact(&id, sha256, &caller.pass).await?;
    if offset > artifact.size {
        let size = artifact.size;
        return Err(bad(format!("`offset` is past the file's {size} bytes.")));
    }
    Ok((artifact, file, offset))
}

/// What the client says is of no interest, but that it goes. Pings are answered by the protocol's own machinery.
async fn until_closed(stream: &mut SplitStream<WebSocketStream<Socket>>) {
    while let Some(Ok(message)) = stream.next().await {
        if message.is_close() {
            return;
        }
    }
}

struct Sending {
    sink: Sink,
    deadline: Duration,
}

impl Sending {
    /// Everything but the close.
    async fn answer(&mut self, found: Result<Found, Problem>) -> io::Result<CloseCode> {
        match found {
            Ok((artifact, file, offset)) => self.file(&artifact, file, offset).await,
            Err(problem) => self.refusal(&problem).await,
        }
    }

    /// What it is, its bytes from `offset` on, and that it was all.
    async fn file(
        &mut self,
        artifact: &Artifact,
        file: std::fs::File,
        offset: u64,
    ) -> io::Result<CloseCode> {
        let mut head = artifact.described();
        if let Some(head) = head.as_object_mut() {
            head.insert("control".to_owned(), "artifact".into());
            head.insert("offset".to_owned(), offset.into());
        }
        self.text(&head).await?;
        let mut file = tokio::fs::File::from_std(file);
        file.seek(io::SeekFrom::Start(offset)).await?;
        let mut sent = offset;
        while sent < artifact.size {
            let mut part = BytesMut::with_capacity(PART);
            file.read_buf(&mut part).await?;
            if part.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            sent += part.len() as u64;
            self.message(Message::Binary(part.freeze())).await?;
        }
        self.text(&json!({"control": "artifact_end", "size": artifact.size}))
            .await?;
        Ok(CloseCode::Done)
    }

    async fn refusal(&mut self, problem: &Problem) -> io::Result<CloseCode> {
        let (status, message) = (problem.status(), problem.detail());
        self.text(&json!({"control": "error", "status": status, "message": message}))
            .await?;
        Ok(CloseCode::of_status(status))
    }

    async fn close(&mut self, code: CloseCode) -> io::Result<()> {
        let frame = CloseFrame {
            code: code.code().into(),
            reason: "".into(),
        };
        self.message(Message::Close(Some(frame))).await
    }

    async fn text(&mut self, value: &Value) -> io::Result<()> {
        self.message(Message::text(value.to_string())).await
    }

    async fn message(&mut self, message: Message) -> io::Result<()> {
        match tokio::time::timeout(self.deadline, self.sink.send(message)).await {
            Ok(sent) => sent.map_err(io::Error::other),
            Err(_late) => Err(stopped_reading()),
        }
    }
}

/// Bytes of one message at most.
const PART: usize = 64 << 10;

/// How long a peer may take to answer a close.
const CLOSE_HANDSHAKE: Duration = Duration::from_secs(5);
