//! What travels as one text or one number, and how it looks.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::event::EventType;
use crate::filter::Condition;
use crate::id::{Cursor, ExecutionId, Position, StepId};
use crate::pattern::{Mark, Since};
use crate::time::Timestamp;
use crate::wire::frame::Window;

macro_rules! looks {
    ($($type:ty => $schema:tt;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

looks! {
    ExecutionId => {
        "description": "One run of one pipeline.",
        "type": "string",
        "pattern": "^[A-Za-z0-9._:-]{1,128}$",
        "examples": ["exec_123"],
    };
    StepId => {
        "description": "A step of a pipeline, by the name that the pipeline's author gave it: any text.",
        "type": "string",
        "examples": ["step_1"],
    };
    Cursor => {
        "description": "A place in one execution's log, `<epoch>.<seq>`: the event at `seq` has been seen. Opaque to clients.",
        "type": "string",
        "pattern": "^[0-9]{1,20}\\.[0-9]{1,20}$",
        "examples": ["3.17"],
    };
    Position => {
        "description": "Where a subscription begins: after a cursor, `earliest` (or nothing), or `now`.",
        "type": "string",
        "pattern": "^(|earliest|now|[0-9]{1,20}\\.[0-9]{1,20})$",
        "examples": ["3.17", "earliest", "now"],
    };
    Mark => {
        "description": "A place in the order in which runs were made. Opaque to clients.",
        "type": "string",
        "pattern": "^m[0-9]{1,20}\\.[0-9]{1,20}$",
        "examples": ["m3.41"],
    };
    Since => {
        "description": "Where a watch begins: with the next run (`now`, or nothing), with those that have not ended (`under_way`), or after a mark.",
        "type": "string",
        "pattern": "^(|now|under_way|m[0-9]{1,20}\\.[0-9]{1,20})$",
        "examples": ["now", "under_way", "m3.41"],
    };
    Timestamp => {
        "description": "A time by the server's clock, RFC 3339 in UTC with milliseconds.",
        "type": "string",
        "format": "date-time",
        "examples": ["2025-10-22T10:30:00.123Z"],
    };
    EventType => {
        "description": "What happened: one of the nine types of this version, or another word.",
        "type": "string",
        "pattern": "^[a-z0-9_]{1,64}$",
        "examples": (EventType::KNOWN.each_ref().map(EventType::as_str)),
    };
    Condition => {
        "description": "An expression (JMESPath) over the whole event, that must come to true.",
        "type": "string",
        "maxLength": 512,
        "examples": ["data.duration_ms > `1000`"],
    };
    Window => {
        "description": "How many events may be on their way, sent and not acknowledged.",
        "type": "integer",
        "minimum": 1,
        "maximum": (Window::MOST),
    };
}
