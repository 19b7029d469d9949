//! The data of events, by type. Known to the schema only: whoever emits an event writes its data as it goes.

use schemars::JsonSchema;
use serde_json::{Map, Value};

use crate::id::Seq;

/// What `pipeline_start` tells: the pipeline, and what it was given.
#[derive(Debug, JsonSchema)]
pub struct PipelineStart {
    /// The pipeline, as far as a reader needs it.
    pub pipeline: Pipeline,
    /// What the run was given.
    pub input: Map<String, Value>,
}

/// A pipeline, as an event describes it.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "PipelineShape")]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its steps.
    pub steps: Vec<Step>,
    /// Where it goes from each step.
    pub paths: Vec<Path>,
    /// The step that it begins with; a producer elsewhere need not say it.
    pub start_at: Option<String>,
}

/// A step, as an event describes it.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "StepShape")]
pub struct Step {
    /// Its id.
    pub id: String,
    /// What to call it, where that is not its id.
    pub name: Option<String>,
    /// What kind of step it is.
    pub kind: String,
}

/// A path between two steps, as an event describes it.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "PathShape")]
pub struct Path {
    /// The step it comes from.
    pub from: String,
    /// The step it goes to, or the name of an end.
    pub to: String,
    /// The condition in words; left out where it is always true.
    pub condition: Option<String>,
}

/// What `step_start` tells.
#[derive(Debug, JsonSchema)]
pub struct StepStart {
    /// What to call the step, where that is not its id.
    pub name: Option<String>,
    /// What kind of step it is.
    pub kind: String,
    /// How many times a loop has come by, this one counted.
    #[schemars(range(min = 1))]
    pub iteration: u64,
    /// Which attempt begins.
    #[schemars(range(min = 1))]
    pub attempt: u64,
}

/// What `step_output` tells. A step may send several; the last one is its result.
#[derive(Debug, JsonSchema)]
pub struct StepOutput {
    /// The output.
    pub output: Value,
    /// Whether it is what a step that failed had to show.
    pub partial: Option<bool>,
}

/// What `step_complete` tells.
#[derive(Debug, JsonSchema)]
#[schemars(extend("oneOf" = [{ "required": ["output"] }, { "required": ["output_seq"] }]))]
pub struct StepComplete {
    /// The output, where it is not large.
    pub output: Option<Value>,
    /// The `step_output` that holds the output, where it is large.
    pub output_seq: Option<Seq>,
    /// How long the step worked, in milliseconds, waits for people left out.
    #[schemars(range(min = 0))]
    pub duration_ms: f64,
    /// How many times a loop has come by.
    #[schemars(range(min = 1))]
    pub iteration: u64,
    /// The attempt that succeeded.
    #[schemars(range(min = 1))]
    pub attempt: u64,
    /// The paths taken, by target.
    pub next: Vec<String>,
}

/// What `step_error` tells.
#[derive(Debug, JsonSchema)]
pub struct StepError {
    /// Why it failed.
    pub error: Failure,
    /// How long the step worked, in milliseconds.
    #[schemars(range(min = 0))]
    pub duration_ms: f64,
    /// How many times a loop has come by.
    #[schemars(range(min = 1))]
    pub iteration: u64,
    /// The attempt that failed last.
    #[schemars(range(min = 1))]
    pub attempt: u64,
    /// Whether `continue_on_error` keeps the run going.
    pub continued: bool,
    /// Where it is kept going: the paths taken, by target.
    pub next: Option<Vec<String>>,
    /// Whether a `step_output` before it shows what there was.
    pub partial: Option<bool>,
}

/// Why a step or a run failed.
#[derive(Debug, JsonSchema)]
pub struct Failure {
    /// What kind of thing went wrong.
    pub category: Category,
    /// How bad it is.
    pub severity: Severity,
    /// What happened, for people.
    pub message: String,
    /// Whether another attempt, or a fallback, makes sense.
    pub recoverable: bool,
    /// The step that failed, where the error is told for the whole run.
    pub step_id: Option<String>,
}

/// What kind of thing went wrong.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "FailureCategory")]
pub enum Category {
    /// A connection.
    Network,
    /// What was given or what came out does not look as it has to.
    Validation,
    /// It took too long.
    Timeout,
    /// Something ran out, or is not there.
    Resource,
    /// Another service or program.
    Dependency,
    /// The work itself.
    Logic,
    /// The pipeline or the server is set up wrongly.
    Configuration,
    /// Nobody knows.
    Unknown,
}

/// How bad it is.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "snake_case", rename = "FailureSeverity")]
pub enum Severity {
    /// A bug.
    Critical,
    /// The step failed.
    Error,
    /// The step may be of use nevertheless.
    Warning,
    /// Nothing is wrong.
    Info,
}

/// What `pipeline_complete` tells.
#[derive(Debug, JsonSchema)]
pub struct PipelineComplete {
    /// What the run gave.
    pub output: Value,
    /// How long it took, in milliseconds.
    #[schemars(range(min = 0))]
    pub duration_ms: f64,
    /// How many executions of steps ended well.
    pub steps_completed: u64,
}

/// What `pipeline_error` tells.
#[derive(Debug, JsonSchema)]
pub struct PipelineError {
    /// What went wrong.
    pub error: Failure,
    /// How it ended.
    pub reason: ErrorReason,
    /// How long it took, in milliseconds.
    #[schemars(range(min = 0))]
    pub duration_ms: f64,
}

/// How a run that failed has ended.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum ErrorReason {
    /// A step failed, and nothing caught it.
    Failed,
    /// Somebody asked for it.
    Cancelled,
    /// It ran longer than it may.
    Timeout,
    /// The server stopped in the middle of it.
    Interrupted,
    /// The program that posted its events fell silent.
    ProducerLost,
}

/// What `checkpoint_saved` tells: nothing up to here is executed again where the run goes on.
#[derive(Debug, JsonSchema)]
pub struct CheckpointSaved {
    /// A text, unique in the execution.
    pub checkpoint_id: String,
    /// The step whose end is kept.
    pub step_id: String,
    /// How many executions of steps have ended well.
    pub steps_completed: u64,
}
