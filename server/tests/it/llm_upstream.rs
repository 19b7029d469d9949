//! A provider on loopback, byte for byte as a test writes it: it is asked, and says what it was told to say.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::llm::{ApiKey, Provider, ProviderKind, Providers};
use stepcast::step::StepRegistry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::pipeline_harness::{Ran, pipeline, run_with};

/// What is done with a connection, one after the other.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A whole response that is no stream: status, header lines, body.
    Answer(u16, &'static str, String),
    /// The head of an event stream.
    Head,
    /// A piece of its body.
    Say(Vec<u8>),
    Pause(Duration),
    /// Nothing more, until the peer closes.
    Hold,
    /// The end of the body.
    End,
    /// The connection ends in the middle of the body.
    Cut,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Request line and headers, as they came.
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// The key that no event, no error and no log may show.
pub(crate) const KEY: &str = "sk-test-0123456789-secret";

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    closed: Arc<Notify>,
}

impl Upstream {
    /// Each request is answered by the next script.
    pub(crate) async fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, closed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let upstream = Self {
            address,
            asked: Arc::clone(&asked),
            closed: Arc::clone(&closed),
        };
        tokio::spawn(async move {
            let mut scripts = VecDeque::from(scripts);
            while let Some(script) = scripts.pop_front() {
                let Ok((socket, _)) = listener.accept().await else {
                    return;
                };
                tokio::spawn(serve(
                    socket,
                    script,
                    Arc::clone(&asked),
                    Arc::clone(&closed),
                ));
            }
        });
        upstream
    }

    /// One stream of these events, each in a piece of its own.
    pub(crate) async fn saying(events: &[String]) -> Self {
        Self::start(vec![stream(events)]).await
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Until the peer has closed a connection that was held.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }

    pub(crate) fn provider(&self, kind: ProviderKind) -> Provider {
        let provider =
            Provider::new("local", kind).with_base_url(&format!("http://{}", self.address));
        let provider = provider.unwrap().with_key(ApiKey::new(KEY));
        provider.with_model(Some("test-model".to_owned()))
    }

    pub(crate) fn registry(&self, kind: ProviderKind) -> StepRegistry {
        registry(self.provider(kind))
    }

    /// Runs a pipeline of one `llm` step.
    pub(crate) async fn run(&self, kind: ProviderKind, config: Value) -> Ran {
        run_with(&self.registry(kind), &asking(config), json!({})).await
    }
}

pub(crate) fn registry(provider: Provider) -> StepRegistry {
    let mut providers = Providers::default();
    providers.add(provider);
    assert!(providers.set_default("local"));
    StepRegistry::builtin().with_providers(providers)
}

/// A pipeline of one `llm` step; what stands beside its `config` comes along.
pub(crate) fn asking(config: Value) -> Value {
    asking_with(config, json!({}))
}

pub(crate) fn asking_with(config: Value, more: Value) -> Value {
    let mut step = json!({"id": "ask", "type": "llm", "config": config});
    step.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    pipeline(json!([step]), json!([]))
}

/// A stream of these events.
pub(crate) fn stream(events: &[String]) -> Vec<Act> {
    let mut acts = vec![Act::Head];
    acts.extend(
        events
            .iter()
            .map(|event| Act::Say(event.clone().into_bytes())),
    );
    acts.push(Act::End);
    acts
}

/// The same text that the step showed and that it gave.
pub(crate) fn text(ran: &Ran) -> String {
    shown(ran, None)
}

pub(crate) fn reasoning(ran: &Ran) -> String {
    shown(ran, Some("reasoning"))
}

fn shown(ran: &Ran, channel: Option<&str>) -> String {
    let tokens = ran.progress("ask", "token").into_iter();
    let of = tokens.filter(|data| data["channel"].as_str() == channel);
    of.map(|data| data["text"].as_str().unwrap()).collect()
}

/// All that anybody could see of a run, in one text.
pub(crate) fn seen(ran: &Ran) -> String {
    let events: Vec<String> = ran
        .events
        .iter()
        .map(|event| format!("{event:?}"))
        .collect();
    format!("{} {:?}", events.join("\n"), ran.result)
}

async fn serve(
    mut socket: TcpStream,
    script: Vec<Act>,
    asked: Arc<Mutex<Vec<Asked>>>,
    closed: Arc<Notify>,
) {
    let request = read(&mut socket).await;
    asked.lock().unwrap().push(request);
    for act in script {
        let written = match act {
            Act::Answer(status, headers, body) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
                    body.len()
                );
                socket.write_all(format!("{head}{body}").as_bytes()).await
            }
            Act::Head => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
                socket.write_all(head.as_bytes()).await
            }
            Act::Say(bytes) => {
                let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                chunk.extend(bytes);
                chunk.extend(b"\r\n");
                socket.write_all(&chunk).await
            }
            Act::Pause(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Act::Hold => {
                let mut rest = [0; 64];
                while socket.read(&mut rest).await.is_ok_and(|read| read > 0) {}
                closed.notify_one();
                Ok(())
            }
            Act::End => socket.write_all(b"0\r\n\r\n").await,
            Act::Cut => return,
        };
        if written.is_err() {
            return;
        }
    }
}

async fn read(socket: &mut TcpStream) -> Asked {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or_default() {
                return Asked {
                    head: head.to_owned(),
                    body: serde_json::from_str(body).unwrap_or_default(),
                };
            }
        }
        let read = socket.read(&mut part).await.unwrap();
        assert!(read > 0, "the request breaks off: {text}");
        bytes.extend(&part[..read]);
    }
}
