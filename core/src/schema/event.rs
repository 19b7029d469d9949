//! The event, one schema for each type.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::data::{
    CheckpointSaved, PipelineComplete, PipelineError, PipelineStart, StepComplete, StepError,
    StepOutput, StepStart,
};
use super::progress::StepProgress;
use super::{pascal, reference};
use crate::event::{EventType, StreamEvent};
use crate::id::{ExecutionId, StepId};
use crate::time::Timestamp;

impl JsonSchema for StreamEvent {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let later = EventType::Unknown("later".to_owned());
        let mut types = Vec::new();
        for event_type in EventType::KNOWN.into_iter().chain([later]) {
            let name = event_name(&event_type);
            let schema = one(generator, &event_type);
            generator
                .definitions_mut()
                .insert(name.clone(), schema.into());
            types.push(reference(generator, &name));
        }
        json_schema!({
            "description": "One event of one execution, the same bytes on every transport and in the log. A reader keeps types and fields that it does not know. Each type is described as this server's own runs tell it; what a producer elsewhere says is its own affair.",
            "oneOf": types,
        })
    }
}

/// What the schema of events of this type is called.
pub fn event_name(event_type: &EventType) -> String {
    format!("{}Event", pascal(event_type.as_str()))
}

/// Whether events of a type are of a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Of {
    Run,
    Step,
    Either,
}

/// What an event of this type says, and of what.
fn said(event_type: &EventType) -> (&'static str, Of) {
    match event_type {
        EventType::PipelineStart => ("The execution begins.", Of::Run),
        EventType::StepStart => ("A step begins an iteration.", Of::Step),
        EventType::StepProgress => (
            "What happens inside a step, in one of several shapes; the run itself says some of them too.",
            Of::Either,
        ),
        EventType::StepOutput => ("A step has produced output.", Of::Step),
        EventType::StepComplete => ("A step ends well.", Of::Step),
        EventType::StepError => ("A step ends badly.", Of::Step),
        EventType::PipelineComplete => ("The execution ends well. Nothing follows.", Of::Run),
        EventType::PipelineError => (
            "The execution ends badly, with a reason. Nothing follows.",
            Of::Run,
        ),
        EventType::CheckpointSaved => ("The execution can be resumed from here.", Of::Run),
        EventType::Unknown(_) => (
            "An event of a type that this version does not know: to be kept.",
            Of::Either,
        ),
    }
}

fn data(generator: &mut SchemaGenerator, event_type: &EventType) -> Schema {
    match event_type {
        EventType::PipelineStart => generator.subschema_for::<PipelineStart>(),
        EventType::StepStart => generator.subschema_for::<StepStart>(),
        EventType::StepProgress => generator.subschema_for::<StepProgress>(),
        EventType::StepOutput => generator.subschema_for::<StepOutput>(),
        EventType::StepComplete => generator.subschema_for::<StepComplete>(),
        EventType::StepError => generator.subschema_for::<StepError>(),
        EventType::PipelineComplete => generator.subschema_for::<PipelineComplete>(),
        EventType::PipelineError => generator.subschema_for::<PipelineError>(),
        EventType::CheckpointSaved => generator.subschema_for::<CheckpointSaved>(),
        EventType::Unknown(_) => json_schema!({ "description": "Anything." }),
    }
}

/// The schema of the type's own word.
fn word(event_type: &EventType) -> Value {
    let known = EventType::KNOWN;
    if known.contains(event_type) {
        return json!({ "type": "string", "const": event_type.as_str() });
    }
    json!({
        "type": "string",
        "pattern": "^[a-z0-9_]{1,64}$",
        "not": { "enum": known.each_ref().map(EventType::as_str) },
    })
}

fn one(generator: &mut SchemaGenerator, event_type: &EventType) -> Schema {
    let (description, of) = said(event_type);
    let mut properties = Map::new();
    properties.insert("event_type".into(), word(event_type));
    let mut put = |name: &str, schema: Schema| properties.insert(name.into(), schema.into());
    put("execution_id", generator.subschema_for::<ExecutionId>());
    if of != Of::Run {
        put("step_id", generator.subschema_for::<StepId>());
    }
    put(
        "seq",
        json_schema!({
            "description": "The place in the execution: 1, 2, 3 … without a hole.",
            "type": "integer",
            "minimum": 1,
        }),
    );
    put("timestamp", generator.subschema_for::<Timestamp>());
    put("data", data(generator, event_type));
    put(
        "metadata",
        json_schema!({ "description": "What the author of the pipeline or the step attached." }),
    );
    let mut required = vec!["event_type", "execution_id", "seq", "timestamp", "data"];
    if of == Of::Step {
        required.push("step_id");
    }
    json_schema!({
        "description": description,
        "type": "object",
        "properties": (Value::from(properties)),
        "required": required,
    })
}
