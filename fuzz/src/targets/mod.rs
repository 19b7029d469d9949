//! The targets, one file for each side of the wire.

mod client;
mod condition;
mod dialect;
mod ids;
mod ingest;
mod pipeline;
mod program;
mod redaction;
mod socket;

use crate::Target;

/// All of them.
pub const TARGETS: &[Target] = &[
    client::SSE,
    client::FRAMES,
    client::VIEW,
    ids::CURSOR,
    ids::SELECTION,
    ids::RANGE,
    ids::PROOF,
    condition::CONDITION,
    socket::WEBSOCKET,
    socket::DEFLATE,
    socket::CBOR,
    ingest::BODY,
    ingest::LINES,
    ingest::ANNOUNCE,
    dialect::CLOUDEVENTS,
    dialect::DURABLE,
    pipeline::DEFINITION,
    pipeline::ANSWER,
    program::PROGRAM,
    program::MODEL,
    redaction::REDACTION,
];

/// Texts as inputs.
fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The members of a JSON file that are objects or texts, each for itself, from whatever depth.
fn parts_of(json: &str, depth: usize) -> Vec<Vec<u8>> {
    fn gather(value: &serde_json::Value, depth: usize, parts: &mut Vec<Vec<u8>>) {
        if depth == 0 {
            parts.push(value.to_string().into_bytes());
            return;
        }
        let members = value.as_object().into_iter().flat_map(|map| map.values());
        let elements = value.as_array().into_iter().flatten();
        for part in members.chain(elements) {
            gather(part, depth - 1, parts);
        }
    }
    let value = serde_json::from_str(json).expect("a file of ours is JSON");
    let mut parts = Vec::new();
    gather(&value, depth, &mut parts);
    parts
}

/// What JSON is made of.
const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "null",
    "true",
    "-1",
    "1e308",
    "18446744073709551615",
    "\\u0000",
    "\\ud83d",
    "\"\"",
    "{}",
    "[]",
    "0.1",
];
