//! JSON Schema (2020-12) of all that travels, from the types themselves.
//!
//! [`document`] is what `docs/spec/events.schema.json` holds. The types of `data` and `progress` are known to the schema
//! only: an event's data is written where it is emitted, and the server's tests hold what runs emit against the schema.

pub mod data;
mod event;
pub mod progress;
mod text;
mod tidy;

use schemars::generate::SchemaSettings;
use schemars::{SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

pub use self::event::event_name;
pub use self::tidy::{in_plain_words, tidy};
use crate::control::ControlFrame;
use crate::event::StreamEvent;
use crate::wire::frame::ClientFrame;
use crate::wire::page::Page;

/// Where a document keeps its schemas.
pub const DEFINITIONS: &str = "/$defs";

/// A generator of schemas that refer to each other under `definitions`, such as `/$defs`.
pub fn generator(definitions: &'static str) -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = definitions.into();
            settings.meta_schema = None;
        })
        .into_generator()
}

/// As [`generator`], of what is written: what a type always writes is required.
pub fn writing_generator(definitions: &'static str) -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| {
            settings.definitions_path = definitions.into();
            settings.meta_schema = None;
        })
        .into_generator()
}

/// The schema of what a server sends as one frame, and beside it, under `$defs`, of every event, of every control frame,
/// of what a client sends, and of a page.
pub fn document() -> Value {
    let mut generator = generator(DEFINITIONS);
    let event = generator.subschema_for::<StreamEvent>();
    let control = generator.subschema_for::<ControlFrame>();
    generator.subschema_for::<ClientFrame>();
    generator.subschema_for::<Page>();
    let mut definitions = generator.take_definitions(true);
    for (frames, tag, end) in [
        ("ControlFrame", "control", "Control"),
        ("ClientFrame", "action", "Action"),
    ] {
        name_variants(&mut definitions, frames, tag, end);
    }
    definitions.sort_keys();
    let schema = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Frame",
        "description": "What a Stepcast server says in one frame of a stream: an event of the log, or something about the stream. A value that was taken out of an event is the text `[redacted]`, whatever it was before.",
        "oneOf": [event, control],
        "$defs": definitions,
    });
    let mut document = schema.into();
    tidy(&mut document);
    document
}

/// Gives each variant of a tagged enum a name of its own, so that others can refer to it.
fn name_variants(definitions: &mut Map<String, Value>, name: &str, tag: &str, end: &str) {
    let variants = definitions
        .get_mut(name)
        .and_then(|it| it.get_mut("oneOf"))
        .and_then(Value::as_array_mut)
        .map(std::mem::take)
        .unwrap_or_default();
    let mut named = Vec::new();
    for variant in variants {
        let word = variant.pointer(&format!("/properties/{tag}/const"));
        let Some(word) = word.and_then(Value::as_str) else {
            named.push(variant);
            continue;
        };
        let own = variant_name(word, end);
        named.push(json!({ "$ref": format!("#{DEFINITIONS}/{own}") }));
        definitions.insert(own, variant);
    }
    if let Some(list) = definitions.get_mut(name).and_then(|it| it.get_mut("oneOf")) {
        *list = named.into();
    }
}

/// What the schema of a frame of this name is called: `HelloControl`, `SubscribeAction`.
pub fn variant_name(word: &str, end: &str) -> String {
    format!("{}{end}", pascal(word))
}

/// `step_start` as `StepStart`.
fn pascal(word: &str) -> String {
    word.split('_')
        .flat_map(|part| {
            let mut letters = part.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters)
        })
        .collect()
}

fn reference(generator: &SchemaGenerator, name: &str) -> Value {
    let path = &generator.settings().definitions_path;
    json!({ "$ref": format!("#{path}/{name}") })
}
