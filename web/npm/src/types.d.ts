// Written by `cargo xtask npm` from the Rust types; changes here are lost.

/**
 * One event of one execution.
 *
 * Fields that this build does not know are kept in `extra` and written again.
 */
export type StreamEvent = {
/** What happened. */
event_type: EventType,
/** To which execution. */
execution_id: ExecutionId,
/** In which step; none for what concerns the whole execution. */
step_id?: StepId,
/** The place in the execution: 1, 2, 3 … without a hole. */
seq: number,
/** When, by the server's clock. */
timestamp: Timestamp,
/** What, in the shape that `docs/protocol.md` gives for the type. */
data: any,
/** What the author of the pipeline or the step attached. */
metadata?: any, };

/** What happened. A type this build does not know is kept as it came. */
export type EventType = "pipeline_start" | "step_start" | "step_progress" | "step_output" | "step_complete" | "step_error" | "pipeline_complete" | "pipeline_error" | "checkpoint_saved" | string & {};

/** One run of one pipeline: 1 to 128 bytes of `A-Z a-z 0-9 . _ : -`. */
export type ExecutionId = string;

/** A step of a pipeline, by the name that the pipeline's author gave it: any text. */
export type StepId = string;

/**
 * A wall-clock time as RFC 3339 in UTC with milliseconds, for example `2025-10-22T10:30:00.123Z`.
 *
 * Kept as the text that travelled: an event's bytes are the same everywhere.
 */
export type Timestamp = string;

/**
 * What the server says about a stream.
 *
 * `execution_id` names the stream; each frame carries it, so that many streams share one connection.
 */
export type ControlFrame = { "control": "hello",
/** Which stream. */
execution_id: ExecutionId,
/** The log's incarnation; with an event's `seq` it makes the cursor. */
epoch: number,
/** The first event that is still there; one past `last_seq` where none is. */
earliest: number,
/** The last event so far. */
last_seq: number,
/** The server says something at least this often, in milliseconds: a ping where nothing else. */
heartbeat_ms: number,
/** How long to wait before the first try to come back, in milliseconds. */
retry_ms: number, } | { "control": "gap",
/** Which stream. */
execution_id: ExecutionId,
/** The first missing one. */
from: number,
/** The last missing one. */
to: number,
/** Why. */
reason: GapReason,
/** With [`GapReason::Epoch`]: the log's new incarnation. */
epoch?: number, } | { "control": "closed",
/** Which stream. */
execution_id: ExecutionId,
/** The last event of it. */
last_seq: number,
/** How it ended. */
reason: EndReason, } | { "control": "watching",
/** Which watch. */
watch: string,
/** All runs up to here have been looked at. */
mark: Mark, } | { "control": "matched",
/** Which watch. */
watch: string,
/** The run. */
execution_id: ExecutionId,
/** All runs up to this one have been looked at: a watch that begins after it picks up the next. */
mark: Mark, } | { "control": "place",
/** Which stream. */
execution_id: ExecutionId,
/** Where it comes back from. */
cursor: string, } | { "control": "snapshot",
/** Which stream. */
execution_id: ExecutionId,
/** Where it comes back from. */
cursor: string,
/** The view of the run, folded from them. */
view: RunView, } | { "control": "fidelity",
/** Which stream. */
execution_id: ExecutionId,
/** How much is told from here on. */
fidelity: string,
/** From where on. */
cursor: string, } | { "control": "ping", } | { "control": "pong", } | { "control": "goaway",
/** How long to wait, in milliseconds; drawn for each connection, so that not all come at once. */
retry_ms: number,
/** Why. */
reason: GoawayReason, } | { "control": "error",
/** Which stream, where one is meant. */
execution_id?: ExecutionId,
/** The HTTP status that the same request would get. */
status: number,
/** What is wrong, and what to do. */
message: string, };

/**
 * A place in the order in which runs were made, `m<epoch>.<number>`: all up to it have been looked at. The default lies
 * before all of them.
 *
 * Opaque outside this crate and the server.
 */
export type Mark = string;

/** Why events are missing. */
export type GapReason = "retention" | "epoch" | "transport";

/** Why a server sends a client away for a while. */
export type GoawayReason = "restart" | "busy" | "expired";

/** Why an execution ended. Honest in every case: see rule 6 of the contract. */
export type EndReason = "complete" | "failed" | "cancelled" | "interrupted" | "timeout" | "producer_lost" | "unknown";

/** The connection. */
export type ConnectionState = { "kind": "idle", } | { "kind": "connecting",
/** By which transport. */
transport: Transport,
/** How many have failed in a row. */
attempt: number, } | { "kind": "catching_up",
/** By which transport. */
transport: Transport,
/** The event at which it will have caught up. */
until: number, } | { "kind": "live",
/** By which transport. */
transport: Transport, } | { "kind": "waiting",
/** After how long, in milliseconds. */
delay_ms: number,
/** How many have failed in a row. */
attempt: number,
/** Why. */
reason: WaitReason, } | { "kind": "offline", } | { "kind": "paused", } | { "kind": "ended",
/** How it ended. */
reason: EndReason, } | { "kind": "refused",
/** The HTTP status, or the one that the close code stands for. */
status: number, } | { "kind": "stopped", } | { "kind": "unknown", };

/** A way to reach the server. */
export type Transport = "websocket" | "sse" | "long_poll";

/** Why a connection is made later. */
export type WaitReason = "broken" | "stale" | "server_restart" | "busy" | "blocked" | "expired";

/** Where a run stands, in short. */
export type Summary = {
/** The pipeline's name, once it is known. */
name: string | null,
/** Where it stands, by the name that the server's list uses: `running`, `completed`, `cancelled`, … */
status: string,
/** Whether it has ended. */
ended: boolean,
/** Whole percent. */
percent: number, };

/** What is known of one execution. */
export type RunView = {
/** Which execution; none before the first event. */
execution_id: ExecutionId | null,
/** The pipeline's name, description and version. */
name: string | null,
/** See `name`. */
description: string | null,
/** See `name`. */
version: string | null,
/** The step that the pipeline begins with. */
start_at: string | null,
/** Where it stands. */
status: RunStatus,
/** How it ended. */
end: EndReason | null,
/** The error it ended with. */
error: ErrorView | null,
/** What it was given. */
input: any,
/** What it gave. */
output: any,
/** Milliseconds since 1970. */
started_at: number | null,
/** Milliseconds since 1970. */
ended_at: number | null,
/** Milliseconds, as the server measured them. */
duration_ms: number | null,
/** See [`RunView::progress`]. */
progress: number,
/** The steps in the pipeline's order, then those nobody announced. */
steps: Array<StepView>,
/** The pipeline's paths, then those nobody announced. */
paths: Array<PathView>,
/** What language models took, in all steps, attempts and iterations. */
usage: Usage,
/** Checkpoints saved. */
checkpoints: number,
/** How often it went on after it had stopped. */
resumes: number,
/** Events folded. */
events: number,
/** Of these, the ones of a type or form that this build can make nothing of. */
unknown: number,
/** The last event folded. */
last_seq: number,
/** What is missing: the newest [`MAX_GAPS`]. */
gaps: Array<GapView>,
/** How many events are missing by all gaps. */
missing: number, };

/** Where an execution stands. */
export type RunStatus = "pending" | "running" | "waiting" | "completed" | "failed";

/** An edge of the pipeline's graph. */
export type PathView = {
/** Begins at. */
from: string,
/** Leads to; a step or an `end…`. */
to: string,
/** The condition in words; none for always. */
condition: string | null,
/** How often it was taken. */
taken: number, };

/** A hole in what is known. */
export type GapView = {
/** The first missing event. */
from: number,
/** The last missing event. */
to: number,
/** Why. */
reason: GapReason, };

/** What is known of one step; of its newest iteration, where nothing else is said. */
export type StepView = {
/** Its id. */
id: string,
/** Its name, where it has one beside the id. */
name: string | null,
/** Its kind: `http`, `command`, a class. */
kind: string | null,
/** Where it stands. */
status: StepStatus,
/** 1 for the first time through a loop; 0 before it begins. */
iteration: number,
/** 1 for the first try; 0 before it begins. */
attempt: number,
/** How many tries there may be, where a retry said so. */
max_attempts: number | null,
/** While retrying: when the next attempt begins, in milliseconds since 1970. */
retry_at: number | null,
/** Retries in all iterations. */
retries: number,
/** Whether its fallback gives the output. */
fallback: boolean,
/** 0 to 1, as the step reported it. */
progress: number | null,
/** What it says it is doing. */
message: string | null,
/** What it said last in a form of its own (`custom`). */
custom: any,
/**
 * The end of the text streamed by it, newest attempt: at most
 * [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES).
 */
text: string,
/** Bytes of text dropped in front of `text`. */
text_dropped: number,
/** The end of the reasoning streamed beside the text, bounded like it. */
reasoning: string,
/** Bytes dropped in front of `reasoning`. */
reasoning_dropped: number,
/** The answers of language models, newest attempt: the newest [`MAX_MODELS`](super::MAX_MODELS). */
models: Array<ModelView>,
/** Answers dropped in front of `models`. */
models_dropped: number,
/** What language models took for it, in all attempts and iterations. */
usage: Usage,
/** The circuit breaker in front of it, where one said something in this iteration. */
circuit: CircuitView | null,
/** Its waits for people, of all iterations: the newest [`MAX_WAITS`](super::MAX_WAITS). */
waits: Array<WaitView>,
/** Waits dropped in front of `waits`. */
waits_dropped: number,
/** Files it made, newest attempt, one of a name: at most [`MAX_ARTIFACTS`](super::MAX_ARTIFACTS). */
artifacts: Array<ArtifactView>,
/** Files dropped in front of `artifacts`. */
artifacts_dropped: number,
/** Its newest log lines, of all iterations: at most [`MAX_LOGS`](super::MAX_LOGS). */
logs: Array<LogView>,
/** Log lines dropped in front of `logs`. */
logs_dropped: number,
/** What it gave. */
output: any,
/** The event that holds the output; with no `output` here, that event is missing. */
output_seq: number | null,
/** Whether what it gave is only what there was when it failed. */
partial: boolean,
/** What went wrong last, an attempt that was retried included. */
error: ErrorView | null,
/** Milliseconds since 1970, newest iteration. */
started_at: number | null,
/** Milliseconds since 1970, newest iteration. */
ended_at: number | null,
/** Milliseconds, as the server measured them. */
duration_ms: number | null,
/** The last event of it. */
last_seq: number, };

/** Where a step stands. */
export type StepStatus = "pending" | "running" | "retrying" | "waiting" | "completed" | "failed_continued" | "failed" | "skipped" | "unknown";

/** An error, as events carry it. */
export type ErrorView = {
/** `network`, `validation`, `timeout`, `resource`, `dependency`, `logic`, `configuration` or `unknown`. */
category: string,
/** What went wrong. */
message: string,
/** In which step, where the run's error names one. */
step_id: string | null,
/** `critical`, `error`, `warning` or `info`, where the event says so. */
severity: string | null, };

/** One log line of a step. */
export type LogView = {
/** The event it came with. */
seq: number,
/** `debug`, `info`, `warning` or `error`. */
level: string,
/** The line. */
message: string, };

/** One answer of a language model, from the `llm` that asks for it to the next. */
export type ModelView = {
/** Who serves the model; none where nothing said so. */
provider: string | null,
/** The model; none where nothing said so. */
model: string | null,
/** Whether the answer is a recording that is replayed. */
scripted: boolean,
/** The tools it calls, in the order in which they began: the newest [`MAX_TOOL_CALLS`]. */
tool_calls: Array<ToolCallView>,
/** Tool calls dropped in front of `tool_calls`. */
tool_calls_dropped: number,
/** What this answer took, as far as it was said. */
usage: Usage,
/** Why it ended: `stop`, `length`, `tool_calls`, `content_filter`, `refusal` or the provider's own word. */
finish_reason: string | null, };

/** A call of a tool. */
export type ToolCallView = {
/** Its id, unique in the answer. */
call_id: string,
/** The tool. */
name: string | null,
/** The beginning of the JSON text of its arguments: at most [`MAX_ARGUMENT_BYTES`]. */
arguments: string,
/** Bytes of arguments dropped behind `arguments`. */
arguments_dropped: number,
/** Whether the arguments are whole. */
done: boolean, };

/** What answers of language models took. None where no provider said anything of the kind. */
export type Usage = {
/** Tokens of what the models were given. */
input_tokens: number | null,
/** Tokens of what they gave. */
output_tokens: number | null,
/** Of these, the ones of reasoning. */
reasoning_tokens: number | null,
/** Of the input tokens, those that the provider had kept. */
cached_tokens: number | null, };

/** A circuit breaker, as it was told last. */
export type CircuitView = {
/** Its name. */
name: string | null,
/** `closed`, `open` or `half_open`. */
state: string,
/** Failures counted. */
failures: number | null,
/** While open: until when no attempt is made, in milliseconds since 1970. */
retry_at: number | null, };

/** A file, to be had from the server by its hash. */
export type ArtifactView = {
/** The event that announced it. */
seq: number,
/** Its name. */
name: string,
/** Its type, such as `image/png`. */
media_type: string,
/** Its size in bytes, where it was told. */
size: number | null,
/** The SHA-256 of its content, in lower-case hexadecimal. */
sha256: string, };

/** A wait of a step for a person. */
export type WaitView = {
/** Its id, unique in the execution. */
wait_id: string,
/** Where it stands. */
state: WaitState,
/** Which time through a loop it belongs to. */
iteration: number,
/** What is asked. */
prompt: string | null,
/** What is to be filled in. */
form: FormView,
/** What the person is to know. */
context: any,
/** Who is asked; anybody where the list is empty. */
assigned_users: Array<string>,
/** Where they are told of it. */
channels: Array<string>,
/** When it is over without an answer, in milliseconds since 1970. */
expires_at: number | null,
/** The answer that it then has; without one the step fails. */
default: any,
/** Milliseconds since 1970. */
asked_at: number | null,
/** What was answered. */
answer: any,
/** By whom, where they said so. */
by: string | null,
/** `person` or `default`. */
source: string | null,
/** Milliseconds since 1970. */
answered_at: number | null, };

/** Where a wait stands. */
export type WaitState = "pending" | "answered" | "closed";

/** A form, as the server has brought it into shape. */
export type FormView = {
/** Its title. */
title: string | null,
/** What it is for. */
description: string | null,
/** What there is to fill in. */
fields: Array<FieldView>, };

/** One field of a form. */
export type FieldView = {
/** Its name: the answer has it as a key. */
name: string,
/** What it takes. */
type: FieldKind,
/** What to call it, where that is not its name. */
label: string | null,
/** Whether an answer needs it. */
required: boolean,
/** What there is to choose from. */
options: Array<OptionView>,
/** What to show where it is empty. */
placeholder: string | null,
/** How many lines to show. */
rows: number | null,
/** The least it takes. */
min: any,
/** The most it takes. */
max: any,
/** What it holds at first. */
default: any,
/** What it is for. */
description: string | null, };

/** What a field takes. */
export type FieldKind = "text" | "textarea" | "number" | "boolean" | "radio" | "select" | "multiselect" | "email" | "url" | "date" | "datetime" | "password";

/** Something to choose. */
export type OptionView = {
/** What the answer has of it. */
value: any,
/** What to call it. */
label: string, };
