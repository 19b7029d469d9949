//! Programs elsewhere that post the events of what they run.

use axum::http::Method;
use serde_json::{Value, json};

use super::PRODUCERS;
use super::book::Book;
use super::parameters::ProducerHeaders;
use crate::api::answer::{Alive, Taken};

pub(super) fn describe(book: &mut Book) {
    book.entry(
        Method::POST,
        "/api/executions/{id}/events",
        PRODUCERS,
        ("addEvents", "Add events to an execution that is run elsewhere"),
    )
    .about("JSON: one event, or an array that is kept whole or not at all. NDJSON: one event a line, kept as they arrive. With the `Producer-` headers each event is kept exactly once.")
    .headers::<ProducerHeaders>()
    .raw_body("application/json", events())
    .raw_body("application/x-ndjson", json!({ "type": "string" }))
    .raw_body("application/cloudevents+json", json!({ "type": "object" }))
    .raw_body("application/cloudevents-batch+json", json!({ "type": "array", "items": { "type": "object" } }))
    .answers::<Taken>(200, "They are kept.")
    .empty(204, "All of them were taken before.")
    .with_header(200, "Producer-Epoch", "The producer's incarnation.")
    .with_header(200, "Producer-Seq", "How far the producer has come.")
    .with_header(200, "Stream-Next-Offset", "The cursor of the end.")
    .with_header(200, "Stream-Closed", "`true` after the end.")
    .problem(400, "They cannot be read, or the headers do not fit.")
    .problem(403, "A newer incarnation of the producer has taken over: `Producer-Epoch` is its own.")
    .problem(409, "The execution has ended, is not run elsewhere, or `Producer-Seq` leaves a hole.")
    .problem(413, "An event, or the body, is larger than the settings allow.")
    .problem(415, "It is neither `application/json` nor `application/x-ndjson`.")
    .problem(422, "An event cannot be taken; `errors` says what is wrong, and where.")
    .problem(429, "Too many events in a second.")
    .problem(503, "The server stops.")
    .problem(507, "The disk is full.")
    .write();
    book.entry(
        Method::POST,
        "/api/executions/{id}/heartbeat",
        PRODUCERS,
        ("beat", "Say that the producer lives"),
    )
    .headers::<ProducerHeaders>()
    .answers::<Alive>(200, "The lease begins anew.")
    .problem(403, "A newer incarnation of the producer has taken over.")
    .problem(409, "The execution has ended, or is not run elsewhere.")
    .write();
}

/// An event as a producer sends it, or several; read by hand, in `api::incoming`.
fn events() -> Value {
    let event = json!({
        "type": "object",
        "properties": {
            "event_type": { "type": "string", "pattern": "^[a-z0-9_]{1,64}$" },
            "step_id": { "type": ["string", "null"], "minLength": 1 },
            "data": { "type": ["object", "null"] },
            "metadata": { "type": ["object", "null"] },
        },
        "required": ["event_type"],
    });
    json!({ "oneOf": [event, { "type": "array", "items": event, "minItems": 1 }] })
}
