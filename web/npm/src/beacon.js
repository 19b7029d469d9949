// How late events come to this client, reported to a server that asks for it: times and a transport, no ids.

const MOST = 1000;

export class Beacon {
  #late = [];
  #by;
  #live;
  #timer;
  #stopped = false;
  #url;
  #token;

  // `token` gives the one that is shown now.
  constructor(url, token) {
    this.#url = new URL("/api/beacon", url);
    this.#token = token;
    this.#start().catch(() => {});
  }

  async #start() {
    const answer = await fetch(this.#url, { headers: this.#headers() });
    const { interval_seconds: seconds } = answer.ok ? await answer.json() : {};
    if (!(seconds > 0) || this.#stopped) return;
    this.#timer = setInterval(() => this.#tell(), seconds * 1000);
    // a report to come keeps no program alive
    this.#timer.unref?.();
  }

  state({ kind, transport }) {
    this.#live = kind === "live" ? transport : undefined;
    if (this.#live && this.#live !== this.#by) {
      this.#by = this.#live;
      this.#late = [];
    }
    if (kind === "ended" || kind === "refused" || kind === "stopped") this.stop();
  }

  events(events) {
    if (!this.#live || !this.#timer) return;
    const now = Date.now();
    for (const { timestamp } of events.slice(0, MOST - this.#late.length)) {
      const late = now - Date.parse(timestamp);
      if (Number.isFinite(late)) this.#late.push(late);
    }
  }

  stop() {
    if (this.#timer) this.#tell();
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tell() {
    if (this.#late.length === 0) return;
    const body = JSON.stringify({ transport: this.#by, now_ms: Date.now(), late_ms: this.#late });
    this.#late = [];
    const headers = { ...this.#headers(), "content-type": "application/json" };
    // one that is lost is missed by nobody
    fetch(this.#url, { method: "POST", headers, body, keepalive: true }).then((answer) => answer.body?.cancel(), () => {});
  }

  #headers() {
    const token = this.#token();
    return token ? { authorization: `Bearer ${token}` } : {};
  }
}
