//! The parsers of what comes from outside, as the fuzz targets call them. No part of the library's API.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use bytes::Bytes;
use futures_util::FutureExt as _;
use serde_json::{Map, Value};
use stepcast_core::id::Position;
use stepcast_core::wire::sse::{Item, Reader};

use crate::access::proof::Proof;
use crate::api::announce::Described;
pub use crate::api::incoming::Expected;
pub use crate::api::lines::{Lines, TooLong};
pub use crate::api::range::Part;
use crate::api::range::part_of;
use crate::context::Draft;
use crate::durable::{Asked, Content, Kept};
use crate::error::Problem;
use crate::executions::Announcement;
use crate::llm::{Decoder, ProviderKind};
use crate::pipeline::definition::Place;
use crate::step::{Question, read_program};
pub use crate::transport::parameters::Selection;
pub use crate::transport::websocket::frame::{Incoming, Message};

/// What a program says on its standard output, read in pieces of this size.
pub fn program(bytes: &[u8], piece: usize) -> Vec<String> {
    let pieces = bytes.chunks(piece.max(1)).map(Bytes::copy_from_slice);
    let pieces: Vec<std::io::Result<Bytes>> = pieces.map(Ok).collect();
    let reader = tokio_util::io::StreamReader::new(futures_util::stream::iter(pieces));
    // what is there already is never waited for
    read_program(reader).now_or_never().unwrap_or_default()
}

/// How many things the answer of a language model says, read in pieces of this size; `None` where it says none that
/// a provider of this kind does.
pub fn model(kind: ProviderKind, bytes: &[u8], piece: usize) -> Option<Vec<String>> {
    let (mut decoder, mut reader) = (Decoder::new(kind)?, Reader::with_limit(1 << 20));
    let (mut items, mut said) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece.max(1)) {
        let read = reader.push(piece, &mut items);
        for item in items.drain(..) {
            if let Item::Message(message) = item {
                decoder.take(&message, &mut said).ok()?;
            }
        }
        read.ok()?;
    }
    Some(said.iter().map(|it| format!("{it:?}")).collect())
}

/// A CloudEvent in binary mode: lines of headers, and a body.
pub fn cloud_event(
    expected: &Expected<'_>,
    head: &[u8],
    body: &[u8],
) -> Option<Result<Vec<Draft>, Problem>> {
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
        headers.append(name, value);
    }
    Some(expected.cloud_event_of(&headers, body))
}

/// What a binary message of a client's says, as JSON.
pub fn cbor(message: &[u8]) -> Option<String> {
    crate::cbor::to_json(message).ok()
}

/// JSON in CBOR.
pub fn written_in_cbor(json: &str) -> Vec<u8> {
    crate::cbor::of_json(json.as_bytes())
}

/// Where a read of Durable Streams begins, by its query.
pub fn durable_read(query: &str) -> Option<Position> {
    Asked::parse(query).ok().map(|asked| asked.after)
}

/// What a stream of this content type, made with these words, gives of a body that is appended to it; whether it is
/// JSON. Nothing where it takes none of it.
pub fn durable_append(made: [&str; 3], body: &[u8], longest: usize) -> Option<(bool, Vec<u8>)> {
    let given = |text: &&str| !text.is_empty();
    let [content_type, ttl, expires_at] = made;
    let [ttl, expires_at] = [ttl, expires_at].map(|text| Some(text).filter(given));
    let kept = Kept::of(Some(content_type), ttl, expires_at).ok()?;
    let content = Content::of(Some(&kept));
    let mut read = Vec::new();
    for draft in content.drafts(body, longest).ok()? {
        let event = serde_json::json!({ "event_type": draft.event_type, "data": draft.data });
        content.add(&mut read, &event.to_string()).then_some(())?;
    }
    Some((content.is_json(), content.body(read)))
}

/// Whether an answer fits a question, both as they arrive.
pub fn answer(question: &Value, answer: &Value) -> Option<bool> {
    let question = Question::from_json(question).ok()?;
    Some(
        question
            .form
            .check(answer.as_object()?, &Place::root())
            .is_ok(),
    )
}

/// Which part of a file of this size a `Range` header asks for.
pub fn range(range: &[u8], size: u64) -> Part {
    let mut headers = HeaderMap::new();
    if let Ok(range) = HeaderValue::from_bytes(range) {
        headers.insert(header::RANGE, range);
    }
    part_of(&headers, "\"tag\"", size)
}

/// The members of a body that announce an execution of a program elsewhere.
pub fn announcement(mut body: Map<String, Value>, most: usize) -> Option<Announcement> {
    let text = |key: &str| Some(body.get(key)?.as_str()?.to_owned());
    let described = Described {
        description: text("description"),
        version: text("version"),
        lease_ms: body.get("lease_ms").and_then(Value::as_u64),
        steps: None,
        paths: None,
    };
    let name = text("pipeline")?;
    let input = body.get("input").and_then(Value::as_object).cloned();
    let described = Described {
        steps: body.remove("steps"),
        paths: body.remove("paths"),
        ..described
    };
    let input = input.unwrap_or_default();
    described
        .announcement(name, input, None, &HeaderMap::new(), most)
        .ok()
}

/// What a request shows of who sends it: the word for the way, and what was shown.
pub fn proof(uri: &str, headers: &[(&str, &str)]) -> Option<(&'static str, Vec<String>)> {
    let mut request = Request::builder().uri(uri);
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        request = request.header(name, *value);
    }
    let (parts, ()) = request.body(()).ok()?.into_parts();
    Some(match Proof::of(&parts) {
        Proof::Nothing => ("nothing", Vec::new()),
        Proof::Bearer(token) => ("bearer", vec![token.to_owned()]),
        Proof::Ticket(ticket) => ("ticket", vec![ticket]),
        Proof::Cookies(session, share) => {
            let both = session.into_iter().chain(share);
            ("cookies", both.map(str::to_owned).collect())
        }
        Proof::ForeignPage => ("foreign page", Vec::new()),
        Proof::Unreadable => ("unreadable", Vec::new()),
    })
}
