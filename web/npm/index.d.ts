/** An event of a run, as it travels. Types and fields of later versions are kept. */
export interface StreamEvent {
  event_type:
    | "pipeline_start"
    | "step_start"
    | "step_progress"
    | "step_output"
    | "step_complete"
    | "step_error"
    | "pipeline_complete"
    | "pipeline_error"
    | "checkpoint_saved"
    | (string & {});
  execution_id: string;
  step_id?: string;
  /** 1, 2, 3 … without a hole. */
  seq: number;
  /** RFC 3339 in UTC. */
  timestamp: string;
  data: any;
  metadata?: any;
  [field: string]: any;
}

export type GapReason = "retention" | "epoch" | "transport";
export type EndReason = "complete" | "failed" | "cancelled" | "interrupted" | "timeout" | "producer_lost";
export type Transport = "websocket" | "sse" | "long_poll";

/** Events that will not come. */
export interface Gap {
  from: number;
  to: number;
  reason: GapReason;
}

/** The connection. */
export type ConnectionState =
  | { kind: "idle" | "offline" | "stopped" | "unknown" }
  | { kind: "connecting"; transport: Transport; attempt: number }
  | { kind: "catching_up"; transport: Transport; until: number }
  | { kind: "live"; transport: Transport }
  | {
      kind: "waiting";
      delay_ms: number;
      attempt: number;
      reason: "broken" | "stale" | "server_restart" | "busy" | "blocked";
    }
  | { kind: "ended"; reason: EndReason }
  | { kind: "refused"; status: number };

export interface ErrorView {
  category: string;
  message: string;
  step_id: string | null;
  severity: string | null;
}

/** What language models took. `null` where no provider said anything of the kind. */
export interface Usage {
  input_tokens: number | null;
  output_tokens: number | null;
  /** Of the output. */
  reasoning_tokens: number | null;
  /** Of the input. */
  cached_tokens: number | null;
}

export interface ToolCallView {
  call_id: string;
  name: string | null;
  /** The beginning of the JSON text of its arguments, as far as it has come. */
  arguments: string;
  arguments_dropped: number;
  /** Whether the arguments are whole. */
  done: boolean;
}

/** One answer of a language model. */
export interface ModelView {
  provider: string | null;
  model: string | null;
  /** Whether the answer is a recording that is replayed. */
  scripted: boolean;
  tool_calls: ToolCallView[];
  tool_calls_dropped: number;
  usage: Usage;
  finish_reason: "stop" | "length" | "tool_calls" | "content_filter" | "refusal" | (string & {}) | null;
}

/** The circuit breaker in front of a step, as it was told last. */
export interface CircuitView {
  name: string | null;
  state: "closed" | "open" | "half_open" | (string & {});
  failures: number | null;
  retry_at: number | null;
}

export interface FieldView {
  name: string;
  type:
    | "text"
    | "textarea"
    | "number"
    | "boolean"
    | "radio"
    | "select"
    | "multiselect"
    | "email"
    | "url"
    | "date"
    | "datetime"
    | "password";
  label: string | null;
  required: boolean;
  options: { value: any; label: string }[];
  placeholder: string | null;
  rows: number | null;
  min: any;
  max: any;
  default: any;
  description: string | null;
}

export interface FormView {
  title: string | null;
  description: string | null;
  fields: FieldView[];
}

/** A wait for a person. While it is `pending` it takes an answer, an object with one entry a field. */
export interface WaitView {
  wait_id: string;
  state: "pending" | "answered" | "closed";
  iteration: number;
  prompt: string | null;
  form: FormView;
  context: any;
  assigned_users: string[];
  channels: string[];
  expires_at: number | null;
  default: any;
  asked_at: number | null;
  answer: any;
  by: string | null;
  source: "person" | "default" | (string & {}) | null;
  answered_at: number | null;
}

/** A file that a step made: `GET /api/executions/{execution_id}/artifacts/{sha256}`. */
export interface ArtifactView {
  seq: number;
  name: string;
  media_type: string;
  size: number | null;
  sha256: string;
}

export interface StepView {
  id: string;
  name: string | null;
  kind: string | null;
  status:
    | "pending"
    | "running"
    | "retrying"
    | "waiting"
    | "completed"
    | "failed_continued"
    | "failed"
    | "skipped"
    | "unknown";
  iteration: number;
  attempt: number;
  max_attempts: number | null;
  retry_at: number | null;
  retries: number;
  fallback: boolean;
  progress: number | null;
  message: string | null;
  custom: any;
  text: string;
  text_dropped: number;
  reasoning: string;
  reasoning_dropped: number;
  models: ModelView[];
  models_dropped: number;
  usage: Usage;
  circuit: CircuitView | null;
  waits: WaitView[];
  waits_dropped: number;
  artifacts: ArtifactView[];
  artifacts_dropped: number;
  logs: { seq: number; level: string; message: string }[];
  logs_dropped: number;
  output: any;
  output_seq: number | null;
  /** Whether the output is only what there was when the step failed. */
  partial: boolean;
  error: ErrorView | null;
  started_at: number | null;
  ended_at: number | null;
  duration_ms: number | null;
  last_seq: number;
}

/** A run as it is known: the fold of its events. Times are milliseconds since 1970. */
export interface RunView {
  execution_id: string | null;
  name: string | null;
  description: string | null;
  version: string | null;
  start_at: string | null;
  status: "pending" | "running" | "waiting" | "completed" | "failed";
  end: EndReason | null;
  error: ErrorView | null;
  input: any;
  output: any;
  started_at: number | null;
  ended_at: number | null;
  duration_ms: number | null;
  progress: number;
  steps: StepView[];
  paths: { from: string; to: string; condition: string | null; taken: number }[];
  /** Of all steps, attempts and iterations. */
  usage: Usage;
  checkpoints: number;
  resumes: number;
  events: number;
  unknown: number;
  last_seq: number;
  gaps: Gap[];
  missing: number;
}

export interface StreamClientOptions {
  /** The server's origin, such as `https://example.org`. A page's own where it is left out. */
  url?: string;
  /** Which run. */
  executionId: string;
  /** From where: a cursor, `earliest` (as where it is left out) or `now`. */
  after?: string;
  /** Which transports to try, in order; all that the host has where it is left out. */
  transports?: Transport[];
  /** Who you are, on a server with accounts. In a browser's WebSocket it travels as a subprotocol, else as a header. */
  token?: string;
  /** Closes the client when it is aborted. */
  signal?: AbortSignal;
  /** The next event, in order, once. */
  onEvent?(event: StreamEvent): void;
  /** Events that will not come. */
  onGap?(gap: Gap): void;
  /** The log was recreated: forget what came before. */
  onReset?(reset: { epoch: number }): void;
  /** The connection's state has changed. */
  onState?(state: ConnectionState): void;
}

/**
 * Follows one run: reconnects by itself, resumes exactly, and says what it does.
 *
 * As an async iterable it yields the events until the run ends, and throws a `StreamRefusedError` where the
 * server refuses for good. Leaving the last loop closes the client. Leaving is not cancelling.
 */
export class StreamClient implements AsyncIterable<StreamEvent> {
  constructor(options: StreamClientOptions);
  /** Loads the wasm where needed, and connects. */
  start(): Promise<void>;
  /** Hangs up for good. */
  close(): void;
  /** Shows this token from the next connection on: the one before has expired, or is about to. */
  show(token?: string): void;
  /** Tries again now, after a refusal too. */
  retry(): void;
  /** The connection. */
  readonly state: ConnectionState;
  /** Where to come back to: give it to another client as `after`. */
  readonly cursor: string;
  /** The run as it is known now; undefined before the start. */
  view(): RunView | undefined;
  [Symbol.asyncIterator](): AsyncGenerator<StreamEvent, void, void>;
}

/** The server refused for good. */
export class StreamRefusedError extends Error {
  /** The HTTP status, or the one that the close code stands for. */
  readonly status: number;
}

/**
 * Loads the wasm, once. A page that may not fetch it from beside the module gives its address, its bytes, or a
 * compiled module.
 */
export function init(source?: string | URL | Request | Response | BufferSource | WebAssembly.Module): Promise<void>;

/** Folds events, and the gap frames between them, into the view of a run. After `init`. */
export function foldEvents(frames: readonly object[]): RunView;

/** Reads one frame, and throws where the text is none. After `init`. */
export function parseFrame(
  text: string,
):
  | { kind: "event"; frame: StreamEvent }
  | { kind: "control"; frame: { control: string; [field: string]: any } }
  | { kind: "unknown_control"; frame: { control: string; [field: string]: any } };

/** What an SSE body says. */
export type SseItem =
  | { message: { event: string; data: string; last_event_id: string } }
  | { retry: number }
  | { comment: true };

/** Reads an SSE body that came in these pieces. After `init`. */
export function readSse(chunks: readonly (string | Uint8Array)[]): SseItem[];

/** Whether a client comes back after a WebSocket was closed with this code. After `init`. */
export function comesBack(code: number): boolean;
