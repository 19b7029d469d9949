// Durable Streams by its own client, and by its own conformance suite.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import { DurableStream, IdempotentProducer, stream } from "@durable-streams/client";

import { json, startRun } from "../support/api.js";
import { ROOT, startServer, temporaryFolder } from "../support/server.js";

const urlOf = (server, id) => `${server.url}/v1/stream/${id}`;

// What a client is given from an offset on, to the end of the stream.
async function follow(url, { offset = "-1", live }) {
  const response = await stream({ url, offset, live });
  const items = [];
  for await (const item of response.jsonStream()) {
    items.push(item);
  }
  return items;
}

test("the client follows a run, live and resumed behind every event", async (t) => {
  const server = await startServer(t);
  const id = await startRun(server.url, "stream");
  const url = urlOf(server, id);
  const [polled, streamed] = await Promise.all([follow(url, { live: "long-poll" }), follow(url, { live: "sse" })]);
  const { events, epoch } = await json(`${server.url}/api/executions/${id}/events?limit=5000`);
  assert.ok(events.length > 20);
  assert.deepEqual(polled, events);
  assert.deepEqual(streamed, events);
  for (const seen of events) {
    const offset = `${epoch}.${seen.seq}`;
    for (const live of [false, "long-poll", "sse"]) {
      assert.deepEqual(await follow(url, { offset, live }), events.slice(seen.seq), `${live} behind ${offset}`);
    }
  }
  const head = await DurableStream.head({ url });
  assert.deepEqual([head.exists, head.contentType], [true, "application/json"]);
  assert.deepEqual(await follow(url, { offset: head.offset, live: false }), []);
  // nobody appends to what this server runs
  const appended = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: "[1]" });
  assert.equal(appended.status, 405);
});

test("what the client appends is there once, and is a run that every other dialect shows", async (t) => {
  const server = await startServer(t);
  const url = urlOf(server, "chat");
  const handle = await DurableStream.create({ url, contentType: "application/json" });
  const producer = new IdempotentProducer(handle, "writer", { autoClaim: true });
  const said = Array.from({ length: 200 }, (_, n) => ({ n, text: "ä".repeat(n) }));
  said.forEach((message) => producer.append(JSON.stringify(message)));
  await producer.flush();
  await producer.close();
  await handle.close();
  assert.deepEqual(await follow(url, { live: "sse" }), said);
  const { events, closed } = await json(`${server.url}/api/executions/chat/events?limit=5000`);
  const appended = events.filter(({ event_type }) => event_type === "appended");
  assert.deepEqual(appended.map(({ data }) => data.value), said);
  assert.equal(closed.reason, "complete");
});

// Every test of the suite, by its full name: whether it passed.
async function conformance(t, server) {
  const folder = await temporaryFolder(t);
  const report = path.join(folder, "report.json");
  const vitest = path.join(ROOT, "e2e/node_modules/vitest/vitest.mjs");
  const args = [vitest, "run", "--root", path.join(ROOT, "e2e/durable"), "--reporter=json", `--outputFile=${report}`];
  const child = spawn(process.execPath, args, { env: { ...process.env, STEPCAST_URL: server.url }, stdio: ["ignore", "pipe", "pipe"] });
  const printed = [];
  child.stdout.on("data", (text) => void printed.push(text));
  child.stderr.on("data", (text) => void printed.push(text));
  t.after(() => child.kill("SIGKILL"));
  await once(child, "exit");
  const text = await readFile(report, "utf8").catch(() => assert.fail(`${Buffer.concat(printed)}`));
  const told = JSON.parse(text).testResults.flatMap(({ assertionResults }) => assertionResults);
  return new Map(told.filter(({ status }) => status !== "skipped" && status !== "pending").map((told) => [told.fullName.trim(), told]));
}

test("its conformance suite passes, but for what is listed with a reason", async (t) => {
  const settings = path.join(await temporaryFolder(t), "stepcast.toml");
  await writeFile(settings, 'max_external = 100000\n[edge]\nallowed_origins = ["https://example.com"]\n');
  const server = await startServer(t, { more: ["--config", settings] });
  const told = await conformance(t, server);
  const listed = JSON.parse(await readFile(path.join(ROOT, "e2e/durable/not-passed.json"), "utf8"));
  const expected = new Set(Object.values(listed).flat());
  const failed = [...told].filter(([, { status }]) => status !== "passed");
  const unlisted = failed.filter(([name]) => !expected.has(name));
  const mended = [...expected].filter((name) => told.get(name)?.status !== "failed");
  assert.deepEqual(unlisted.map(([name, { failureMessages }]) => [name, failureMessages.join("\n").slice(0, 400)]), []);
  assert.deepEqual(mended, [], "listed as failing, and passing or gone");
  assert.ok(told.size > 250, `${told.size} tests`);
  // the page tells of each reason, and of how many tests it is the reason
  const page = await readFile(path.join(ROOT, "docs/durable-streams.md"), "utf8");
  for (const [reason, names] of Object.entries(listed)) {
    assert.ok(page.includes(`| ${reason} | ${names.length} |`), `docs/durable-streams.md lacks: ${reason}, ${names.length}`);
  }
  assert.ok(page.includes(`${told.size - failed.length} of ${told.size}`), `docs/durable-streams.md: ${told.size - failed.length} of ${told.size}`);
});
