// GraphQL by clients that others wrote: npm graphql-ws and graphql-sse follow runs, cut off and resumed; graphql checks
// the schema and every answer by it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import { buildClientSchema, buildSchema, getIntrospectionQuery, printSchema, validate, parse } from "graphql";
import { createClient as createSse } from "graphql-sse";
import { createClient as createWs } from "graphql-ws";
import WebSocket from "ws";

import { json, startRun, until } from "../support/api.js";
import { violations } from "../support/axe.js";
import { launch, openPage, screenshot } from "../support/browser.js";
import { PIPELINE } from "../support/follow.js";
import { startRelay } from "../support/relay.js";
import { ROOT, startServer } from "../support/server.js";

const FOLLOW = `subscription Follow($id: ID!, $after: String, $batch: Int) {
  executionEvents(id: $id, after: $after, batch: $batch) {
    cursor
    events { type executionId stepId seq timestamp data metadata }
    gap { from to reason }
    end { lastSeq reason }
  }
}`;

async function ask(server, query, variables = {}) {
  const answer = await json(`${server.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json" },
    body: JSON.stringify({ query, variables }),
  });
  assert.equal(answer.errors, undefined, JSON.stringify(answer.errors));
  return answer.data;
}

// As the other transports tell an event.
const plain = ({ type, executionId, stepId, metadata, ...event }) => ({
  event_type: type,
  execution_id: executionId,
  ...(stepId === null ? {} : { step_id: stepId }),
  ...event,
  ...(metadata === null ? {} : { metadata }),
});

async function stored(server, id) {
  const events = [];
  for (let after = "earliest"; ; ) {
    const page = await json(`${server.url}/api/executions/${id}/events?after=${after}&limit=5000`);
    events.push(...page.events);
    after = page.next;
    if (page.closed) {
      return events;
    }
  }
}

const same = (events, expected) =>
  assert.deepEqual(
    events.map((event) => JSON.stringify(Object.entries(plain(event)).sort())),
    expected.map((event) => JSON.stringify(Object.entries(event).sort())),
  );

// Follows a run to its end. A client asks again with the variables as they are by then: so it goes on where it was.
function follow(client, id, { batch, update = () => {} } = {}) {
  const events = [];
  const variables = { id, after: undefined, batch };
  let end;
  return new Promise((resolve, reject) => {
    client.subscribe(
      { query: FOLLOW, variables },
      {
        next: ({ data, errors }) => {
          if (errors) {
            reject(new Error(JSON.stringify(errors)));
            return;
          }
          const told = data.executionEvents;
          variables.after = told.cursor;
          events.push(...told.events);
          end = told.end ?? end;
          update(told, events);
        },
        error: reject,
        complete: () => resolve({ events, end }),
      },
    );
  });
}

const wsClient = (url, options = {}) =>
  createWs({ url: `${url.replace("http", "ws")}/ws/graphql`, webSocketImpl: WebSocket, retryAttempts: 50, retryWait: async () => {}, ...options });

const sseClient = (url) => createSse({ url: `${url}/graphql`, retryAttempts: 50, retry: async () => {} });

test("the schema that is served is the one in the documentation, and says what its answers are", async (t) => {
  const server = await startServer(t);
  const text = await readFile(path.join(ROOT, "docs/spec/schema.graphql"), "utf8");
  const documented = buildSchema(text);
  const served = buildClientSchema(await ask(server, getIntrospectionQuery()));
  const types = (schema) => printSchema(schema).split("\n\n").map((it) => it.trim()).sort();
  assert.deepEqual(types(served), types(documented));
  assert.deepEqual(validate(served, parse(FOLLOW)), []);
});

test("runs are started, listed, read by pages, answered and cancelled", async (t) => {
  const server = await startServer(t, { pipelines: "e2e/dialects" });
  const start = `mutation ($pipeline: String, $input: JSON) { startExecution(pipeline: $pipeline, input: $input) { id status } }`;
  const { startExecution: asking } = await ask(server, start, { pipeline: "asking", input: { x: 1 } });
  const waits = `query ($id: ID!) { execution(id: $id) { status waits { id status prompt form answer execution { id } } } waits { id executionId } }`;
  const { execution } = await until("two questions", async () => {
    const told = await ask(server, waits, { id: asking.id });
    return told.execution.waits.length === 2 && told.waits.length === 2 && told;
  });
  assert.deepEqual(execution.waits.map(({ id, status }) => [id, status]), [["review.1", "WAITING"], ["title.1", "WAITING"]]);
  assert.equal(execution.waits[0].execution.id, asking.id);
  const answer = `mutation ($id: ID!, $wait: ID!, $answer: JSON!) { answerWait(executionId: $id, waitId: $wait, answer: $answer, by: "ada") { status answer by } }`;
  const { answerWait } = await ask(server, answer, { id: asking.id, wait: "title.1", answer: { title: "Tides" } });
  assert.deepEqual(answerWait, { status: "ANSWERED", answer: { title: "Tides" }, by: "ada" });
  const wrong = await fetch(`${server.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: answer, variables: { id: asking.id, wait: "review.1", answer: { decision: "perhaps" } } }),
  });
  const { errors } = await wrong.json();
  assert.deepEqual([errors[0].extensions.code, errors[0].extensions.status, errors[0].path], ["INVALID", 422, ["answerWait"]]);
  assert.match(errors[0].extensions.errors[0].path, /decision/);
  await ask(server, `mutation ($id: ID!) { cancelExecution(id: $id) { id } }`, { id: asking.id });
  await until("the end", async () => (await ask(server, waits, { id: asking.id })).execution.status === "CANCELLED");

  for (let at = 0; at < 5; at += 1) {
    await ask(server, start, { pipeline: "talk" });
  }
  const list = `query ($after: String) { executions(first: 2, after: $after, pipeline: ["talk"]) { next executions { id pipeline } } }`;
  const listed = [];
  for (let after = null; ; ) {
    const { executions } = await ask(server, list, { after });
    listed.push(...executions.executions);
    after = executions.next;
    if (!after) {
      break;
    }
  }
  assert.equal(new Set(listed.map(({ id }) => id)).size, 5);
  assert.ok(listed.every(({ pipeline }) => pipeline === "talk"));
  const [{ id }] = listed;
  const all = await until("the run's end", async () => {
    const page = await json(`${server.url}/api/executions/${id}/events?limit=1000`);
    return page.closed && page.events;
  });
  const pages = `query ($id: ID!, $after: String) { execution(id: $id) { events(first: 7, after: $after) { next end { reason } events { type executionId stepId seq timestamp data metadata } } } }`;
  const events = [];
  for (let after = null; ; ) {
    const { events: page } = (await ask(server, pages, { id, after })).execution;
    events.push(...page.events);
    after = page.next;
    if (page.end) {
      assert.equal(page.end.reason, "complete");
      break;
    }
  }
  same(events, all);
  const { pipelines, metrics, pipeline } = await ask(server, `{ pipelines { name summary } metrics pipeline(name: "talk") { definition } }`);
  assert.ok(pipelines.some(({ name, summary }) => name === "talk" && summary.steps === 2));
  assert.equal(pipeline.definition.name, "Talk");
  assert.equal(typeof metrics, "object");
});

for (const [name, connect] of [["graphql-ws", wsClient], ["graphql-sse", sseClient]]) {
  test(`${name} follows a run as it comes, and goes on exactly wherever it was cut off`, async (t) => {
    const server = await startServer(t);
    const relay = await startRelay(t, server.port);
    const id = await startRun(server.url, "stream");
    let updates = 0;
    const cut = () => {
      updates += 1;
      if (updates % 4 === 0) {
        relay.cut();
      }
    };
    const { events, end } = await follow(connect(relay.url), id, { batch: 1, update: cut });
    assert.equal(end.reason, "complete");
    assert.ok(relay.accepted() > 3, `${relay.accepted()} connections`);
    const all = await stored(server, id);
    assert.ok(all.length > 20);
    same(events, all);
    // and behind each event of a run that is over
    const client = connect(server.url);
    for (let seen = 0; seen <= all.length; seen += 1) {
      const [epoch] = (await json(`${server.url}/api/executions/${id}/events?limit=1`)).next.split(".");
      const rest = await new Promise((resolve, reject) => {
        const got = [];
        client.subscribe({ query: FOLLOW, variables: { id, after: `${epoch}.${seen}` } }, {
          next: ({ data }) => void got.push(...data.executionEvents.events),
          error: reject,
          complete: () => resolve(got),
        });
      });
      same(rest, all.slice(seen));
    }
    // an unknown run is an error of the operation, not of the connection
    await assert.rejects(follow(client, "nobody"), /NOT_FOUND/);
  });
}

test("a run of 100,000 events is drained over a connection that breaks", async (t) => {
  const server = await startServer(t);
  const relay = await startRelay(t, server.port);
  const created = await json(`${server.url}/api/executions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ mode: "external", pipeline: "many", execution_id: "many" }),
  });
  assert.equal(created.execution_id, "many");
  const lines = Array.from({ length: 99_998 }, (_, at) => `{"event_type":"step_progress","step_id":"s","data":{"progress":${at / 1e5}}}\n`);
  lines.push('{"event_type":"pipeline_complete","data":{"output":{}}}\n');
  const taken = await fetch(`${server.url}/api/executions/many/events`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: lines.join(""),
  });
  assert.equal(taken.status, 200, await taken.text());
  let updates = 0;
  const client = wsClient(relay.url);
  const variables = { id: "many", after: undefined };
  const seqs = [];
  await new Promise((resolve, reject) => {
    const query = `subscription ($id: ID!, $after: String) { executionEvents(id: $id, after: $after, batch: 1000) { cursor events { seq } } }`;
    client.subscribe({ query, variables }, {
      next: ({ data }) => {
        const { cursor, events } = data.executionEvents;
        variables.after = cursor;
        seqs.push(...events.map(({ seq }) => seq));
        updates += 1;
        if (updates % 30 === 0) {
          relay.cut();
        }
      },
      error: reject,
      complete: resolve,
    });
  });
  assert.equal(seqs.length, 100_000);
  assert.ok(seqs.every((seq, at) => seq === at + 1));
  assert.ok(relay.accepted() > 2, `${relay.accepted()} connections`);
});

test("a client comes back to a server that was started again, and goes on", async (t) => {
  const server = await startServer(t, { pipelines: "e2e/dialects" });
  const relay = await startRelay(t, server.port);
  const id = await startRun(server.url, "asking");
  const client = wsClient(relay.url, { retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)), shouldRetry: () => true });
  const seen = [];
  const done = follow(client, id, { update: (_, events) => void seen.splice(0, seen.length, ...events) });
  // it does nothing but wait: so it outlives the server
  await until("a run that waits", async () => (await json(`${server.url}/api/executions/${id}`)).status === "waiting");
  await until("the questions", () => seen.filter(({ data }) => data.kind === "waiting").length === 2);
  await server.stop();
  const again = await startServer(t, { pipelines: "e2e/dialects", dataDir: server.dataDir, port: server.port });
  await json(`${again.url}/api/executions/${id}/cancel`, { method: "POST" });
  const { events, end } = await done;
  assert.equal(end.reason, "cancelled");
  same(events, await stored(again, id));
});

test("on the server's own machine one tries queries out in a browser, and follows a run there", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const page = await openPage(browser, `${server.url}/graphql/playground`);
  const answers = page.locator("#answers li");
  await page.selectOption("#example", { label: "Start one" });
  await page.fill("#variables", JSON.stringify({ pipeline: PIPELINE }));
  await page.click("#run");
  const { data } = JSON.parse(await answers.first().textContent());
  const { id } = data.startExecution;
  await page.selectOption("#example", { label: "Follow one" });
  await page.fill("#variables", JSON.stringify({ id }));
  await page.press("#variables", "Control+Enter");
  await page.locator("#state", { hasText: "Complete after" }).waitFor();
  const told = (await answers.allTextContents()).map((it) => JSON.parse(it).data.executionEvents);
  const { events } = await json(`${server.url}/api/executions/${id}/events?after=earliest&limit=1000`);
  assert.deepEqual(told.flatMap((it) => it.events ?? []).map((it) => it.seq), events.map((it) => it.seq));
  assert.equal(told.at(-1).end.reason, "complete");
  // an address carries what was asked
  const again = await openPage(browser, page.url(), { colorScheme: "dark", viewport: { width: 360, height: 780 } });
  assert.deepEqual(JSON.parse(await again.inputValue("#variables")), { id });
  assert.match(await again.inputValue("#query"), /^subscription Follow/);
  // of several operations one is chosen, and what is wrong is said
  await again.fill("#query", "query A { executions { executions { id } } } # query C\nquery B { nothing }");
  assert.deepEqual(await again.locator("#operation option").allTextContents(), ["query A", "query B"]);
  await again.selectOption("#operation", { label: "query B" });
  await again.click("#run");
  await again.locator("#answers .wrong", { hasText: "nothing" }).waitFor();
  await again.fill("#filter", "type Execution ");
  assert.ok(await again.locator("#types pre", { hasText: "type Execution {" }).isVisible());
  for (const [name, it] of [["light", page], ["dark, on a phone", again]]) {
    assert.deepEqual(await violations(it), [], name);
    const wide = await it.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(wide, 0, `${name}: it does not fit into the window`);
    await screenshot(it, `playground ${name}`);
    assert.deepEqual(it.problems, []);
  }
});
