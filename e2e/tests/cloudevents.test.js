// CloudEvents by their own SDK for Python: written in each of their modes, read by pages and as a stream.

import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";

import { json, startRun, until } from "../support/api.js";
import { runClient } from "../support/follow.js";
import { ROOT, startServer } from "../support/server.js";

const PYTHON = process.env.STEPCAST_PYTHON ?? "python3";
const CLIENT = path.join(ROOT, "e2e/clients/cloud_events.py");
const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async function client(t, ...args) {
  const told = [];
  await runClient(t, PYTHON, [CLIENT, ...args], (line) => void told.push(JSON.parse(line)));
  return told;
}

const send = (server, id, type, body) =>
  fetch(`${server.url}/api/executions/${id}/events`, { method: "POST", headers: { "content-type": type }, body });

const announce = (server, id) =>
  json(`${server.url}/api/executions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ mode: "external", pipeline: "till", execution_id: id }),
  });

test("events that the SDK writes are those of a run, each taken once, and it reads them again", async (t) => {
  const server = await startServer(t);
  await announce(server, "till");
  await client(t, "write", server.url, "till");
  const page = await json(`${server.url}/api/executions/till/events`);
  const kinds = page.events.map(({ event_type, step_id }) => [event_type, step_id]);
  assert.deepEqual(kinds, [
    ["pipeline_start", undefined],
    ["step_start", "till"],
    ["step_progress", "till"],
    ["com_example_order_created", undefined],
    ["step_complete", "till"],
    ["pipeline_complete", undefined],
  ]);
  const [, , half, foreign] = page.events;
  assert.deepEqual(half.data, { progress: 0.5, message: "hälf" });
  assert.deepEqual([half.metadata.traceparent, half.metadata.cloudevent.id], [TRACE, "e2"]);
  assert.equal(half.metadata.cloudevent.time, "2026-01-01T00:00:02Z");
  assert.deepEqual(foreign.data, { order: 7 });
  const { type, subject, source } = foreign.metadata.cloudevent;
  assert.deepEqual([type, subject, source], ["com.example.Order-Created", "order 7", "https://shop.example/till"]);

  const read = await client(t, "read", server.url, "till");
  const followed = await client(t, "follow", server.url, "till");
  assert.deepEqual(followed, read, "the same by pages and as a stream");
  assert.deepEqual(read.map(({ id }) => id), page.events.map(({ seq }) => `${page.epoch}.${seq}`));
  assert.deepEqual(read.map(({ data }) => data), page.events.map(({ data }) => data));
  assert.ok(read.every(({ source }) => source === "/api/executions/till"));
  assert.deepEqual(read.map(({ type }) => type).slice(1, 3), ["dev.stepcast.step_start.v1", "dev.stepcast.step_progress.v1"]);
  assert.deepEqual([read[2].subject, read[2].traceparent, read[2].executionid], ["till", TRACE, "till"]);
  assert.deepEqual(JSON.parse(read[2].stepcastmetadata), { cloudevent: half.metadata.cloudevent });
  // an id is a place to go on behind
  assert.deepEqual(await client(t, "follow", server.url, "till", read[2].id), read.slice(3));
  // and what was read is written again into another run
  await announce(server, "copy");
  const copied = read.slice(1).map((event) => Object.fromEntries(Object.entries(event).filter(([, value]) => value !== null)));
  const sent = await send(server, "copy", "application/cloudevents-batch+json", JSON.stringify(copied));
  assert.equal(sent.status, 200, await sent.text());
  const copy = await json(`${server.url}/api/executions/copy/events`);
  const plain = ({ event_type, step_id, data }) => ({ event_type, step_id, data });
  assert.deepEqual(copy.events.slice(1).map(plain), page.events.slice(1).map(plain));
});

test("a run of this server is a stream of CloudEvents", async (t) => {
  const server = await startServer(t);
  const id = await startRun(server.url, "stream");
  const followed = await client(t, "follow", server.url, id);
  const page = await until("the end", async () => {
    const told = await json(`${server.url}/api/executions/${id}/events?limit=1000`);
    return told.closed && told;
  });
  assert.deepEqual(followed.map(({ data }) => data), page.events.map(({ data }) => data));
  assert.equal(new Set(followed.map(({ id, source }) => `${source} ${id}`)).size, followed.length);
});

test("what is no CloudEvent is refused with its place, and none of its batch is taken", async (t) => {
  const server = await startServer(t);
  await announce(server, "till");
  const good = { specversion: "1.0", id: "1", source: "/s", type: "dev.stepcast.step_start.v1", subject: "a" };
  for (const [wrong, place] of [
    [{ ...good, specversion: "0.3" }, "$[1].specversion"],
    [{ ...good, source: undefined }, "$[1].source"],
    [{ ...good, subject: undefined }, "$[1].step_id"],
    [{ ...good, extra: {} }, "$[1].extra"],
    [{ ...good, type: "Ä".repeat(80) }, "$[1].event_type"],
  ]) {
    const answer = await send(server, "till", "application/cloudevents-batch+json", JSON.stringify([good, wrong]));
    const told = await answer.json();
    assert.deepEqual([answer.status, told.errors[0].path], [422, place]);
  }
  assert.equal((await send(server, "till", "application/cloudevents+avro", "x")).status, 415);
  const page = await json(`${server.url}/api/executions/till/events`);
  assert.equal(page.events.length, 0);
});
