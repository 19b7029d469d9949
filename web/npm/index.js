// The headless client: one run of one pipeline, from a browser or Node 20 and later.
// Nothing runs on import; the wasm is loaded by `init`, or by the first client that starts.

import load, { Follower, comesBack, foldEvents, parseFrame, readSse } from "./pkg/stepcast_web.js";

export { comesBack, foldEvents, parseFrame, readSse };

let ready;

export function init(source) {
  ready ??= start(source).catch((error) => {
    ready = undefined;
    throw error;
  });
  return ready;
}

async function start(source) {
  const inNode = typeof process === "object" && Boolean(process.versions?.node) && typeof window === "undefined";
  if (source === undefined && inNode) {
    const { readFile } = await import(/* @vite-ignore */ /* webpackIgnore: true */ "node:fs/promises");
    source = await readFile(new URL("./pkg/stepcast_web_bg.wasm", import.meta.url));
  }
  await load(source === undefined ? undefined : { module_or_path: source });
}

export class StreamRefusedError extends Error {
  constructor(status) {
    super(`the server refused the stream with status ${status}`);
    this.name = "StreamRefusedError";
    this.status = status;
  }
}

const OVER = new Set(["ended", "refused", "stopped"]);

export class StreamClient {
  #options;
  #follower;
  #starting;
  #stopped = false;
  #readers = new Set();

  constructor(options) {
    this.#options = { ...options };
    const { signal } = options;
    if (signal?.aborted) this.#stopped = true;
    else signal?.addEventListener("abort", () => this.close(), { once: true });
  }

  start() {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start() {
    await init();
    if (this.#stopped) return;
    const { executionId, after = "earliest", transports = [], token } = this.#options;
    const url = this.#options.url ?? globalThis.location?.origin;
    if (!url) throw new TypeError("`url` is needed where there is no page to take it from");
    this.#follower = new Follower({ url, executionId, after, transports, token }, (kind, value) => this.#take(kind, value));
    this.#follower.start();
  }

  get state() {
    if (this.#follower) return this.#follower.state;
    return { kind: this.#stopped ? "stopped" : "idle" };
  }

  get cursor() {
    return this.#follower?.cursor ?? this.#options.after ?? "earliest";
  }

  view() {
    return this.#follower?.view();
  }

  show(token) {
    this.#options.token = token;
    this.#follower?.show(token);
  }

  retry() {
    this.#follower?.retry();
  }

  close() {
    this.#stopped = true;
    this.#follower?.stop();
    for (const reader of this.#readers) reader.end();
  }

  #take(kind, value) {
    if (kind === "event") for (const reader of this.#readers) reader.push(value);
    if (kind === "state" && OVER.has(value.kind)) {
      const error = value.kind === "refused" ? new StreamRefusedError(value.status) : undefined;
      for (const reader of this.#readers) reader.end(error);
    }
    const name = { event: "onEvent", gap: "onGap", reset: "onReset", state: "onState" }[kind];
    try {
      this.#options[name]?.(value);
    } catch (error) {
      // the caller's own mistake: report it where the host reports such things, and go on
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  async *[Symbol.asyncIterator]() {
    const reader = new Reader();
    this.#readers.add(reader);
    try {
      await this.start();
      if (this.#stopped) return;
      yield* reader.events();
    } finally {
      this.#readers.delete(reader);
      if (this.#readers.size === 0) this.close();
    }
  }
}

class Reader {
  #queue = [];
  #ended = false;
  #error;
  #wake = () => {};

  push(event) {
    this.#queue.push(event);
    this.#wake();
  }

  end(error) {
    this.#ended = true;
    this.#error ??= error;
    this.#wake();
  }

  async *events() {
    for (;;) {
      const queue = this.#queue;
      this.#queue = [];
      yield* queue;
      if (this.#queue.length > 0) continue;
      if (this.#error) throw this.#error;
      if (this.#ended) return;
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
