//! `WS /ws/graphql`: graphql-transport-ws, any number of operations on one connection.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Request;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use stepcast_core::wire::close::CloseCode;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tracing::Instrument as _;

use super::super::websocket::handshake::Handshake;
use super::message::{Close, Said, Told};
use super::{GraphQl, is_refused, prepared};
use crate::access::{Caller, Identity, Lease};
use crate::error::Problem;
use crate::executions::Executions;
use crate::graphql::{Cut, Schema};
use crate::limits::is_deeper;
use crate::socket::{Socket, stopped_reading};

/// The protocol's name.
const PROTOCOL: &str = "graphql-transport-ws";

/// Accepts a WebSocket. Who asks may be said in the first message too.
pub(crate) async fn open(
    State(executions): State<Executions>,
    Extension(GraphQl(schema)): Extension<GraphQl>,
    caller: Caller,
    mut handshake: Handshake,
) -> Result<Response, Problem> {
    if let Some(later) = caller.later {
        return Err(later.into());
    }
    let speaks = handshake.choose(PROTOCOL);
    Ok(handshake.accept(move |socket, read| async move {
        let connection = Connection::new(executions, schema, caller, socket, read).await;
        if let Err(error) = connection.run(speaks).await {
            tracing::debug!(%error, "a GraphQL connection broke");
        }
    }))
}

/// What an operation has to say, by its number: a result, or that there is no more.
type Saying = (u64, String, Option<async_graphql::Response>);

/// With what a connection is to be closed, and the operation that it is about.
type Closing = (Close, String);

struct Connection {
    executions: Executions,
    schema: Arc<Schema>,
    caller: Caller,
    lease: Lease,
    sink: SplitSink<WebSocketStream<Socket>, Message>,
    incoming: SplitStream<WebSocketStream<Socket>>,
    /// Operations under way, each with a number of its own: an id may be used again.
    operations: HashMap<String, (u64, AbortHandle)>,
    begun: u64,
    /// One result at a time: nothing is read for a client that does not.
    say: mpsc::Sender<Saying>,
    saying: mpsc::Receiver<Saying>,
    cut: Cut,
    initialised: bool,
}

impl Connection {
    async fn new(
        executions: Executions,
        schema: Arc<Schema>,
        caller: Caller,
        socket: Socket,
        read: Bytes,
    ) -> Self {
        let largest = executions.config().limits.message_bytes;
        let config = WebSocketConfig::default()
            .max_message_size(Some(largest))
            .max_frame_size(Some(largest));
        let read = read.to_vec();
        let socket = WebSocketStream::from_partially_read(socket, read, Role::Server, Some(config));
        let (sink, incoming) = socket.await.split();
        let (say, saying) = mpsc::channel(1);
        Self {
            lease: executions.access().lease(&caller.own()),
            executions,
            schema,
            caller,
            sink,
            incoming,
            operations: HashMap::new(),
            begun: 0,
            say,
            saying,
            cut: Cut::default(),
            initialised: false,
        }
    }

    async fn run(mut self, speaks: bool) -> io::Result<()> {
        let closed = match speaks {
            true => self.converse().await,
            false => Ok(Some((Close::SubprotocolNotAcceptable, String::new()))),
        };
        for (_, operation) in self.operations.values() {
            operation.abort();
        }
        if let Some((close, id)) = closed? {
            let frame = CloseFrame {
                code: close.code().into(),
                reason: close.reason(&id).into(),
            };
            self.send(Message::Close(Some(frame))).await?;
            // the client answers the close; who is not read would lose what is still on its way
            let answered = async { while let Some(Ok(_)) = self.incoming.next().await {} };
            drop(tokio::time::timeout(CLOSE_HANDSHAKE, answered).await);
        }
        Ok(())
    }

    /// Until the client goes, or the connection is to be closed with this.
    async fn converse(&mut self) -> io::Result<Option<Closing>> {
        let begun = Instant::now();
        let heartbeat = Duration::from_millis(self.executions.config().heartbeat_ms);
        let stopping = self.executions.stopping().clone();
        loop {
            let lease = self.lease.clone();
            let closing = tokio::select! {
                message = self.incoming.next() => match message {
                    Some(Ok(Message::Text(text))) => self.said(&text).await?,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => None,
                    Some(Ok(Message::Binary(_) | Message::Frame(_))) => {
                        Some((Close::BadRequest, String::new()))
                    }
                    Some(Ok(Message::Close(_))) | None => return Ok(None),
                    Some(Err(error)) => return Err(io::Error::other(error)),
                },
                Some(saying) = self.saying.recv() => self.tell(saying).await?,
                () = tokio::time::sleep_until(begun + INITIALISED_WITHIN), if !self.initialised => {
                    Some((Close::InitialisationTimeout, String::new()))
                }
                () = tokio::time::sleep(heartbeat), if self.initialised => {
                    self.write(&Told::Ping {}).await?;
                    None
                }
                () = lease.over() => Some((Close::Ours(CloseCode::Expired.code()), String::new())),
                () = stopping.cancelled() => Some((Close::Ours(CloseCode::Restart.code()), String::new())),
            };
            if closing.is_some() {
                return Ok(closing);
            }
        }
    }

    async fn said(&mut self, text: &str) -> io::Result<Option<Closing>> {
        let close = |close| Ok(Some((close, String::new())));
        let deepest = self.executions.config().limits.json_depth;
        let shallow = Some(text).filter(|text| !is_deeper(text.as_bytes(), deepest));
        let Some(Ok(said)) = shallow.map(serde_json::from_str::<Said>) else {
            return close(Close::BadRequest);
        };
        match said {
            Said::ConnectionInit { .. } if self.initialised => {
                return close(Close::TooManyInitialisations);
            }
            Said::ConnectionInit { payload } => {
                if !self.let_in(&payload).await {
                    return close(Close::Forbidden);
                }
                self.initialised = true;
                self.write(&Told::ConnectionAck {}).await?;
            }
            Said::Ping { payload } => self.write(&Told::Pong { payload }).await?,
            Said::Pong {} => {}
            Said::Subscribe { .. } if !self.initialised => return close(Close::Unauthorized),
            Said::Subscribe { id, .. } if self.operations.contains_key(&id) => {
                return Ok(Some((Close::SubscriberExists, id)));
            }
            Said::Subscribe { id, payload } => self.begin(id, *payload).await?,
            Said::Complete { id } => {
                self.end(&id);
            }
        }
        Ok(None)
    }

    /// Whether somebody is known to ask: by the handshake, else by a token in the first message.
    async fn let_in(&mut self, payload: &Value) -> bool {
        let Some(closed) = self.executions.access().closed().cloned() else {
            return true;
        };
        if matches!(self.caller.identity, Identity::Stranger) {
            let text = |key: &str| payload.get(key).and_then(Value::as_str);
            let shown = text("token").or_else(|| {
                let header = text("Authorization").or_else(|| text("authorization"))?;
                header
                    .strip_prefix("Bearer ")
                    .or_else(|| header.strip_prefix("bearer "))
            });
            match closed.bearer(shown.unwrap_or_default()).await {
                Ok(known) => self.caller.identity = Identity::Known(Arc::new(known)),
                Err(_unproven) => {
                    closed.note_failure(self.caller.source).await;
                    return false;
                }
            }
            self.lease = self.executions.access().lease(&self.caller.own());
        }
        true
    }

    async fn begin(&mut self, id: String, request: Request) -> io::Result<()> {
        let limits = &self.executions.config().limits;
        let most = limits.subscriptions_per_connection;
        if self.operations.len() >= most {
            let why = format!("A connection has at most {most} operations under way.");
            return self.refuse(&id, &why).await;
        }
        let request = match prepared(request, &self.executions, &self.caller, &self.cut) {
            Ok(request) => request,
            Err(problem) => return self.refuse(&id, problem.detail()).await,
        };
        let (schema, say) = (Arc::clone(&self.schema), self.say.clone());
        self.begun += 1;
        let (number, operation) = (self.begun, id.clone());
        let work = async move {
            let mut results = schema.execute_stream(request);
            while let Some(result) = results.next().await {
                if say
                    .send((number, operation.clone(), Some(result)))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            // where the connection is gone nobody listens
            drop(say.send((number, operation, None)).await);
        };
        let task = tokio::spawn(work.in_current_span());
        self.operations.insert(id, (number, task.abort_handle()));
        Ok(())
    }

    async fn refuse(&mut self, id: &str, why: &str) -> io::Result<()> {
        let errors = [async_graphql::ServerError::new(why, None)];
        self.write(&Told::Error {
            id,
            payload: &errors,
        })
        .await
    }

    /// What an operation says, if it still may.
    async fn tell(&mut self, (number, id, result): Saying) -> io::Result<Option<Closing>> {
        let id = id.as_str();
        if self.operations.get(id).is_none_or(|(it, _)| *it != number) {
            return Ok(None);
        }
        match result {
            Some(result) if is_refused(&result) => {
                self.end(id);
                self.write(&Told::Error {
                    id,
                    payload: &result.errors,
                })
                .await?;
            }
            Some(result) => {
                self.write(&Told::Next {
                    id,
                    payload: &result,
                })
                .await?
            }
            None => {
                self.end(id);
                // the connection breaks, so that the client comes back
                if let Some(code) = self.cut.code() {
                    // an operation may hear of the server's end before its connection does
                    let code = if self.executions.stopping().is_cancelled() {
                        CloseCode::Restart
                    } else {
                        code
                    };
                    return Ok(Some((Close::Ours(code.code()), String::new())));
                }
                self.write(&Told::Complete { id }).await?;
            }
        }
        Ok(None)
    }

    fn end(&mut self, id: &str) {
        if let Some((_, operation)) = self.operations.remove(id) {
            operation.abort();
        }
    }

    async fn write(&mut self, told: &Told<'_>) -> io::Result<()> {
        let text = serde_json::to_string(told).map_err(io::Error::other)?;
        self.send(Message::text(text)).await
    }

    async fn send(&mut self, message: Message) -> io::Result<()> {
        let deadline = Duration::from_millis(self.executions.config().write_deadline_ms);
        match tokio::time::timeout(deadline, self.sink.send(message)).await {
            Ok(sent) => sent.map_err(io::Error::other),
            Err(_late) => Err(stopped_reading()),
        }
    }
}

/// How long a client may take to say who it is.
const INITIALISED_WITHIN: Duration = Duration::from_secs(10);

/// How long a peer may take to answer a close.
const CLOSE_HANDSHAKE: Duration = Duration::from_secs(5);
