//! Executions by the protocol of Durable Streams.

use axum::http::Method;
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::DURABLE;
use super::book::{Book, Entry};
use super::parameters::ProducerHeaders;

pub(super) fn describe(book: &mut Book) {
    reads(book);
    let made = entry(book, Method::PUT, ("createStream", "Make a stream"))
        .headers::<Making>()
        .raw_body("*/*", json!({}))
        .empty(201, "It is made.")
        .empty(200, "It is there already, as it is asked for.");
    [200, 201]
        .into_iter()
        .fold(made, |entry, status| placed(entry, status))
        .with_header(201, "Location", "Where it is.")
        .problem(409, "There is another of this name.")
        .problem(413, "The body, or a message of it, is too large.")
        .problem(429, "Too many executions have not ended.")
        .problem(501, "Streams cannot be forked.")
        .problem(507, "The disk is full.")
        .write();
    let appended = entry(book, Method::POST, ("appendToStream", "Append to a stream"))
        .about("Or close it, or both at once. To an execution that was not made as a stream its producer appends events.")
        .headers::<ProducerHeaders>()
        .headers::<Appending>()
        .raw_body("*/*", json!({}))
        .empty(200, "It is kept, and the producer has come so far.")
        .empty(204, "It is kept.");
    [200, 204]
        .into_iter()
        .fold(appended, |entry, status| {
            placed(entry, status)
                .with_header(status, "Producer-Epoch", "The producer's incarnation.")
                .with_header(status, "Producer-Seq", "How far the producer has come.")
        })
        .problem(400, "There is nothing to append, or it cannot be read.")
        .problem(403, "A newer incarnation of the producer has taken over.")
        .problem(405, "This server runs the execution itself.")
        .problem(
            409,
            "The stream is closed, is of another type, or the numbers leave a hole.",
        )
        .problem(413, "The body, or a message of it, is too large.")
        .problem(422, "An event cannot be taken.")
        .problem(429, "Too many events in a second.")
        .problem(507, "The disk is full.")
        .write();
    entry(book, Method::DELETE, ("deleteStream", "Take a stream away"))
        .empty(204, "It is gone, with everything in it.")
        .problem(
            409,
            "The execution was not made as a stream, and has not ended.",
        )
        .write();
}

fn reads(book: &mut Book) {
    let read = entry(book, Method::GET, ("readStream", "Read a stream, or follow it"))
        .about("Every execution is a stream of JSON, its events; a stream that was made here is of the type that it was made with.")
        .query::<Reading>()
        .headers::<Known>()
        .sends(200, "What there is behind the offset.", "*/*", json!({}))
        .sends(200, "What there is behind the offset.", "application/json", messages())
        .sends(200, "What there is behind the offset.", "text/event-stream", json!({}))
        .empty(204, "Nothing came for as long as a long poll waits, or nothing will.")
        .empty(304, "The answer is the one that the client has.");
    [200, 204]
        .into_iter()
        .fold(read, |entry, status| {
            placed(entry, status)
                .with_header(
                    status,
                    "Stream-Cursor",
                    "What to say as `cursor` next time.",
                )
                .with_header(
                    status,
                    "Stream-Up-To-Date",
                    "`true` where this is all there is.",
                )
        })
        .with_header(200, "ETag", "What tells this answer from others.")
        .with_header(
            200,
            "Stepcast-Gap",
            "What retention took away from the beginning.",
        )
        .with_header(
            200,
            "Stream-SSE-Data-Encoding",
            "`base64` where an event stream cannot hold the bytes.",
        )
        .problem(
            410,
            "What follows the offset is gone; `Stream-Next-Offset` is where the rest begins.",
        )
        .problem(429, "Too many streams are open.")
        .write();
}

fn entry<'a>(book: &'a mut Book, method: Method, said: (&str, &str)) -> Entry<'a> {
    book.entry(method, "/v1/stream/{id}", DURABLE, said)
}

fn placed(entry: Entry<'_>, status: u16) -> Entry<'_> {
    entry
        .with_header(status, "Stream-Next-Offset", "The offset to go on from.")
        .with_header(
            status,
            "Stream-Closed",
            "`true` where nothing will follow it.",
        )
}

/// What a read asks for.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "read by hand, and described here")]
struct Reading {
    /// From where: `-1` for the beginning, `now` for the end, or what `Stream-Next-Offset` said.
    #[schemars(regex(pattern = "^(-1|now|[0-9]+\\.[0-9]+)$"))]
    offset: Option<String>,
    /// How to go on: `long-poll` or `sse`, for which `offset` is needed.
    #[schemars(regex(pattern = "^(long-poll|sse)$"))]
    live: Option<String>,
    /// What `Stream-Cursor` said.
    cursor: Option<String>,
}

#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "read by hand, and described here")]
struct Known {
    /// The `ETag` of the answer that the client has.
    #[schemars(rename = "If-None-Match")]
    tag: Option<String>,
}

/// What a stream is made with.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "read by hand, and described here")]
struct Making {
    /// How long nobody may read or write before it is taken away, in seconds.
    #[schemars(rename = "Stream-TTL", regex(pattern = "^(0|[1-9][0-9]*)$"))]
    ttl: Option<String>,
    /// When it is taken away (RFC 3339).
    #[schemars(rename = "Stream-Expires-At")]
    expires_at: Option<String>,
    /// `true` to close it at once.
    #[schemars(rename = "Stream-Closed")]
    closed: Option<String>,
}

#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "read by hand, and described here")]
struct Appending {
    /// The place of this in an order of the writers' own: greater than the last, byte by byte.
    #[schemars(rename = "Stream-Seq")]
    seq: Option<String>,
    /// `true` to close the stream with it.
    #[schemars(rename = "Stream-Closed")]
    closed: Option<String>,
}

/// Any JSON, as deep as the document can say it.
fn messages() -> Value {
    let plain = json!({ "type": ["boolean", "null", "number", "object", "string"] });
    let list = json!({ "type": "array", "items": plain });
    json!({ "type": "array", "items": { "oneOf": [plain, list] } })
}
