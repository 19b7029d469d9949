// Programs that are no pipelines of ours have their work watched: those that docs/producers.md shows.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import { json, until } from "../support/api.js";
import { byId, ended, launch, openPage, screenshot, shown } from "../support/browser.js";
import { runClient } from "../support/follow.js";
import { startRelay } from "../support/relay.js";
import { ROOT, startServer, temporaryFolder } from "../support/server.js";

const PYTHON = process.env.STEPCAST_PYTHON ?? "python3";
const PRODUCERS = path.join(ROOT, "examples/producers");
// neither packages nor the environment: what is left is the standard library
const BARE_PYTHON = ["-E", "-S", "-B"];

// Runs a producer that prints its execution's id first; `done` waits for its end.
async function produce(t, program, args) {
  let id;
  const done = runClient(t, program, args, (line) => void (id ??= line));
  await until("the id of the execution", () => Promise.race([id, done.then(() => id)]));
  return { id, done };
}

async function eventsOf(url, id) {
  return (await json(`${url}/api/executions/${id}/events?limit=1000`)).events;
}

const count = async (url, id) => (await eventsOf(url, id)).length;

// Nothing lost, nothing twice: the log is what an undisturbed run has.
async function assertSteps(url, id, expected) {
  const events = await eventsOf(url, id);
  assert.deepEqual(events.map(({ seq }) => seq), events.map((_, at) => at + 1));
  assert.deepEqual(events.map(({ event_type: type, step_id: step }) => (step ? `${type} ${step}` : type)), expected);
  assert.equal((await json(`${url}/api/executions/${id}`)).status, "completed");
  return events;
}

const times = (number, text) => Array.from({ length: number }, () => text);
const COUNTED = [
  ...["pipeline_start", "step_start read", ...times(13, "step_progress read"), "step_complete read"],
  ...["step_start count", "step_complete count", "pipeline_complete"],
];

test("the commands of the page, as they stand there", async (t) => {
  const server = await startServer(t);
  const page = await readFile(path.join(ROOT, "docs/producers.md"), "utf8");
  const script = /```sh\n([^]*?)```/.exec(page)[1].replace("http://127.0.0.1:8400", server.url);
  await runClient(t, "bash", ["-euo", "pipefail", "-c", script]);
  await assertSteps(server.url, "night-1", [
    ...["pipeline_start", "step_start fetch", "step_progress fetch", "step_complete fetch"],
    ...["step_start load", "step_complete load", "pipeline_complete"],
  ]);
});

test("a Python program goes on through a network that breaks and a server that is killed", async (t) => {
  const dataDir = await temporaryFolder(t);
  const first = await startServer(t, { dataDir });
  const relay = await startRelay(t, first.port);
  const { id, done } = await produce(t, PYTHON, [...BARE_PYTHON, path.join(PRODUCERS, "python/count.py"), relay.url]);
  for (const least of [4, 6]) {
    await until(`${least} events`, async () => (await count(first.url, id)) >= least);
    relay.cut();
  }
  await first.kill();
  const second = await startServer(t, { dataDir, port: first.port });
  await done;
  const events = await assertSteps(second.url, id, COUNTED);
  assert.deepEqual(events.at(-1).data.output, { the: 4, is: 2, sea: 1 });
});

test("a TypeScript program whose answers are lost repeats itself, and is taken once", async (t) => {
  const server = await startServer(t);
  const relay = await startRelay(t, server.port, { loses: 3 });
  const built = await temporaryFolder(t);
  await writeFile(path.join(built, "package.json"), '{"type":"module"}');
  const tsc = path.join(ROOT, "e2e/node_modules/typescript/bin/tsc");
  await runClient(t, process.execPath, [tsc, "-p", path.join(PRODUCERS, "typescript"), "--outDir", built]);
  const { id, done } = await produce(t, process.execPath, [path.join(built, "import.js"), relay.url]);
  await done;
  assert.ok(relay.lost() >= 4, `${relay.lost()} answers lost`);
  await assertSteps(server.url, id, [
    ...["pipeline_start", "step_start load", ...times(10, "step_progress load")],
    ...["step_complete load", "pipeline_complete"],
  ]);
});

test("a LangGraph graph is followed live in the dashboard", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const page = await openPage(browser, server.url);
  await byId(page, "start-short").waitFor();
  const { id, done } = await produce(t, PYTHON, [path.join(PRODUCERS, "langgraph/haiku.py"), server.url, "0.5"]);
  // the same document goes on: only the address behind the `#` changes
  await page.goto(`${server.url}/#/runs/${id}`);
  const steps = page.getByTestId("step");
  await steps.nth(1).waitFor();
  const writing = await until("its words, while it writes", async () => {
    const [, write] = (await shown(page)).steps;
    return write?.text && write;
  });
  assert.equal(writing.status, "running");
  assert.deepEqual(await steps.evaluateAll((all) => all.map((step) => step.dataset.stepId)), ["plan", "write"]);
  await ended(page);
  await done;
  const view = await shown(page);
  assert.deepEqual(view.steps.map(({ status }) => status), ["completed", "completed"]);
  assert.match(view.status, /completed/i);
  assert.match(view.steps[1].text, /A frog jumps in\. The sound of water\./);
  assert.deepEqual(page.problems, []);
  await screenshot(page, "langgraph");
  await assertSteps(server.url, id, [
    ...["pipeline_start", "step_start plan", "step_complete plan", "step_start write"],
    ...[...times(10, "step_progress write"), "step_complete write", "pipeline_complete"],
  ]);
});

test("a viewer cancels what runs elsewhere, and the program is told", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const post = (address, body, headers = {}) =>
    fetch(server.url + address, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  await post("/api/executions", { mode: "external", pipeline: "Elsewhere", execution_id: "e", steps: ["work"] });
  await post("/api/executions/e/events", { event_type: "step_start", step_id: "work" });
  const page = await openPage(browser, `${server.url}/#/runs/e`);
  await byId(page, "step").waitFor();
  assert.equal((await post("/api/executions/e/cancel", {})).status, 202);
  await ended(page);
  assert.match(await byId(page, "ending").textContent(), /cancelled/i);
  const told = await post("/api/executions/e/events", { event_type: "step_complete", step_id: "work" });
  assert.equal(told.status, 409);
  assert.equal((await told.json()).reason, "cancelled");
});
