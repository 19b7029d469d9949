// The headless client: one run of one pipeline, from a browser, a worker or Node.
// Nothing runs on import; the wasm is loaded by `init`, or by the first client that starts.

import start, { Follower, comesBack, foldEvents, parseFrame, readSse } from "../pkg/headless.js";
import { Beacon } from "./beacon.js";
import { StreamError, StreamRefusedError } from "./errors.js";
import { loader } from "./load.js";
import { Queue } from "./queue.js";

export { StreamError, StreamRefusedError, comesBack, foldEvents, parseFrame, readSse };

export const init = loader(start, () => new URL("./headless.wasm", import.meta.url));

const OVER = new Set(["ended", "refused", "stopped"]);
const CALLBACKS = { gap: "onGap", reset: "onReset", snapshot: "onSnapshot", fidelity: "onFidelity", state: "onState" };

export class StreamClient {
  #options;
  #follower;
  #starting;
  #stopped = false;
  #paused = false;
  #queues = new Set();
  #listeners = new Set();
  #view;
  #due = false;
  #beacon;
  #unlisten = () => {};

  constructor(options) {
    this.#options = { highWaterMark: 4096, ...options };
    const { signal, highWaterMark } = this.#options;
    if (typeof options?.executionId !== "string") throw new StreamError("options", "`executionId` is needed");
    if (!(highWaterMark >= 1)) throw new StreamError("options", "`highWaterMark` is a number from 1");
    const abort = () => this.close();
    if (signal?.aborted) this.#stopped = true;
    else if (signal) {
      signal.addEventListener("abort", abort, { once: true });
      this.#unlisten = () => signal.removeEventListener("abort", abort);
    }
  }

  start() {
    this.#starting ??= this.#start().catch((error) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async #start() {
    await init();
    if (this.#stopped) return;
    const { executionId, after = "earliest", transports = [], token, view = true } = this.#options;
    const { fidelity = "full", whenSlow = "lag" } = this.#options;
    const url = this.#options.url ?? globalThis.location?.origin;
    if (!url) throw new StreamError("options", "`url` is needed where there is no page to take it from");
    const options = { url: String(url), executionId, after, transports, fidelity, whenSlow, token, view };
    try {
      this.#follower = new Follower(options, (kind, value) => this.#take(kind, value));
    } catch (error) {
      throw new StreamError("options", error.message, { cause: error });
    }
    if (this.#options.beacon) this.#beacon = new Beacon(String(url), () => this.#options.token);
    this.#follower.start();
  }

  get state() {
    if (this.#follower) return this.#follower.state;
    return { kind: this.#stopped ? "stopped" : "idle" };
  }

  get cursor() {
    return this.#follower?.cursor ?? this.#options.after ?? "earliest";
  }

  view = () => (this.#view ??= this.#follower?.view());

  subscribe = (listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  async *views() {
    let wake;
    const changed = () => wake?.();
    const unsubscribe = this.subscribe(changed);
    try {
      await this.start();
      for (let last; ; ) {
        const view = this.view();
        if (view && view !== last) yield (last = view);
        else if (this.#over()) return;
        else await new Promise((resolve) => (wake = resolve));
      }
    } finally {
      unsubscribe();
    }
  }

  show(token) {
    this.#options.token = token;
    this.#follower?.show(token);
  }

  retry() {
    this.#follower?.retry();
  }

  close() {
    this.#unlisten();
    // how it ended stays to be read
    if (!OVER.has(this.state.kind)) {
      this.#stopped = true;
      this.#follower?.stop();
    }
    this.#beacon?.stop();
    for (const queue of this.#queues) queue.end();
    this.#change();
  }

  #take(kind, value) {
    if (kind === "state") this.#beacon?.state(value);
    if (kind === "events") {
      this.#beacon?.events(value);
      for (const queue of this.#queues) queue.push(value);
      this.#hold();
      if (this.#options.onEvent) for (const event of value) this.#call("onEvent", event);
    } else {
      this.#call(CALLBACKS[kind], value);
    }
    if (kind === "state" && OVER.has(value.kind)) {
      this.#unlisten();
      const error = value.kind === "refused" ? new StreamRefusedError(value.status) : undefined;
      for (const queue of this.#queues) queue.end(error);
    }
    this.#change();
  }

  // Whether nothing follows; throws where the server refused.
  #over() {
    const { kind, status } = this.state;
    if (kind === "refused") throw new StreamRefusedError(status);
    return OVER.has(kind);
  }

  #call(name, value) {
    try {
      this.#options[name]?.(value);
    } catch (error) {
      report(error);
    }
  }

  // Tells who watches, once for all that has come since.
  #change() {
    this.#view = undefined;
    if (this.#due || this.#listeners.size === 0) return;
    this.#due = true;
    const tell = () => {
      this.#due = false;
      for (const listener of this.#listeners) {
        try {
          listener();
        } catch (error) {
          report(error);
        }
      }
    };
    // a hidden tab draws no frames
    const drawn = typeof requestAnimationFrame === "function" && globalThis.document?.visibilityState === "visible";
    if (drawn) requestAnimationFrame(tell);
    else setTimeout(tell, 16);
  }

  // A reader that is behind makes the client hang up, and come back at its place once half of it is taken.
  #hold() {
    const behind = Math.max(0, ...Array.from(this.#queues, (queue) => queue.length));
    const { highWaterMark } = this.#options;
    if (!this.#paused && behind > highWaterMark && !OVER.has(this.state.kind)) {
      this.#paused = true;
      this.#follower.pause();
    } else if (this.#paused && behind <= highWaterMark / 2) {
      this.#paused = false;
      this.#follower.resume();
    }
  }

  async *[Symbol.asyncIterator]() {
    const queue = new Queue(() => this.#paused && this.#hold());
    this.#queues.add(queue);
    try {
      await this.start();
      if (this.#over()) queue.end();
      yield* queue.events();
    } finally {
      this.#queues.delete(queue);
      if (this.#queues.size === 0) this.close();
      else if (this.#paused) this.#hold();
    }
  }
}

// The caller's own mistake: told where the host tells such things, and the stream goes on.
function report(error) {
  queueMicrotask(() => {
    throw error;
  });
}
