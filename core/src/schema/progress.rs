//! The shapes of `step_progress`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

use super::data::Failure;
use crate::time::Timestamp;
use crate::view::FieldKind;

/// The data of a `step_progress`: a fraction, one of the shapes that have a `kind`, or a shape of a later version.
#[derive(Debug)]
pub struct StepProgress;

impl JsonSchema for StepProgress {
    fn schema_name() -> Cow<'static, str> {
        "StepProgress".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let known: Vec<Value> = words(&Shape::json_schema(generator));
        json_schema!({
            "description": "What a step says while it is under way; `kind` says in which shape, and without one it is a fraction.",
            "oneOf": [
                generator.subschema_for::<Fraction>(),
                generator.subschema_for::<Shape>(),
                {
                    "title": "LaterShape",
                    "description": "A shape of a later version.",
                    "type": "object",
                    "properties": { "kind": { "type": "string", "not": { "enum": known } } },
                    "required": ["kind"],
                },
            ],
        })
    }
}

/// The `kind` of each variant of a tagged enum.
fn words(schema: &Schema) -> Vec<Value> {
    let variants = schema.get("oneOf").and_then(Value::as_array);
    let kind = |it: &Value| it.pointer("/properties/kind/const").cloned();
    variants.into_iter().flatten().filter_map(kind).collect()
}

/// How far a step is.
#[derive(Debug, JsonSchema)]
#[schemars(extend("not" = { "required": ["kind"] }))]
pub struct Fraction {
    /// From 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub progress: Option<f64>,
    /// What the step is doing.
    pub message: Option<String>,
}

/// What a step says in a shape of its own.
#[derive(Debug, JsonSchema)]
#[schemars(tag = "kind", rename_all = "snake_case", rename = "ProgressShape")]
#[expect(clippy::large_enum_variant, reason = "described, and never made")]
pub enum Shape {
    /// Append to the step's text, or to its reasoning.
    Token {
        /// What to append.
        text: String,
        /// Where to append it; to the step's text where it is left out.
        channel: Option<Channel>,
    },
    /// A language model is asked; the tokens, tool calls and usage up to the next `llm` are its own.
    Llm {
        /// Who serves the model.
        provider: String,
        /// The model.
        model: String,
        /// Whether the answer is a recording that is replayed.
        scripted: Option<bool>,
    },
    /// Append to the JSON text of this call's arguments.
    ToolCall {
        /// Its id, unique in the answer.
        call_id: String,
        /// The tool; comes with the first piece.
        name: Option<String>,
        /// More of the JSON text of the arguments.
        arguments: Option<String>,
        /// Whether the arguments are whole.
        done: Option<bool>,
        /// How long the tool took, in milliseconds, once it has.
        #[schemars(range(min = 0))]
        duration_ms: Option<f64>,
    },
    /// What a model's answer took, all in all; a later one of the same answer replaces it.
    Usage {
        /// Tokens of what the model was given.
        input_tokens: Option<u64>,
        /// Tokens of what it gave.
        output_tokens: Option<u64>,
        /// Of these, the ones of reasoning.
        reasoning_tokens: Option<u64>,
        /// Of the input tokens, those that the provider had kept.
        cached_tokens: Option<u64>,
        /// `stop`, `length`, `tool_calls`, `content_filter`, `refusal` or the provider's own word.
        finish_reason: Option<String>,
    },
    /// A line of the step's log.
    Log {
        /// How grave it is.
        level: Level,
        /// The line.
        message: String,
    },
    /// Another attempt begins after the delay.
    Retry {
        /// Which attempt.
        #[schemars(range(min = 1))]
        attempt: u64,
        /// The most attempts.
        max_attempts: u64,
        /// How long it waits, in milliseconds.
        #[schemars(range(min = 0))]
        delay_ms: f64,
        /// Why the attempt before it failed.
        error: Failure,
    },
    /// The step's fallback gives its output.
    Fallback {
        /// Why it is needed.
        error: Failure,
    },
    /// A circuit breaker has changed its state.
    Circuit {
        /// Its name.
        name: String,
        /// The state.
        state: CircuitState,
        /// Failures counted.
        failures: u64,
        /// While open: until when no attempt is made, in milliseconds from now.
        #[schemars(range(min = 0))]
        retry_after_ms: Option<f64>,
    },
    /// The step waits for a person.
    Waiting {
        /// Unique in the execution.
        wait_id: String,
        /// What is asked.
        prompt: String,
        /// What to fill in.
        form: Form,
        /// What to know for an answer.
        context: Option<Value>,
        /// Who is asked.
        assigned_users: Option<Vec<String>>,
        /// By which ways they are asked.
        channels: Option<Vec<String>>,
        /// Until when; the answer is then `default`, and where there is none, the step fails.
        expires_at: Option<Timestamp>,
        /// The answer where nobody gives one.
        default: Option<Map<String, Value>>,
    },
    /// A wait is over.
    Answered {
        /// Which.
        wait_id: String,
        /// One entry for each field of the form.
        answer: Map<String, Value>,
        /// What whoever answered calls themselves.
        by: Option<String>,
        /// Who answered.
        source: Source,
    },
    /// The step made a file, to be had at `/api/executions/{execution_id}/artifacts/{sha256}`.
    Artifact {
        /// Its name; one of the same name replaces the former.
        name: String,
        /// Its media type.
        media_type: String,
        /// Its size in bytes.
        size: u64,
        /// The SHA-256 of its content, in lower-case hexadecimal.
        #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
        sha256: String,
    },
    /// What this execution of the step did had to be undone.
    Compensated {
        /// Why.
        reason: Option<String>,
    },
    /// How the step was to work, and how it does.
    Mode {
        /// How it was to work.
        declared: String,
        /// How it does.
        actual: String,
    },
    /// Somebody, or a program, explained what the run did.
    Explanation {
        /// How long that took, in milliseconds.
        #[schemars(range(min = 0))]
        duration_ms: f64,
        /// Whether it did any good.
        succeeded: bool,
    },
    /// The run was replayed.
    Replay {
        /// How.
        mode: Option<String>,
        /// Whether it gave the same again.
        succeeded: bool,
    },
    /// Anything that a step wishes to say.
    Custom {},
    /// The run had stopped, and goes on.
    Resumed {
        /// Why it goes on.
        reason: ResumeReason,
        /// From where; from its beginning where it is left out.
        checkpoint_id: Option<String>,
        /// The steps that begin again.
        steps: Vec<String>,
        /// The execution whose history the events before this one are.
        resumed_from: Option<String>,
    },
}

/// Where text of a step belongs.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Channel {
    /// To its reasoning.
    Reasoning,
}

/// How grave a line is.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "LogLevel")]
pub enum Level {
    /// Of use to who looks for a fault.
    Debug,
    /// Good to know.
    Info,
    /// Not as it should be.
    Warning,
    /// Wrong.
    Error,
}

/// What a circuit breaker does.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum CircuitState {
    /// It lets every attempt through.
    Closed,
    /// It lets none through until the time has passed.
    Open,
    /// It lets one through.
    HalfOpen,
}

/// Who gave an answer.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "AnswerSource")]
pub enum Source {
    /// A person.
    Person,
    /// Nobody did in time: it is the question's default.
    Default,
}

/// Why a run goes on.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum ResumeReason {
    /// The server had ended in the middle of it.
    Restart,
    /// Somebody asked for it after the run had ended.
    Request,
}

/// The form that a person is asked to fill in.
#[derive(Debug, JsonSchema)]
pub struct Form {
    /// Its title.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What there is to fill in.
    pub fields: Vec<Field>,
}

/// One field of a form.
#[derive(Debug, JsonSchema)]
pub struct Field {
    /// Its name: the answer has it as a key.
    pub name: String,
    /// What it takes.
    #[schemars(rename = "type")]
    pub kind: FieldKind,
    /// What to call it, where that is not its name.
    pub label: Option<String>,
    /// Whether an answer needs it.
    pub required: Option<bool>,
    /// What there is to choose from.
    pub options: Option<Vec<Choice>>,
    /// What to show where it is empty.
    pub placeholder: Option<String>,
    /// How many lines to show.
    pub rows: Option<u64>,
    /// The least it takes.
    pub min: Option<Value>,
    /// The most it takes.
    pub max: Option<Value>,
    /// What it holds at first.
    pub default: Option<Value>,
    /// What it is for.
    pub description: Option<String>,
}

/// Something to choose.
#[derive(Debug, JsonSchema)]
pub struct Choice {
    /// What the answer has of it.
    pub value: Value,
    /// What to call it.
    pub label: String,
}
