//! One answer of a provider over HTTP, from the request to its last event.

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, Url};
use stepcast_core::wire::sse::{Item, Reader};
use tokio::time::timeout;

use super::delta::{Delta, Raw};
use super::fault::Fault;
use super::provider::Provider;
use super::request::Request;
use super::text::{Fragment, Joiner};
use super::wire::{Decoder, request};
use crate::step::Category;
use crate::trace::TraceContext;

/// An answer that is coming. Dropped, it closes the connection, and the provider stops.
#[derive(Debug)]
pub(crate) struct Call {
    response: Response,
    reader: Reader,
    decoder: Decoder,
    joiners: BTreeMap<Channel, Joiner>,
    said: VecDeque<Delta<String>>,
    /// What comes after all that was said.
    fault: Option<Fault>,
    ended: bool,
    idle: Duration,
}

/// Whose text a piece belongs to.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Channel {
    Text,
    Reasoning,
    Refusal,
    Arguments(usize),
}

impl Call {
    /// Asks, as part of this trace; the answer begins when this returns.
    pub(crate) async fn begin(
        provider: &Provider,
        asked: &Request,
        trace: Option<&TraceContext>,
    ) -> Result<Self, Fault> {
        let nobody = || Fault::new(Category::Configuration, "asks nobody");
        let sent = request(provider.kind, asked, provider.key.as_ref()).ok_or_else(nobody)?;
        let decoder = Decoder::new(provider.kind).ok_or_else(nobody)?;
        let base = provider.base_url.as_ref().ok_or_else(nobody)?;
        let request = client()?
            .post(address(base, &sent.path)?)
            .headers(sent.headers)
            .headers(trace.into_iter().flat_map(TraceContext::headers).collect())
            .json(&sent.body);
        let idle = provider.idle;
        let response = timeout(idle, request.send()).await;
        let response = response
            .map_err(|_elapsed| Fault::silent(idle))?
            .map_err(|error| Fault::transport(&error))?;
        let status = response.status();
        if !status.is_success() {
            let headers = response.headers().clone();
            let body = beginning(response, idle).await;
            return Err(Fault::status(status, &headers, &body));
        }
        if is_json(&response) {
            let body = beginning(response, idle).await;
            let body = String::from_utf8_lossy(&body);
            let error = serde_json::from_str::<serde_json::Value>(&body);
            if error.is_ok_and(|body| body.get("error").is_some_and(|error| !error.is_null())) {
                return Err(Fault::sent(&body));
            }
            let message = "answered with one JSON document where an event stream was asked for";
            return Err(Fault::new(Category::Dependency, message));
        }
        Ok(Self {
            response,
            reader: Reader::with_limit(LONGEST),
            decoder,
            joiners: BTreeMap::new(),
            said: VecDeque::new(),
            fault: None,
            ended: false,
            idle,
        })
    }

    /// What the answer says next; none at its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Delta<String>>, Fault> {
        loop {
            if let Some(delta) = self.said.pop_front() {
                return Ok(Some(delta));
            }
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
            if self.ended {
                return Ok(None);
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let fault = match timeout(self.idle, self.response.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                self.fault = self.take(&bytes).err();
                if self.decoder.is_closed() {
                    self.end();
                }
                return;
            }
            Ok(Ok(None)) => {
                // some servers leave the last empty line out; what is cut in the middle is no event
                drop(self.take(b"\n\n"));
                Fault::broken_off()
            }
            Ok(Err(error)) => Fault::transport(&error),
            Err(_elapsed) => Fault::silent(self.idle),
        };
        // once the answer is whole, how the connection ends does not matter
        if !self.decoder.is_done() {
            self.fault = Some(fault);
        }
        self.end();
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut items = Vec::new();
        let read = self.reader.push(bytes, &mut items);
        let mut raw = Vec::new();
        let mut taken = Ok(());
        for item in items {
            if let (Item::Message(message), Ok(())) = (item, &taken) {
                taken = self.decoder.take(&message, &mut raw);
            }
        }
        for delta in raw {
            self.say(delta);
        }
        taken?;
        read.map_err(|error| Fault::new(Category::Dependency, format!("sent too much: {error}")))
    }

    fn say(&mut self, delta: Raw) {
        let delta = match delta {
            Delta::Text(text) => Delta::Text(self.joined(Channel::Text, &text)),
            Delta::Reasoning(text) => Delta::Reasoning(self.joined(Channel::Reasoning, &text)),
            Delta::Refusal(text) => Delta::Refusal(self.joined(Channel::Refusal, &text)),
            Delta::Arguments { index, text } => {
                let text = self.joined(Channel::Arguments(index), &text);
                Delta::Arguments { index, text }
            }
            Delta::CallBegins { index, id, name } => Delta::CallBegins { index, id, name },
            Delta::CallEnds { index } => Delta::CallEnds { index },
            Delta::Model(model) => Delta::Model(model),
            Delta::Usage(usage) => Delta::Usage(usage),
            Delta::Finish(reason) => Delta::Finish(reason),
        };
        self.said.push_back(delta);
    }

    fn joined(&mut self, channel: Channel, text: &Fragment) -> String {
        self.joiners.entry(channel).or_default().push(text)
    }

    /// Nothing follows: halves of characters stay alone.
    fn end(&mut self) {
        self.ended = true;
        for (channel, mut joiner) in std::mem::take(&mut self.joiners) {
            let Some(text) = joiner.finish().map(String::from) else {
                continue;
            };
            self.said.push_back(match channel {
                Channel::Text => Delta::Text(text),
                Channel::Reasoning => Delta::Reasoning(text),
                Channel::Refusal => Delta::Refusal(text),
                Channel::Arguments(index) => Delta::Arguments { index, text },
            });
        }
    }
}

/// The base URL and what follows it. A version that stands in both stands once.
fn address(base: &Url, path: &str) -> Result<Url, Fault> {
    let base = base.as_str().trim_end_matches('/');
    let version = path.split('/').next().unwrap_or_default();
    let base = base
        .strip_suffix(version)
        .filter(|rest| rest.ends_with('/'))
        .unwrap_or(base);
    let whole = format!("{}/{path}", base.trim_end_matches('/'));
    Url::parse(&whole)
        .map_err(|error| Fault::new(Category::Configuration, format!("has no address: {error}")))
}

fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/json"))
}

/// The first part of a body; what came before it broke off, where it does.
async fn beginning(mut response: Response, idle: Duration) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < MOST_OF_AN_ERROR {
        match timeout(idle.min(FOR_AN_ERROR), response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
    }
    body
}

fn client() -> Result<&'static Client, Fault> {
    static CLIENT: OnceLock<Result<Client, String>> = OnceLock::new();
    let client = CLIENT.get_or_init(|| {
        // another part of the program may have chosen one already, which serves as well
        drop(rustls::crypto::ring::default_provider().install_default());
        Client::builder()
            .connect_timeout(Duration::from_secs(30))
            // the keys of some providers stand in headers that would go along to another server
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("stepcast/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| error.to_string())
    });
    client.as_ref().map_err(|error| {
        let message = format!("cannot be asked: no HTTP client: {error}");
        Fault::new(Category::Configuration, message)
    })
}

/// The longest event that is read, in bytes.
const LONGEST: usize = 16 << 20;

/// Bytes of an error's body that are read, and how long they are waited for.
const MOST_OF_AN_ERROR: usize = 64 << 10;
const FOR_AN_ERROR: Duration = Duration::from_secs(10);
