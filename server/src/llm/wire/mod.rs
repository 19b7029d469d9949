//! The providers' protocols: what a request looks like, and what an event of its answer says. No I/O.

mod anthropic;
mod gemini;
mod openai;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use stepcast_core::wire::sse::Message;

use super::delta::Raw;
use super::fault::Fault;
use super::key::ApiKey;
use super::request::Request;
use super::settings::ProviderKind;

/// What is sent.
pub(crate) struct Sent {
    /// What the base URL is followed by.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// Reads the events of one answer.
#[derive(Debug)]
pub(crate) enum Decoder {
    OpenAi(openai::Decoder),
    Anthropic(anthropic::Decoder),
    Gemini(gemini::Decoder),
}

/// The request in a provider's words; none for one that asks nobody.
pub(crate) fn request(kind: ProviderKind, request: &Request, key: Option<&ApiKey>) -> Option<Sent> {
    let sent = match kind {
        ProviderKind::OpenAi => openai::request(request, key, "max_completion_tokens"),
        ProviderKind::OpenAiCompatible => openai::request(request, key, "max_tokens"),
        ProviderKind::Anthropic => anthropic::request(request, key),
        ProviderKind::Gemini => gemini::request(request, key),
        ProviderKind::Scripted => return None,
    };
    Some(sent)
}

impl Decoder {
    /// A reader of what a provider of this kind answers.
    pub(crate) fn new(kind: ProviderKind) -> Option<Self> {
        match kind {
            ProviderKind::OpenAi | ProviderKind::OpenAiCompatible => {
                Some(Self::OpenAi(openai::Decoder::default()))
            }
            ProviderKind::Anthropic => Some(Self::Anthropic(anthropic::Decoder::default())),
            ProviderKind::Gemini => Some(Self::Gemini(gemini::Decoder::default())),
            ProviderKind::Scripted => None,
        }
    }

    /// Takes an event, and appends what it says.
    pub(crate) fn take(&mut self, event: &Message, said: &mut Vec<Raw>) -> Result<(), Fault> {
        match self {
            Self::OpenAi(decoder) => decoder.take(event, said),
            Self::Anthropic(decoder) => decoder.take(event, said),
            Self::Gemini(decoder) => decoder.take(event, said),
        }
    }

    /// Whether the answer has had its end: a connection that ends before it has broken off.
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::OpenAi(decoder) => decoder.is_done(),
            Self::Anthropic(decoder) => decoder.is_done(),
            Self::Gemini(decoder) => decoder.is_done(),
        }
    }

    /// Whether nothing can follow, so that the connection need not be read to its end.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::OpenAi(decoder) => decoder.is_closed(),
            Self::Anthropic(decoder) => decoder.is_done(),
            Self::Gemini(_) => false,
        }
    }
}

fn headers(key: Option<(&'static str, HeaderValue)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        reqwest::header::ACCEPT,
        HeaderValue::from_static("text/event-stream"),
    );
    if let Some((name, value)) = key {
        headers.insert(HeaderName::from_static(name), value);
    }
    headers
}

/// An event's JSON; `data` is what the provider sent, which its error does not repeat.
fn parse<'a, T: serde::Deserialize<'a>>(data: &'a str) -> Result<T, Fault> {
    serde_json::from_str(data).map_err(|error| Fault::unreadable(&error))
}
