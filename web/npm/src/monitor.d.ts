import type { ConnectionState, Gap, RunView, StreamEvent, Summary, Transport } from "./index.js";

export type { ConnectionState, EndReason, Gap, RunView, StepView, StreamEvent, Summary, Transport } from "./index.js";
export { StreamError } from "./index.js";

/** What went wrong, in the event `error`. */
export interface MonitorError {
  /** `options`: an attribute is not understood. `load`: the wasm was not to be had. `refused`: the server refused for
   * good. `cancel`: the run could not be cancelled. */
  code: "options" | "load" | "refused" | "cancel";
  message: string;
  /** The HTTP status, where there is one. */
  status?: number;
  error: Error;
}

/** The events of the element. None of them bubbles. */
export interface StreamingPipelineMonitorEventMap {
  /** Each event of the run, in order, once. Costs nothing while nobody listens. */
  "stepcast-event": CustomEvent<StreamEvent>;
  /** The run stands elsewhere: `running`, `waiting`, `completed`, `failed`, `cancelled` … */
  statuschange: CustomEvent<Summary>;
  /** Name, status or percentage have changed; at most once a frame. */
  progress: CustomEvent<Summary>;
  /** The run has ended. */
  ended: CustomEvent<Summary>;
  /** The connection's state has changed. */
  connectionchange: CustomEvent<ConnectionState>;
  /** Events that will not come. */
  gap: CustomEvent<Gap>;
  /** The log was recreated: what came before is void. */
  reset: CustomEvent<{ epoch: number }>;
  /** A person asks for the run to be cancelled; `preventDefault()` leaves it to you. */
  cancelrequest: CustomEvent<{ executionId: string }>;
  /** Something went wrong for good. */
  error: CustomEvent<MonitorError>;
}

declare const Base: typeof HTMLElement;

/** `<streaming-pipeline-monitor>`: shows one run, live. Registered by `define`. */
export class StreamingPipelineMonitor extends Base {
  /** The server's origin, or its address below one; the page's own where it is empty. Attribute `src`. */
  src: string;
  /** Which run. Attribute `execution-id`. */
  executionId: string;
  /** Which transports to try, in order, separated by spaces; all where it is empty. Attribute `transport`. */
  transport: "" | Transport | (string & {});
  /** `light` or `dark`; as the page where it is empty. Attribute `theme`. */
  theme: "" | "light" | "dark" | (string & {});
  /** A cursor, or `now`; the first event where it is empty. Attribute `start-after`. */
  startAfter: string;
  /** Whether there is a button that cancels the run. Attribute `cancellable`. */
  cancellable: boolean;
  /** Who you are, on a server with accounts. Never an attribute. A new one counts from the next connection on. */
  token: string | undefined;
  /** The connection. */
  readonly connection: ConnectionState;
  /** Name, status and progress, once the run is known. */
  readonly summary: Summary | undefined;
  /** The run as it is known now; undefined while nothing is shown. */
  view(): RunView | undefined;

  addEventListener<K extends keyof StreamingPipelineMonitorEventMap>(
    type: K,
    listener: (this: StreamingPipelineMonitor, event: StreamingPipelineMonitorEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof StreamingPipelineMonitorEventMap>(
    type: K,
    listener: (this: StreamingPipelineMonitor, event: StreamingPipelineMonitorEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** `streaming-pipeline-monitor` */
export const TAG: "streaming-pipeline-monitor";

/** Registers the element; a second time, and where there is no DOM, it does nothing. */
export function define(name?: string): void;

/**
 * Loads the wasm of the monitor, once; the first element on a page does it too. A page that may not fetch it from beside
 * the module gives its address, its bytes, or a compiled module.
 */
export function init(
  source?: string | URL | Request | Response | BufferSource | WebAssembly.Module | PromiseLike<unknown>,
): Promise<void>;

declare global {
  interface HTMLElementTagNameMap {
    "streaming-pipeline-monitor": StreamingPipelineMonitor;
  }
}
