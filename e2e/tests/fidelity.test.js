// Clients that we did not write ask for less than the whole of a run, and change their mind at any place.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { EventSource } from "eventsource";
import WebSocket from "ws";

import { json, startRun } from "../support/api.js";
import { PIPELINE, collector, runClient } from "../support/follow.js";
import { ROOT, startServer } from "../support/server.js";

const PYTHON = process.env.STEPCAST_PYTHON ?? "python3";
const STEPS = new Set(["pipeline_start", "step_start", "step_complete", "step_error", "pipeline_complete"]);

// The run's events as the log has them, once it has ended.
async function stored(server, id) {
  const page = await json(`${server.url}/api/executions/${id}/events?after=earliest&limit=1000`);
  assert.ok(page.closed, "the run has ended");
  return page.events;
}

// Follows with npm's `ws` to the end, or until `enough` says so.
async function follow(server, id, query, enough = () => false) {
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/ws/pipeline/${id}?${query}`);
  const seen = collector();
  socket.on("message", (data) => {
    if (socket.readyState !== WebSocket.OPEN) return;
    seen.take(JSON.parse(data));
    if (enough(seen)) socket.terminate();
  });
  await once(socket, "close");
  return seen;
}

// The text of each channel of each step, put together.
function texts(events) {
  const told = {};
  for (const { step_id: step, data } of events) {
    if (data.kind !== "token") continue;
    const channel = `${step} ${data.channel ?? ""}`;
    told[channel] = (told[channel] ?? "") + data.text;
  }
  return told;
}

test("npm's ws is told merged tokens, whose text is that of all of them, wherever it was cut", async (t) => {
  // a model's recorded answer: tokens that nothing stands between
  const server = await startServer(t, { pipelines: "examples/llm" });
  const id = await startRun(server.url, "pipeline");
  const live = await follow(server, id, "fidelity=coalesced:100", (seen) => seen.events.length === 9);
  const rest = await follow(server, id, `fidelity=coalesced:100&after=${live.cursor()}`);
  const all = await stored(server, id);
  const told = [...live.events, ...rest.events];
  assert.ok(Object.keys(texts(all)).length > 0, "the run has tokens");
  assert.deepEqual(texts(told), texts(all));
  const later = await follow(server, id, "fidelity=coalesced");
  assert.ok(later.events.length < all.length, `${later.events.length} of ${all.length}`);
  assert.deepEqual(texts(later.events), texts(all));
  let next = 1;
  for (const { seq, from_seq: from } of told) {
    assert.equal(from ?? seq, next, "every event stands in one of those that came");
    next = seq + 1;
  }
  assert.equal(next, all.length + 1);
});

test("npm's eventsource is told that steps begin and end, and goes on with every event from there", async (t) => {
  const server = await startServer(t);
  const id = await startRun(server.url, PIPELINE);
  const seen = collector();
  const source = new EventSource(`${server.url}/stream/pipeline/${id}?fidelity=steps`);
  t.after(() => source.close());
  await new Promise((resolve) => {
    for (const type of [...STEPS, "step_progress", "step_output", "checkpoint_saved", "control"]) {
      source.addEventListener(type, (message) => {
        const frame = JSON.parse(message.data);
        seen.take(frame);
        if (frame.event_type === "step_complete") resolve();
      });
    }
  });
  source.close();
  const rest = await follow(server, id, `after=${seen.cursor()}`);
  const all = await stored(server, id);
  assert.ok(seen.events.every((it) => STEPS.has(it.event_type)), JSON.stringify(seen.events.map((it) => it.event_type)));
  const place = seen.events.at(-1).seq;
  assert.deepEqual(
    seen.events.map((it) => it.seq),
    all.filter((it) => it.seq <= place && STEPS.has(it.event_type)).map((it) => it.seq),
  );
  assert.deepEqual(rest.events, all.slice(place), "the same place at another fidelity");
});

test("Python's websockets begins with the view of a run, and gets what comes after it", async (t) => {
  const server = await startServer(t);
  const id = await startRun(server.url, PIPELINE);
  await follow(server, id, "", (seen) => seen.events.length === 12);
  const seen = collector();
  const address = `ws://127.0.0.1:${server.port}/ws/pipeline/${id}?fidelity=snapshot`;
  await runClient(t, PYTHON, [`${ROOT}/e2e/clients/websocket.py`, address, "0"], (line) => void seen.take(JSON.parse(line)));
  const all = await stored(server, id);
  const { view, cursor } = seen.other.find((it) => it.control === "snapshot");
  const place = Number(cursor.split(".")[1]);
  assert.ok(place >= 12, cursor);
  assert.equal(view.last_seq, place);
  assert.deepEqual(seen.events, all.slice(place));
});
