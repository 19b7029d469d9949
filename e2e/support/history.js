// Runs of the past, as an export of a log writes them: what no test has the time to wait for.

import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

import { BINARY } from "./server.js";

const stamp = (ms) => new Date(ms).toISOString();

// The lines of one execution: its steps one after the other, and its end.
function lines({ id, pipeline, at, steps, failed = false }) {
  const events = [];
  let now = at;
  const say = (event_type, step_id, data) =>
    events.push({ event_type, execution_id: id, ...(step_id && { step_id }), seq: events.length + 1, timestamp: stamp(now), data });
  say("pipeline_start", null, { pipeline: { name: pipeline }, input: {} });
  for (const { step, ms, retries = 0, tokens, tool, asks, fails = false } of steps) {
    say("step_start", step, {});
    for (let n = 0; n < retries; n += 1) say("step_progress", step, { kind: "retry", attempt: n + 2, reason: "again" });
    if (asks) say("step_progress", step, { kind: "waiting", wait_id: "w", prompt: "Well?" });
    if (tool) say("step_progress", step, { kind: "tool_call", call_id: "1", name: "search", duration_ms: tool });
    if (tokens) say("step_progress", step, { kind: "usage", input_tokens: tokens[0], output_tokens: tokens[1] });
    now += ms;
    say(fails ? "step_error" : "step_complete", step, fails ? { error: { message: "no" }, duration_ms: ms } : { output: {}, duration_ms: ms });
  }
  say(failed ? "pipeline_error" : "pipeline_complete", null, failed ? { error: { message: "no" } } : { output: {}, duration_ms: now - at });
  const header = {
    stepcast_execution: 1, execution_id: id, pipeline, status: failed ? "failed" : "completed", created_at: at, started_at: at, ended_at: now,
    earliest: 1, last_seq: events.length, definition: { name: pipeline }, input: {},
  };
  return [header, ...events].map((line) => JSON.stringify(line));
}

// The same numbers each time, from 0 to 1.
function drawn(seed) {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

// Runs of three pipelines over these days until now, busier by day than by night, with an hour or two in which much fails.
export function history({ days = 8, until = Date.now() } = {}) {
  const next = drawn(7);
  const runs = [];
  const hour = 3_600_000;
  for (let back = days * 24 - 1; back >= 0; back -= 1) {
    const begins = until - back * hour;
    const night = new Date(begins).getUTCHours() < 5;
    const bad = back % 24 === 7 || back === 2;
    for (let n = night ? 0 : Math.floor(next() * 4); n >= 0 && !(night && next() < 0.7); n -= 1) {
      const at = Math.floor(begins - next() * 0.9 * hour);
      const id = `past-${runs.length}`;
      const fails = next() < (bad ? 0.5 : 0.02);
      const slow = 1 + next() * (bad ? 5 : 0.6);
      runs.push([
        { id, pipeline: "Daily report", at, failed: fails, steps: [
          { step: "fetch", ms: Math.round(800 * slow), retries: bad ? 2 : next() < 0.1 ? 1 : 0 },
          { step: "summarise", ms: Math.round(4_000 * slow), tokens: [2_000 + Math.floor(next() * 900), 350], tool: Math.round(300 * slow) },
          { step: "publish", ms: 120, fails },
        ] },
        { id, pipeline: "Review of incoming claims", at, failed: fails, steps: [
          { step: "classify-the-claim-by-its-text", ms: Math.round(2_200 * slow), tokens: [900, 40], retries: next() < 0.2 ? 1 : 0 },
          { step: "ask-a-person", ms: Math.round(95_000 * slow), asks: next() < 0.2 },
          { step: "answer", ms: Math.round(1_700 * slow), tokens: [1_400, 600], fails },
        ] },
        { id, pipeline: "Import", at, steps: [{ step: "read", ms: Math.round(300 * slow) }, { step: "write", ms: 40 }] },
      ][Math.floor(next() * 3)]);
    }
  }
  // whatever the time of day, an hour of the last ones has a failure
  const at = until - 2.5 * hour;
  runs.push({ id: "past-failed", pipeline: "Daily report", at, failed: true, steps: [{ step: "fetch", ms: 900, retries: 3 }, { step: "publish", ms: 120, fails: true }] });
  return runs.map(lines).flat();
}

// Puts lines into the log of a folder that no server uses.
export async function importLines(dataDir, all) {
  const file = path.join(dataDir, "history.ndjson");
  await writeFile(file, `${all.join("\n")}\n`);
  await promisify(execFile)(BINARY, ["log", "import", "--data-dir", dataDir, file]);
}
