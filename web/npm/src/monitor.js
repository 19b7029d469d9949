// The monitor of one run as a custom element. Nothing runs on import: `define` registers it.

import start, { mount } from "../pkg/monitor.js";
import { StreamError } from "./errors.js";
import { loader } from "./load.js";
import styles from "stepcast:styles";

export { StreamError };

export const init = loader(start, () => new URL("./monitor.wasm", import.meta.url));

export const TAG = "streaming-pipeline-monitor";

// where there is no DOM the class is there all the same, so that a module may name it
const Base = globalThis.HTMLElement ?? class {};

// One sheet for all monitors; a content policy forbids no constructed ones.
let shared;
function sheet() {
  if (!shared) {
    shared = new CSSStyleSheet();
    shared.replaceSync(styles);
  }
  return shared;
}

const PROPERTIES = ["src", "executionId", "transport", "theme", "startAfter", "cancellable", "token"];
const TRANSPORTS = ["websocket", "sse", "long_poll"];

export class StreamingPipelineMonitor extends Base {
  static observedAttributes = ["src", "execution-id", "transport", "start-after", "cancellable"];

  #frame;
  #mounted;
  #due = false;
  // what was asked for last; an answer to anything before it is of no interest
  #turn = 0;
  #token;
  #state = { kind: "idle" };
  #summary;
  #listens = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet()];
    const slot = (name) => Object.assign(document.createElement("slot"), name ? { name } : {});
    this.#frame = Object.assign(document.createElement("div"), { className: "frame" });
    this.#frame.setAttribute("part", "frame");
    root.append(slot("before"), this.#frame, slot(), slot("after"));
  }

  get src() {
    return this.getAttribute("src") ?? "";
  }
  set src(value) {
    this.#reflect("src", value);
  }

  get executionId() {
    return this.getAttribute("execution-id") ?? "";
  }
  set executionId(value) {
    this.#reflect("execution-id", value);
  }

  get transport() {
    return this.getAttribute("transport") ?? "";
  }
  set transport(value) {
    this.#reflect("transport", value);
  }

  get theme() {
    return this.getAttribute("theme") ?? "";
  }
  set theme(value) {
    this.#reflect("theme", value);
  }

  // `after` is a method of every element
  get startAfter() {
    return this.getAttribute("start-after") ?? "";
  }
  set startAfter(value) {
    this.#reflect("start-after", value);
  }

  get cancellable() {
    return this.hasAttribute("cancellable");
  }
  set cancellable(value) {
    this.toggleAttribute("cancellable", Boolean(value));
  }

  // never an attribute: those are in the page's source, and in what it is copied to
  get token() {
    return this.#token;
  }
  set token(value) {
    this.#token = value ?? undefined;
    this.#mounted?.show(this.#token);
  }

  get connection() {
    return this.#state;
  }

  get summary() {
    return this.#summary;
  }

  view() {
    return this.#mounted?.view();
  }

  addEventListener(type, ...rest) {
    super.addEventListener(type, ...rest);
    if (type === "stepcast-event") {
      this.#listens = true;
      this.#mounted?.listen(true);
    }
  }

  connectedCallback() {
    for (const name of PROPERTIES) this.#upgrade(name);
    this.#schedule();
  }

  disconnectedCallback() {
    this.#schedule();
  }

  attributeChangedCallback(_name, before, now) {
    if (before !== now) this.#schedule();
  }

  // A framework may have set a property before the class was registered: it hides the accessor.
  #upgrade(name) {
    if (!Object.hasOwn(this, name)) return;
    const value = this[name];
    delete this[name];
    this[name] = value;
  }

  #reflect(name, value) {
    if (value === null || value === undefined || value === "") this.removeAttribute(name);
    else this.setAttribute(name, String(value));
  }

  // Several changes in one turn, and a move within the page, are one.
  #schedule() {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#settle();
    });
  }

  #settle() {
    const wanted = this.isConnected && this.executionId ? this.#asked() : undefined;
    const key = wanted && JSON.stringify(wanted);
    if (key === this.#key) return;
    this.#key = key;
    this.#turn += 1;
    this.#clear();
    if (wanted) this.#show(wanted, this.#turn);
  }
  #key;

  #asked() {
    const transports = this.transport.split(/[\s,]+/).filter(Boolean);
    return {
      url: this.src ? new URL(this.src, this.baseURI).href.replace(/\/$/, "") : location.origin,
      executionId: this.executionId,
      transports,
      after: this.startAfter || "earliest",
      cancellable: this.cancellable,
    };
  }

  #clear() {
    const mounted = this.#mounted;
    this.#mounted = undefined;
    mounted?.unmount();
    this.#frame.replaceChildren();
    this.toggleAttribute("data-shown", false);
    this.#summary = undefined;
    this.#state = { kind: "idle" };
  }

  async #show({ cancellable, ...options }, turn) {
    try {
      const unknown = options.transports.find((name) => !TRANSPORTS.includes(name));
      if (unknown) throw new StreamError("options", `\`transport\` knows ${TRANSPORTS.join(", ")}, not ${unknown}`);
      await init();
      if (turn !== this.#turn) return;
      const told = (kind, value) => turn === this.#turn && this.#take(kind, value);
      this.#mounted = this.#mount({ ...options, token: this.#token }, cancellable, told);
      this.#mounted.listen(this.#listens);
      this.toggleAttribute("data-shown", true);
    } catch (error) {
      if (turn === this.#turn) this.#fail(error);
    }
  }

  #mount(options, cancellable, told) {
    try {
      return mount(this.#frame, options, cancellable, told);
    } catch (error) {
      throw new StreamError("options", error.message, { cause: error });
    }
  }

  #take(kind, value) {
    if (kind === "event") this.#tell("stepcast-event", value);
    else if (kind === "gap") this.#tell("gap", value);
    else if (kind === "reset") this.#tell("reset", value);
    else if (kind === "cancel") this.#cancel();
    else if (kind === "summary") {
      const before = this.#summary;
      this.#summary = value;
      this.#tell("progress", value);
      if (before?.status !== value.status) this.#tell("statuschange", value);
      if (value.ended && !before?.ended) this.#tell("ended", value);
    } else if (kind === "state") {
      this.#state = value;
      this.#tell("connectionchange", value);
      if (value.kind === "refused") {
        this.#fail(new StreamError("refused", `the server refused the stream with status ${value.status}`), value.status);
      }
    }
  }

  #cancel() {
    if (!this.#tell("cancelrequest", { executionId: this.executionId }, true)) return;
    const { url, executionId } = this.#asked();
    const headers = this.#token ? { authorization: `Bearer ${this.#token}` } : {};
    fetch(`${url}/api/executions/${encodeURIComponent(executionId)}/cancel`, { method: "POST", headers }).then(
      (answer) => {
        if (!answer.ok) this.#fail(new StreamError("cancel", `the run could not be cancelled: status ${answer.status}`), answer.status);
      },
      (error) => this.#fail(new StreamError("cancel", "the server does not answer", { cause: error })),
    );
  }

  #fail(error, status) {
    const { code, message } = error;
    this.#tell("error", { code, message, status, error });
  }

  #tell(type, detail, cancelable = false) {
    return this.dispatchEvent(new CustomEvent(type, { detail, cancelable }));
  }
}

export function define(name = TAG) {
  const registry = globalThis.customElements;
  if (!registry || registry.get(name)) return;
  registry.define(name, name === TAG ? StreamingPipelineMonitor : class extends StreamingPipelineMonitor {});
}
