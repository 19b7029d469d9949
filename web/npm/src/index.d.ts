import type {
  ConnectionState,
  ControlFrame,
  ExecutionId,
  GapView,
  RunView,
  StreamEvent,
  Transport,
} from "./types.js";

export type * from "./types.js";

/** Events that will not come. */
export type Gap = GapView;

export interface StreamClientOptions {
  /** The server's origin, such as `https://example.org`. A page's own where it is left out. */
  url?: string;
  /** Which run. */
  executionId: ExecutionId;
  /** From where: a cursor, `earliest` (as where it is left out) or `now`. */
  after?: string;
  /** Which transports to try, in order; all that the host has where it is left out. */
  transports?: Transport[];
  /**
   * How much of the run is told: `full` where it is left out, `coalesced` (`coalesced:MS`) for tokens that are merged,
   * `steps` for no more than that steps begin and end, `snapshot` for the view so far and then every event. By long
   * poll everything comes.
   */
  fidelity?: "full" | "coalesced" | `coalesced:${number}` | "steps" | "snapshot";
  /** Whether a client that is slower than the run gets everything later, or `steps` until it has caught up. */
  whenSlow?: "lag" | "degrade";
  /** Who you are, on a server with accounts. In a browser's WebSocket it travels as a subprotocol, else as a header. */
  token?: string;
  /** Closes the client when it is aborted. */
  signal?: AbortSignal;
  /**
   * How many events a reader may be behind, 4096 where it is left out. One more, and the client hangs up until half of
   * them are taken: the server's log keeps the rest.
   */
  highWaterMark?: number;
  /** Whether to fold events into a view; `false` saves the work where nobody looks at one. */
  view?: boolean;
  /** Whether to report how late live events come, to a server that asks for it: times and a transport, no ids. */
  beacon?: boolean;
  /** The next event, in order, once. */
  onEvent?(event: StreamEvent): void;
  /** Events that will not come. */
  onGap?(gap: Gap): void;
  /** The log was recreated: forget what came before. */
  onReset?(reset: { epoch: number }): void;
  /** What came before the next event comes to; with `fidelity: "snapshot"`. `view` holds what came after it only. */
  onSnapshot?(view: RunView): void;
  /** The server tells less from here on than was asked for, or as much again; with `whenSlow: "degrade"`. */
  onFidelity?(fidelity: string): void;
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
  /**
   * The run as it is known now; undefined before the start. The same object until something has changed, and bound to
   * the client, as is `subscribe`: both fit React's `useSyncExternalStore`.
   */
  readonly view: () => RunView | undefined;
  /** Calls `listener` when the view or the state has changed, at most once a frame. Gives what ends it. */
  readonly subscribe: (listener: () => void) => () => void;
  /** The newest view whenever it has changed; those that a slow reader has no time for are left out. */
  views(): AsyncGenerator<RunView, void, void>;
  [Symbol.asyncIterator](): AsyncGenerator<StreamEvent, void, void>;
}

/** What can go wrong. */
export class StreamError extends Error {
  /** `options`: an option is not understood. `load`: the wasm was not to be had. `refused`: the server refused. */
  readonly code: "options" | "load" | "refused" | "cancel";
}

/** The server refused for good. */
export class StreamRefusedError extends StreamError {
  readonly code: "refused";
  /** The HTTP status, or the one that the close code stands for. */
  readonly status: number;
}

/**
 * Loads the wasm, once. A page that may not fetch it from beside the module gives its address, its bytes, or a
 * compiled module.
 */
export function init(
  source?: string | URL | Request | Response | BufferSource | WebAssembly.Module | PromiseLike<unknown>,
): Promise<void>;

/** Folds events, and the gap frames between them, into the view of a run. After `init`. */
export function foldEvents(frames: readonly object[]): RunView;

/** Reads one frame, and throws where the text is none. After `init`. */
export function parseFrame(
  text: string,
):
  | { kind: "event"; frame: StreamEvent }
  | { kind: "control"; frame: ControlFrame }
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
