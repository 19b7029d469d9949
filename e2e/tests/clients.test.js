// Clients that we did not write follow a run, lose their connection, and resume by id.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { EventSource } from "eventsource";
import WebSocket from "ws";

import { startRun } from "../support/api.js";
import { PIPELINE, assertWhole, collector, runClient } from "../support/follow.js";
import { startRelay } from "../support/relay.js";
import { ROOT, startServer } from "../support/server.js";

const PYTHON = process.env.STEPCAST_PYTHON ?? "python3";
const TYPES = [
  ...["pipeline_start", "step_start", "step_progress", "step_output", "step_complete", "step_error"],
  ...["pipeline_complete", "pipeline_error", "checkpoint_saved", "control"],
];

test("curl follows a run over SSE and resumes with Last-Event-ID", async (t) => {
  const server = await startServer(t);
  const id = await startRun(server.url, PIPELINE);
  const address = `${server.url}/stream/pipeline/${id}`;
  const seen = collector();
  let lastId;
  const read = (stopAt) => (line) => {
    if (line.startsWith("data:")) {
      seen.take(JSON.parse(line.slice(5)));
    } else if (line.startsWith("id:")) {
      lastId = line.slice(3).trim();
    }
    return line === "" && seen.events.length === stopAt;
  };
  await runClient(t, "curl", ["-sN", address], read(10));
  assert.equal(lastId, seen.cursor(), "the id of an event is its cursor");
  await runClient(t, "curl", ["-sN", "-H", `Last-Event-ID: ${lastId}`, address], read(-1));
  await assertWhole(server.url, id, seen.events, seen.closed);
  const told = [];
  const status = ["-s", "-o", "/dev/null", "-w", "%{http_code}\\n", "-H", `Last-Event-ID: ${lastId}`];
  await runClient(t, "curl", [...status, address], (line) => void told.push(line));
  assert.deepEqual(told, ["204"], "at the tail of a closed stream there is no more");
});

test("curl follows a run by long poll", async (t) => {
  const server = await startServer(t);
  const id = await startRun(server.url, PIPELINE);
  const events = [];
  let after = "earliest";
  let closed;
  while (!closed) {
    let page = "";
    const address = `${server.url}/api/executions/${id}/events?after=${after}&limit=7&wait_ms=10000`;
    await runClient(t, "curl", ["-s", address], (line) => void (page += line));
    const parsed = JSON.parse(page);
    events.push(...parsed.events);
    after = parsed.next;
    closed = parsed.closed;
  }
  await assertWhole(server.url, id, events, { control: "closed", ...closed });
});

test("Python's websockets follows a run and resumes by cursor", async (t) => {
  const server = await startServer(t);
  const id = await startRun(server.url, PIPELINE);
  const address = `ws://127.0.0.1:${server.port}/ws/pipeline/${id}`;
  const client = `${ROOT}/e2e/clients/websocket.py`;
  const seen = collector();
  const take = (line) => void seen.take(JSON.parse(line));
  await runClient(t, PYTHON, [client, address, "10"], take);
  assert.equal(seen.events.length, 10);
  await runClient(t, PYTHON, [client, `${address}?after=${seen.cursor()}`, "0"], take);
  assert.deepEqual(seen.other.at(-1), { close: 1000 }, "the code says not to come back");
  await assertWhole(server.url, id, seen.events, seen.closed);
});

test("Python's httpx-sse follows a run and resumes with Last-Event-ID", async (t) => {
  const server = await startServer(t);
  const id = await startRun(server.url, PIPELINE);
  const address = `${server.url}/stream/pipeline/${id}`;
  const client = `${ROOT}/e2e/clients/sse.py`;
  const seen = collector();
  let lastId;
  let status;
  const take = (line) => {
    const message = JSON.parse(line);
    status = message.status;
    if (message.data) {
      lastId = message.id || lastId;
      seen.take(JSON.parse(message.data));
    }
  };
  await runClient(t, PYTHON, [client, address, "10"], take);
  await runClient(t, PYTHON, [client, address, "0", lastId], take);
  await assertWhole(server.url, id, seen.events, seen.closed);
  await runClient(t, PYTHON, [client, address, "0", lastId], take);
  assert.equal(status, 204);
});

test("npm's eventsource comes back by itself after each cut and sees every event once", async (t) => {
  const server = await startServer(t);
  const relay = await startRelay(t, server.port);
  const id = await startRun(server.url, PIPELINE);
  const seen = collector();
  const source = new EventSource(`${relay.url}/stream/pipeline/${id}`);
  t.after(() => source.close());
  await new Promise((resolve) => {
    for (const type of TYPES) {
      source.addEventListener(type, (message) => {
        seen.take(JSON.parse(message.data));
        if ([5, 17].includes(seen.events.length)) {
          relay.cut();
        }
        if (seen.closed) {
          resolve();
        }
      });
    }
  });
  assert.ok(relay.accepted() >= 3, `${relay.accepted()} connections`);
  await assertWhole(server.url, id, seen.events, seen.closed);
  // the stream has ended: what comes back is told 204, and stops for good
  await once(source, "error");
  while (source.readyState !== EventSource.CLOSED) {
    await once(source, "error");
  }
});

test("npm's eventsource follows runs that are to come, through cuts, and sees every event of each once", async (t) => {
  const server = await startServer(t);
  const relay = await startRelay(t, server.port);
  const source = new EventSource(`${relay.url}/stream/executions?since=now`);
  t.after(() => source.close());
  const seen = new Map();
  let events = 0;
  let ended;
  const all = new Promise((resolve) => (ended = resolve));
  let watching;
  const ready = new Promise((resolve) => (watching = resolve));
  for (const type of TYPES) {
    source.addEventListener(type, (message) => {
      const frame = JSON.parse(message.data);
      if (frame.control === "watching") watching();
      if (!frame.execution_id || frame.control === "matched") return;
      const of = seen.get(frame.execution_id) ?? collector();
      seen.set(frame.execution_id, of);
      of.take(frame);
      if (frame.event_type && [7, 23, 31].includes(++events)) relay.cut();
      if (seen.size === 3 && [...seen.values()].every((it) => it.closed)) ended();
    });
  }
  await ready;
  const ids = [];
  for (let n = 0; n < 3; n++) ids.push(await startRun(server.url, PIPELINE));
  await all;
  assert.ok(relay.accepted() >= 3, `${relay.accepted()} connections`);
  for (const id of ids) await assertWhole(server.url, id, seen.get(id).events, seen.get(id).closed);
});

test("npm's ws follows three runs on one connection, each resumed by its own cursor after a cut", async (t) => {
  const server = await startServer(t);
  const ids = [];
  for (let n = 0; n < 3; n++) ids.push(await startRun(server.url, PIPELINE));
  const seen = new Map(ids.map((id) => [id, collector()]));
  const missing = () => ids.filter((id) => !seen.get(id).closed);
  for (let connections = 0; missing().length > 0; connections++) {
    assert.ok(connections < 20);
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/ws/executions`);
    await once(socket, "open");
    for (const id of missing()) {
      const after = seen.get(id).events.length > 0 ? seen.get(id).cursor() : "earliest";
      socket.send(JSON.stringify({ action: "subscribe", execution_id: id, after }));
    }
    let frames = 0;
    await new Promise((resolve) => {
      socket.on("message", (text) => {
        const frame = JSON.parse(text);
        if (frame.execution_id && socket.readyState === WebSocket.OPEN) seen.get(frame.execution_id).take(frame);
        if (++frames === 25 || missing().length === 0) {
          socket.terminate();
          resolve();
        }
      });
    });
  }
  for (const id of ids) await assertWhole(server.url, id, seen.get(id).events, seen.get(id).closed);
});

test("npm's ws follows a run and resumes by cursor after each cut", async (t) => {
  const server = await startServer(t);
  const relay = await startRelay(t, server.port);
  const id = await startRun(server.url, PIPELINE);
  const seen = collector();
  let code;
  for (const stopAt of [8, 20, Infinity]) {
    const after = seen.hello ? `?after=${seen.cursor()}` : "";
    const socket = new WebSocket(`ws://127.0.0.1:${relay.port}/ws/pipeline/${id}${after}`);
    socket.on("error", () => {});
    socket.on("message", (data) => {
      // frames that were under way when the network broke are lost to this client
      if (seen.events.length < stopAt) {
        seen.take(JSON.parse(data));
      }
      if (seen.events.length === stopAt) {
        relay.cut();
      }
    });
    [code] = await once(socket, "close");
  }
  assert.equal(code, 1000);
  await assertWhole(server.url, id, seen.events, seen.closed);
});
