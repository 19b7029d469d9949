// What every follower of a run must have seen, whoever wrote the client.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { json } from "./api.js";

// A run of some seconds: branches, tokens, a loop.
export const PIPELINE = "stream";

// Each event of the run once, in order, to the last one; the end said in so many words.
export async function assertWhole(url, id, events, closed) {
  const stored = await json(`${url}/api/executions/${id}/events?after=earliest&limit=1000`);
  const all = stored.events;
  assert.ok(all.length > 20, `a run of only ${all.length} events proves little`);
  assert.deepEqual(
    events.map((event) => event.seq),
    all.map((_, at) => at + 1),
  );
  assert.deepEqual(events, all, "an event has the same fields on every transport");
  assert.equal(closed?.control, "closed");
  assert.equal(closed.last_seq, all.length);
  assert.equal(closed.reason, "complete");
}

// Runs a client that prints lines; `line` may end it by returning true.
export async function runClient(t, program, args, line = () => false) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  let complaint = "";
  child.stderr.on("data", (data) => (complaint += data));
  const closed = once(child, "close");
  for await (const text of createInterface({ input: child.stdout })) {
    if (line(text)) {
      child.kill("SIGKILL");
      break;
    }
  }
  const [code, signal] = await closed;
  assert.ok(code === 0 || signal === "SIGKILL", `${program} ended with ${code ?? signal}: ${complaint}`);
}

// Sorts what a client printed into events and control frames.
export function collector() {
  const seen = { events: [], hello: null, closed: null, other: [] };
  return Object.assign(seen, {
    take(frame) {
      if (frame.event_type) {
        seen.events.push(frame);
      } else if (frame.control === "hello") {
        seen.hello = frame;
      } else if (frame.control === "closed") {
        seen.closed = frame;
      } else {
        seen.other.push(frame);
      }
    },
    cursor: () => `${seen.hello.epoch}.${seen.events.at(-1).seq}`,
  });
}
