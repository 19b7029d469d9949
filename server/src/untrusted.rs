//! The parsers of what comes from outside, as the fuzz targets call them. No part of the library's API.

use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use futures_util::FutureExt as _;
use serde_json::Value;
use stepcast_core::wire::sse::{Item, Reader};

pub use crate::api::incoming::Expected;
pub use crate::api::lines::{Lines, TooLong};
pub use crate::api::range::Part;
use crate::api::range::part_of;
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
