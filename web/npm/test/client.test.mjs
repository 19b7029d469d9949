// The client against a server on loopback that drops it in the middle.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { StreamClient, StreamError, StreamRefusedError } from "stepcast";

const ID = "run_1";

const event = (seq, event_type, data = {}, step_id = undefined) => ({
  event_type,
  execution_id: ID,
  step_id,
  seq,
  timestamp: "2025-10-22T10:30:00.000Z",
  data,
});

const LOG = [
  event(1, "pipeline_start", { pipeline: { name: "Words", steps: [{ id: "a", kind: "llm" }] } }),
  event(2, "step_start", { kind: "llm", iteration: 1, attempt: 1 }, "a"),
  event(3, "step_progress", { kind: "token", text: "grüße " }, "a"),
  event(4, "step_progress", { kind: "token", text: "🎈" }, "a"),
  event(5, "step_complete", { output: { n: 1 }, duration_ms: 1 }, "a"),
  event(6, "pipeline_complete", { output: {}, duration_ms: 2 }),
];

// Serves SSE, three events a connection, so that a client has to come back for the rest.
async function serve(t) {
  const asked = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://localhost");
    asked.push(url.pathname + url.search);
    if (url.pathname !== `/stream/pipeline/${ID}`) {
      response.writeHead(404, { "content-type": "application/problem+json" }).end("{}");
      return;
    }
    const after = Number((url.searchParams.get("last_event_id") ?? "7.0").split(".")[1]);
    const say = (name, data, id = "") => response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n${id}\n`);
    response.writeHead(200, { "content-type": "text/event-stream" });
    say("control", {
      control: "hello",
      execution_id: ID,
      epoch: 7,
      earliest: 1,
      last_seq: LOG.length,
      heartbeat_ms: 1000,
      retry_ms: 1,
    });
    for (const one of LOG.slice(after, after + 3)) say(one.event_type, one, `id: 7.${one.seq}\n`);
    if (after + 3 >= LOG.length) {
      say("control", { control: "closed", execution_id: ID, last_seq: LOG.length, reason: "complete" });
    }
    response.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${server.address().port}`, asked };
}

const json = (value) => JSON.parse(JSON.stringify(value));

test("a client that is cut off comes back at its cursor, and gets each event once", async (t) => {
  const { url, asked } = await serve(t);
  const states = [];
  const client = new StreamClient({
    url,
    executionId: ID,
    transports: ["sse"],
    onState: (state) => states.push(state.kind),
  });
  assert.equal(client.state.kind, "idle");
  const events = [];
  for await (const one of client) events.push(one);
  assert.deepEqual(events, json(LOG));
  assert.deepEqual(asked, [`/stream/pipeline/${ID}`, `/stream/pipeline/${ID}?last_event_id=7.3`]);
  assert.equal(client.cursor, "7.6");
  assert.deepEqual(client.state, { kind: "ended", reason: "complete" });
  assert.equal(client.view().steps[0].text, "grüße 🎈");
  assert.ok(states.includes("waiting"), states.join(" "));
});

test("a client goes on from a cursor that was kept", async (t) => {
  const { url } = await serve(t);
  const events = [];
  for await (const one of new StreamClient({ url, executionId: ID, transports: ["sse"], after: "7.4" })) {
    events.push(one.seq);
  }
  assert.deepEqual(events, [5, 6]);
});

test("a refusal ends the loop with its status", async (t) => {
  const { url } = await serve(t);
  const client = new StreamClient({ url, executionId: "other", transports: ["sse"] });
  await assert.rejects(
    async () => {
      for await (const one of client) assert.fail(JSON.stringify(one));
    },
    (error) => error instanceof StreamRefusedError && error.status === 404,
  );
});

test("an aborted signal closes the client, and ends the loop", async (t) => {
  const { url } = await serve(t);
  const controller = new AbortController();
  const client = new StreamClient({ url, executionId: ID, transports: ["sse"], signal: controller.signal });
  const events = [];
  for await (const one of client) {
    events.push(one.seq);
    controller.abort();
  }
  assert.equal(client.state.kind, "stopped");
  assert.ok(events.length < LOG.length);
});

test("a reader that is behind holds the stream back, and loses nothing", async (t) => {
  const { url, asked } = await serve(t);
  const states = [];
  const client = new StreamClient({
    url,
    executionId: ID,
    transports: ["sse"],
    highWaterMark: 2,
    onState: (state) => states.push(state.kind),
  });
  const seqs = [];
  for await (const one of client) {
    seqs.push(one.seq);
    if (one.seq === 1) {
      // three events came with the first connection: two more than are taken
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(client.state.kind, "paused");
      assert.equal(client.cursor, "7.3");
      assert.equal(asked.length, 1, "nothing is asked for meanwhile");
    }
  }
  assert.deepEqual(seqs, [1, 2, 3, 4, 5, 6]);
  assert.ok(states.includes("paused"), states.join(" "));
  assert.equal(client.view().events, 6);
});

test("a loop that begins after the end, or after a refusal, does not wait for ever", async (t) => {
  const { url } = await serve(t);
  const client = new StreamClient({ url, executionId: ID, transports: ["sse"] });
  await client.start();
  for await (const view of client.views()) if (view.end) break;
  while (client.state.kind !== "ended") await new Promise((resolve) => setTimeout(resolve, 10));
  for await (const one of client) assert.fail(JSON.stringify(one));
  const refused = new StreamClient({ url, executionId: "other", transports: ["sse"] });
  const take = async () => {
    for await (const one of refused) assert.fail(JSON.stringify(one));
  };
  await assert.rejects(take, StreamRefusedError);
  await assert.rejects(take, StreamRefusedError);
});

test("snapshots of the view: the newest, the same until something has changed, told to who subscribes", async (t) => {
  const { url } = await serve(t);
  const client = new StreamClient({ url, executionId: ID, transports: ["sse"] });
  assert.equal(client.view(), undefined);
  let told = 0;
  const unsubscribe = client.subscribe(() => (told += 1));
  const seen = [];
  for await (const view of client.views()) {
    seen.push(view.last_seq);
    assert.equal(client.view(), client.view());
  }
  unsubscribe();
  assert.equal(seen.at(-1), 6);
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
  assert.ok(told > 0);
  const { view } = client;
  assert.equal(view().status, "completed");
});

test("without a view there is none", async (t) => {
  const { url } = await serve(t);
  const client = new StreamClient({ url, executionId: ID, transports: ["sse"], view: false });
  let count = 0;
  for await (const one of client) count += one.seq > 0;
  assert.equal(count, LOG.length);
  assert.equal(client.view(), undefined);
});

test("options that are not understood are errors with a code", async () => {
  assert.throws(() => new StreamClient({}), (error) => error instanceof StreamError && error.code === "options");
  const wrong = [{ executionId: "a b", url: "http://127.0.0.1:1" }, { executionId: "a", url: "http://127.0.0.1:1", transports: ["pigeon"] }, { executionId: "a" }];
  for (const options of wrong) {
    await assert.rejects(new StreamClient(options).start(), (error) => error instanceof StreamError && error.code === "options", JSON.stringify(options));
  }
});

test("what a callback throws is told to the host, and the stream goes on", async (t) => {
  const { url } = await serve(t);
  const thrown = [];
  const take = (error) => thrown.push(error.message);
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", take);
  t.after(() => {
    process.removeListener("uncaughtException", take);
    for (const other of others) process.on("uncaughtException", other);
  });
  const client = new StreamClient({
    url,
    executionId: ID,
    transports: ["sse"],
    onEvent: ({ seq }) => {
      if (seq === 2) throw new Error("mine");
    },
  });
  let count = 0;
  for await (const one of client) count += one.seq > 0;
  assert.equal(count, LOG.length);
  assert.deepEqual(thrown, ["mine"]);
});

// Serves a run that goes on for as long as it is followed, and takes reports.
async function serveLive(t, seconds) {
  const [asked, reports] = [[], []];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (request.url === "/api/beacon" && request.method === "POST") {
      let body = "";
      request.on("data", (part) => (body += part)).on("end", () => reports.push([JSON.parse(body), request.headers.authorization]));
      response.writeHead(204).end();
    } else if (request.url === "/api/beacon") {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ interval_seconds: seconds }));
    } else {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const hello = { control: "hello", execution_id: ID, epoch: 7, earliest: 1, last_seq: 1, heartbeat_ms: 1000, retry_ms: 1 };
      const say = (name, data, id = "") => response.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n${id}\n`);
      say("control", hello);
      say(LOG[0].event_type, LOG[0], "id: 7.1\n");
      let seq = 1;
      const timer = setInterval(() => {
        seq += 1;
        const timestamp = new Date(Date.now() - 1000).toISOString();
        say("step_progress", { ...event(seq, "step_progress", { kind: "token", text: "." }, "a"), timestamp }, `id: 7.${seq}\n`);
      }, 20);
      request.on("close", () => clearInterval(timer));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${server.address().port}`, asked, reports };
}

test("a client that is told to reports how late live events come, and no more than that", { timeout: 30_000 }, async (t) => {
  const { url, reports } = await serveLive(t, 0.1);
  const client = new StreamClient({ url, executionId: ID, transports: ["sse"], beacon: true, token: "me" });
  for await (const one of client) if (one.seq > 1 && reports.length > 1) break;
  const [[report, authorization]] = reports;
  assert.equal(authorization, "Bearer me");
  assert.deepEqual(Object.keys(report).sort(), ["late_ms", "now_ms", "transport"]);
  assert.equal(report.transport, "sse");
  // what is a second old when it is sent takes a second and more; the first event, of years ago, is none of them
  assert.ok(report.late_ms.length > 0 && report.late_ms.every((ms) => ms >= 1000 && ms < 600_000), `${report.late_ms}`);
});

test("a client that is told nothing asks for nothing, and one whose server wants nothing sends nothing", { timeout: 30_000 }, async (t) => {
  for (const [beacon, seconds] of [[undefined, 0.1], [true, 0]]) {
    const { url, asked, reports } = await serveLive(t, seconds);
    const client = new StreamClient({ url, executionId: ID, transports: ["sse"], beacon });
    for await (const one of client) if (one.seq > 20) break;
    assert.equal(asked.includes("GET /api/beacon"), beacon === true);
    assert.deepEqual(reports, []);
  }
});
