//! What is said of files: beside events, and on a connection of their own.

use serde_json::{Value, json};
use stepcast_core::schema;

fn number(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

fn control(word: &str, properties: Value, required: &[&str]) -> Value {
    let mut all = json!({ "control": { "type": "string", "const": word } });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), properties) {
        all.extend(more);
    }
    let required: Vec<&str> = ["control"].iter().chain(required).copied().collect();
    json!({ "type": "object", "properties": all, "required": required })
}

fn message(name: &str, summary: &str, content_type: &str, payload: Value) -> (String, Value) {
    let message = json!({
        "name": name, "title": name, "summary": summary, "contentType": content_type, "payload": payload,
    });
    (name.to_owned(), message)
}

/// What is said of files beside events.
pub(super) fn fetch_messages() -> [(String, Value); 4] {
    let fetch = || json!({ "type": "string", "description": "What the client calls this fetch." });
    let sha256 = || json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    let begins = control(
        "artifact",
        json!({
            "fetch": fetch(),
            "execution_id": { "type": "string" },
            "name": { "type": "string" },
            "media_type": { "type": "string" },
            "size": number("Bytes of the whole file."),
            "sha256": sha256(),
            "offset": number("Where the first byte lies that follows."),
            "length": number("Bytes that follow."),
        }),
        &[
            "fetch",
            "execution_id",
            "name",
            "media_type",
            "size",
            "sha256",
            "offset",
            "length",
        ],
    );
    let chunk = control(
        "artifact_chunk",
        json!({
            "fetch": fetch(),
            "offset": number("Where its first byte lies."),
            "data": { "type": "string", "contentEncoding": "base64", "description": "At most 64 KiB. In CBOR a byte string." },
        }),
        &["fetch", "offset", "data"],
    );
    let ends = control(
        "artifact_end",
        json!({
            "fetch": fetch(),
            "offset": number("How far it came."),
            "size": number("Bytes of the whole file."),
            "sha256": sha256(),
            "cancelled": { "type": "boolean", "description": "The client wanted no more of it." },
        }),
        &["fetch", "offset", "size", "sha256"],
    );
    let error = control(
        "artifact_error",
        json!({
            "fetch": fetch(),
            "status": number("What the same request would get over HTTP."),
            "message": { "type": "string" },
        }),
        &["fetch", "status", "message"],
    );
    let json = "application/json";
    [
        message(
            "FetchBegins",
            "Which file follows, beside events.",
            json,
            begins,
        ),
        message(
            "FetchChunk",
            "Some of its bytes; they follow each other without a hole.",
            json,
            chunk,
        ),
        message("FetchEnds", "It is sent, or cancelled.", json, ends),
        message(
            "FetchError",
            "It is refused, or cannot be sent any further.",
            json,
            error,
        ),
    ]
}

/// What is said of files on a connection that has events.
pub(super) fn of_fetches() -> impl Iterator<Item = String> {
    fetch_messages().into_iter().map(|(name, _)| name)
}

/// What a file's connection says: not of the log, and on no other.
pub(super) fn file_messages() -> [(String, Value); 3] {
    let begins = control(
        "artifact",
        json!({
            "name": { "type": "string" },
            "media_type": { "type": "string" },
            "size": number("Bytes of the whole file."),
            "sha256": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
            "offset": number("Where the first byte lies that follows."),
        }),
        &["name", "media_type", "size", "sha256", "offset"],
    );
    let ends = control(
        "artifact_end",
        json!({ "size": number("Bytes of the whole file.") }),
        &["size"],
    );
    [
        message(
            "FileBegins",
            "The first frame: which file follows.",
            "application/json",
            begins,
        ),
        message(
            "FilePart",
            "A binary message of at most 64 KiB; they follow each other without a hole.",
            "application/octet-stream",
            json!({ "type": "string", "format": "binary" }),
        ),
        message(
            "FileEnds",
            "The last frame; the close code 1000 follows.",
            "application/json",
            ends,
        ),
    ]
}

/// What is sent on the connection of a file.
pub(super) fn of_file() -> Vec<String> {
    let own = file_messages().into_iter().map(|(name, _)| name);
    own.chain([schema::variant_name("error", "Control")])
        .collect()
}
