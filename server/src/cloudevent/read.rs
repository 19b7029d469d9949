//! To an event of ours: its members, which are then held to what every event is held to.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::write::TRACE;
use super::{METADATA, PREFIX, SUFFIX};

/// Why something is no CloudEvent: the attribute, and what is wrong with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NoEvent(pub(crate) String, pub(crate) &'static str);

/// The members of the event that a CloudEvent in structured mode is.
///
/// A type of ours is the event it names, of the step that is its subject. Another's becomes a word, so that readers who
/// do not know it keep it. What has no place in an event goes into `metadata.cloudevent`.
pub(crate) fn members(attributes: Map<String, Value>) -> Result<Map<String, Value>, NoEvent> {
    let wrong = |attribute: &str, what| Err(NoEvent(attribute.to_owned(), what));
    let mut out = Map::new();
    let (mut kept, mut metadata) = (Map::new(), Map::new());
    let (mut kind, mut subject, mut data) = (None, None, None);
    for name in ["specversion", "id", "source", "type"] {
        let text = attributes.get(name).and_then(Value::as_str);
        if text.is_none_or(str::is_empty) {
            return wrong(name, "is missing, or no text");
        }
    }
    for (name, value) in attributes {
        match (name.as_str(), value) {
            ("specversion", Value::String(version)) if version == "1.0" => {}
            ("specversion", _) => return wrong("specversion", "must be 1.0"),
            ("type", Value::String(text)) => kind = Some(text),
            ("subject", Value::String(text)) => subject = Some(text),
            ("data", value) => data = Some(value),
            ("data_base64", Value::String(text)) => {
                if STANDARD.decode(&text).is_err() {
                    return wrong("data_base64", "is no base64");
                }
                data = Some(json!({ "base64": text }));
            }
            (METADATA, Value::String(text)) => match serde_json::from_str(&text) {
                Ok(Value::Object(told)) => metadata.extend(told),
                Ok(_) | Err(_) => return wrong(METADATA, "is no object in JSON"),
            },
            ("executionid" | "sequence", _) | (_, Value::Null) => {}
            (name, value) if TRACE.contains(&name) => {
                metadata.insert(name.to_owned(), value);
            }
            (name, _) if !is_name(name) => {
                return wrong(
                    "",
                    "has an attribute whose name is not of a-z and 0-9, or too long",
                );
            }
            (_, Value::Array(_) | Value::Object(_)) => {
                return wrong(&name, "is no text, number or boolean");
            }
            (_, value) => {
                kept.insert(name, value);
            }
        }
    }
    let kind = kind.unwrap_or_default();
    let own = kind
        .strip_prefix(PREFIX)
        .and_then(|it| it.strip_suffix(SUFFIX));
    if let Some(own) = own {
        out.insert("event_type".into(), own.into());
        if let Some(subject) = subject {
            out.insert("step_id".into(), subject.into());
        }
    } else {
        out.insert("event_type".into(), word(&kind).into());
        kept.insert("type".into(), kind.into());
        if let Some(subject) = subject {
            kept.insert("subject".into(), subject.into());
        }
    }
    match data {
        None | Some(Value::Null) => {}
        Some(data @ Value::Object(_)) => {
            out.insert("data".into(), data);
        }
        Some(data) => {
            out.insert("data".into(), json!({ "value": data }));
        }
    }
    metadata.insert("cloudevent".into(), kept.into());
    out.insert("metadata".into(), metadata.into());
    Ok(out)
}

/// The attributes of a CloudEvent in binary mode: headers, and a body.
pub(crate) fn from_headers(
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Map<String, Value>, NoEvent> {
    let mut attributes = Map::new();
    for (name, value) in headers {
        if let Some(name) = name.as_str().strip_prefix("ce-") {
            let text = value.to_str().ok().and_then(decoded);
            let Some(text) = text else {
                let name = Some(name).filter(|name| is_name(name)).unwrap_or_default();
                return Err(NoEvent(name.to_owned(), "is no text in percent-encoding"));
            };
            attributes.insert(name.to_owned(), text.into());
        }
    }
    if !body.is_empty() {
        let data: Value = serde_json::from_slice(body)
            .map_err(|_error| NoEvent("data".to_owned(), "cannot be read as JSON"))?;
        attributes.insert("data".into(), data);
    }
    Ok(attributes)
}

/// A header's text: percent-encoded UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain)
}

/// A type as a word of ours.
fn word(kind: &str) -> String {
    let plain = |it: char| match it.to_ascii_lowercase() {
        it @ ('a'..='z' | '0'..='9') => it,
        _ => '_',
    };
    kind.chars().map(plain).collect()
}

/// Characters of an attribute's name; the specification asks for no more than 20.
const LONGEST_NAME: usize = 64;
