//! What stands in paths, queries and headers.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};
use stepcast_core::id::{ExecutionId, Position};
use stepcast_core::schema;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

use super::book::{inline, schema_of};

/// The names in braces of a path.
pub(super) fn in_path(path: &'static str, generator: &mut SchemaGenerator) -> Vec<Parameter> {
    let names = path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next());
    names
        .map(|name| {
            let (description, schema) = match name {
                "id" | "execution_id" => (
                    "The execution.",
                    schema_of::<ExecutionId>(generator),
                ),
                "wait_id" => ("The question.", inline(json!({ "type": "string" }))),
                "share" => (
                    "The link's number.",
                    inline(json!({ "type": "integer", "format": "int64" })),
                ),
                "sha256" => (
                    "The SHA-256 of the file's content, in lower-case hexadecimal.",
                    inline(json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })),
                ),
                "document" => (
                    "The document's file name.",
                    inline(json!({ "type": "string", "enum": crate::spec::Document::ALL.map(crate::spec::Document::file) })),
                ),
                "chat" => ("The chat, as its client calls it.", inline(json!({ "type": "string" }))),
                "file" => (
                    "The file's name.",
                    inline(json!({ "type": "string", "enum": crate::pages::docs::PAGE.names() })),
                ),
                "asset" => (
                    "The file's name.",
                    inline(json!({ "type": "string", "enum": crate::pages::playground::PAGE.names() })),
                ),
                _ => (
                    "The name of a stored pipeline.",
                    inline(json!({ "type": "string" })),
                ),
            };
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some(description))
                .schema(Some(schema))
                .build()
        })
        .collect()
}

/// The members of `T`, one parameter each.
pub(super) fn of<T: JsonSchema>(
    place: &ParameterIn,
    generator: &mut SchemaGenerator,
) -> Vec<Parameter> {
    let mut whole: Value = T::json_schema(generator).into();
    schema::tidy(&mut whole);
    let required: Vec<String> = whole
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let Some(Value::Object(properties)) = whole.get_mut("properties").map(Value::take) else {
        return Vec::new();
    };
    properties
        .into_iter()
        .map(|(name, mut schema)| {
            let description = schema
                .as_object_mut()
                .and_then(|members| members.remove("description"));
            let needed = required.contains(&name);
            ParameterBuilder::new()
                .name(name)
                .parameter_in(place.clone())
                .required(if needed {
                    Required::True
                } else {
                    Required::False
                })
                .description(description.as_ref().and_then(Value::as_str))
                .schema(Some(inline(schema)))
                .build()
        })
        .collect()
}

/// Where a stream begins, what of it is wanted, and how fast: see `transport::parameters::Selection`.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "read by hand, and described here")]
pub(super) struct Selected {
    /// Where to begin; the header `Last-Event-ID` counts before it.
    after: Option<Position>,
    /// The same, for readers that cannot set a header; counts before `after`.
    last_event_id: Option<Position>,
    /// Events of these types only, and the end.
    #[schemars(rename = "type")]
    types: Option<Vec<String>>,
    /// Events of these steps only, and the end.
    step: Option<Vec<String>>,
    /// Events of at least this level only, and the end.
    level: Option<stepcast_core::filter::Level>,
    /// Events of which this expression holds only, and the end.
    #[schemars(rename = "where")]
    condition: Option<stepcast_core::filter::Condition>,
}

/// How much a stream tells.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "read by hand, and described here")]
pub(super) struct Told {
    /// `full`, `coalesced`, `coalesced:MS`, `steps` or `snapshot`: every event, tokens merged, that steps begin and end, or
    /// what the past comes to and then every event.
    fidelity: Option<String>,
    /// Whether a reader that is too slow gets everything later, or less until it has caught up.
    when_slow: Option<stepcast_core::fidelity::WhenSlow>,
}

/// How fast a recording comes.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "read by hand, and described here")]
pub(super) struct Paced {
    /// So many times as fast as it was recorded; as fast as the peer takes it where it is left out.
    #[schemars(range(min = 0.5, max = 100))]
    pace: Option<f64>,
}

/// Where a reader of events stands.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "read by hand, and described here")]
pub(super) struct LastEventId {
    /// The `id` of the last event that was read.
    #[schemars(rename = "Last-Event-ID")]
    last_event_id: Option<String>,
}

/// What a stream of many executions takes: see `transport::many::Asked`.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "read by hand, and described here")]
pub(super) struct Asked {
    /// An execution to follow, as often as wanted, up to 64 times.
    #[schemars(length(max = 64))]
    execution_id: Option<Vec<ExecutionId>>,
    /// Runs to come of this pipeline, as often as wanted.
    pipeline: Option<Vec<String>>,
    /// One's own runs only.
    mine: Option<bool>,
    /// Runs from here on: `now`, or `under_way` for those too that have not ended.
    since: Option<stepcast_core::pattern::Since>,
    /// The `id` of the last event that was read, unchanged.
    last_event_id: Option<String>,
    /// Events of these types only, and the ends.
    #[schemars(rename = "type")]
    types: Option<Vec<String>>,
    /// Events of these steps only, and the ends.
    step: Option<Vec<String>>,
    /// Events of at least this level only, and the end.
    level: Option<stepcast_core::filter::Level>,
    /// Events of which this expression holds only, and the end.
    #[schemars(rename = "where")]
    condition: Option<stepcast_core::filter::Condition>,
}

/// Who produces, as in Durable Streams: all three or none.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "read by hand, and described here")]
pub(super) struct ProducerHeaders {
    /// The producer's name.
    #[schemars(rename = "Producer-Id", length(min = 1, max = 256))]
    id: Option<String>,
    /// The producer's incarnation.
    #[schemars(rename = "Producer-Epoch", range(max = 9_007_199_254_740_991_u64))]
    epoch: Option<u64>,
    /// The number of this request, or of the first line of it.
    #[schemars(rename = "Producer-Seq", range(max = 9_007_199_254_740_991_u64))]
    seq: Option<u64>,
}

/// What a request for a file says.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "read by hand, and described here")]
pub(super) struct FileHeaders {
    /// A part of the file, `bytes=0-99`.
    #[schemars(rename = "Range")]
    range: Option<String>,
    /// The content that is there already.
    #[schemars(rename = "If-None-Match")]
    if_none_match: Option<String>,
    /// The part is wanted of this content only.
    #[schemars(rename = "If-Range")]
    if_range: Option<String>,
}
