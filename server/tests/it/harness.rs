//! A whole server on a port of its own, and the plainest clients for it.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use stepcast::config::{Config, StoreKind};
use stepcast::context::{Draft, StreamingContext};
use stepcast::executions::Executions;
use stepcast::log::{Budget, NewExecution};
use stepcast::step::StepRegistry;
use stepcast_core::event::EventType;
use stepcast_core::wire::sse::{Item, Message, Reader};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite;

/// A server that runs until [`Server::stop`].
pub(crate) struct Server {
    pub(crate) executions: Executions,
    pub(crate) address: String,
    scheme: &'static str,
    pub(crate) client: reqwest::Client,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    /// Removed when the server is dropped.
    pub(crate) directory: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(|config| config.store = StoreKind::Memory).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::again(tempfile::tempdir().unwrap(), change).await
    }

    /// A server of what a former one left there.
    pub(crate) async fn again(
        directory: tempfile::TempDir,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: directory.path().join("data"),
            pipelines: directory.path().join("pipelines"),
            ..Config::default()
        };
        change(&mut config);
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let executions = stepcast::open(config, StepRegistry::builtin())
            .await
            .unwrap();
        Self::serving(listener, executions, directory)
    }

    /// A server of what is there already.
    pub(crate) fn serving(
        listener: TcpListener,
        executions: Executions,
        directory: tempfile::TempDir,
    ) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel();
        let service = executions.clone();
        let scheme = if service.config().tls.is_on() {
            "https"
        } else {
            "http"
        };
        let task = tokio::spawn(async move {
            let shutdown = async { stopped.await.unwrap_or(()) };
            stepcast::serve(listener, service, shutdown).await.unwrap();
        });
        let _already = rustls::crypto::ring::default_provider().install_default();
        Self {
            executions,
            address,
            scheme,
            client: reqwest::Client::new(),
            stop,
            task,
            directory,
        }
    }

    pub(crate) async fn stop(self) {
        drop(self.stop_and_keep().await);
    }

    /// Stops it, and gives its folder.
    pub(crate) async fn stop_and_keep(self) -> tempfile::TempDir {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        self.directory
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// An execution whose events the test emits itself.
    pub(crate) fn execution(&self, id: &str, budget: Budget) -> StreamingContext {
        let new = NewExecution::named(id.parse().unwrap(), "test", 1);
        StreamingContext::new(self.executions.log().create(&new, budget).unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.client.get(self.url(path)).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(
            self.client
                .post(self.url(path))
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn sse(&self, path: &str, last_event_id: Option<&str>) -> Sse {
        let mut request = self.client.get(self.url(path));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{path}");
        Sse::of(response)
    }

    pub(crate) async fn ws(&self, path: &str) -> Ws {
        let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{}{path}", self.address))
            .await
            .unwrap();
        Ws(socket)
    }
}

async fn answer(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// An SSE body, read message by message.
pub(crate) struct Sse {
    body: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    reader: Reader,
    items: Vec<Item>,
}

impl Sse {
    pub(crate) fn of(response: reqwest::Response) -> Self {
        Self {
            body: response.bytes_stream().boxed(),
            reader: Reader::default(),
            items: Vec::new(),
        }
    }

    /// The next item; `None` at the end of the body.
    pub(crate) async fn item(&mut self) -> Option<Item> {
        while self.items.is_empty() {
            let chunk = soon(self.body.next()).await?.ok()?;
            self.reader.push(&chunk, &mut self.items).unwrap();
        }
        Some(self.items.remove(0))
    }

    pub(crate) async fn message(&mut self) -> Option<Message> {
        loop {
            if let Item::Message(message) = self.item().await? {
                return Some(message);
            }
        }
    }

    /// Events and `closed`, to the end.
    pub(crate) async fn rest(mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.message().await {
            messages.push(message);
        }
        messages
    }
}

/// A WebSocket, read frame by frame.
pub(crate) struct Ws<S = tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>(
    pub(crate) tokio_tungstenite::WebSocketStream<S>,
);

impl<S: AsyncRead + AsyncWrite + Unpin> Ws<S> {
    /// The next frame that is no ping.
    pub(crate) async fn but_pings(&mut self) -> Value {
        loop {
            let frame = self.frame().await.unwrap();
            if frame["control"] != "ping" {
                return frame;
            }
        }
    }

    /// The next JSON frame, or the close code; of a connection that asked for no batches.
    pub(crate) async fn frame(&mut self) -> Result<Value, u16> {
        let message = self.message().await?;
        Ok(serde_json::from_str(&message).unwrap())
    }

    /// The next text message, or the close code.
    pub(crate) async fn message(&mut self) -> Result<String, u16> {
        loop {
            match soon(self.0.next()).await {
                Some(Ok(tungstenite::Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(tungstenite::Message::Close(frame))) => {
                    return Err(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    pub(crate) async fn rest(mut self) -> (Vec<Value>, u16) {
        let mut frames = Vec::new();
        loop {
            match self.message().await {
                Ok(message) => {
                    let lines = message.split('\n');
                    frames.extend(lines.map(|line| serde_json::from_str::<Value>(line).unwrap()));
                }
                Err(code) => return (frames, code),
            }
        }
    }
}

/// Nothing in these tests takes long; what hangs fails.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .unwrap()
}

pub(crate) fn progress(n: usize) -> Draft {
    Draft {
        event_type: EventType::StepProgress,
        step_id: Some("s".into()),
        data: json!({ "n": n }),
        metadata: None,
    }
}

pub(crate) fn complete() -> Draft {
    Draft {
        event_type: EventType::PipelineComplete,
        step_id: None,
        data: json!({ "output": {} }),
        metadata: None,
    }
}

/// Emits `count` events, the last of them terminal, and waits until they are committed.
pub(crate) async fn emit(context: &StreamingContext, count: usize) {
    for n in 1..count {
        context.emit(progress(n)).await.unwrap();
    }
    context.emit(complete()).await.unwrap();
    let stream = context.stream().unwrap();
    soon(stream.watch().wait_for(|tail| tail.ended.is_some()))
        .await
        .unwrap();
}

/// The sequence numbers of events among these frames.
pub(crate) fn seqs(frames: &[Value]) -> Vec<u64> {
    frames
        .iter()
        .filter_map(|frame| frame.get("seq")?.as_u64())
        .collect()
}
