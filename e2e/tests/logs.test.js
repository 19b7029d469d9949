// The server's own log, as a program reads it: every line one object, with the ids of what it is about.

import assert from "node:assert/strict";
import { test } from "node:test";

import { json, until } from "../support/api.js";
import { startServer } from "../support/server.js";

const lines = (server) => server.printed.filter((line) => !line.startsWith("listening on")).map((line) => JSON.parse(line));
const post = (body, headers = {}) => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

test("every line is flat JSON and names the request and the execution that it is about", async (t) => {
  const server = await startServer(t, { env: { RUST_LOG: "stepcast=debug" } });
  const asked = await fetch(`${server.url}/api/executions`, post({ pipeline: "short", execution_id: "logged" }, { "x-request-id": "mine-1" }));
  assert.deepEqual([asked.status, asked.headers.get("x-request-id")], [201, "mine-1"]);
  const stream = await fetch(`${server.url}/stream/pipeline/logged?x=secret`, { headers: { "x-request-id": "mine-2" } });
  assert.match(await stream.text(), /pipeline_complete/);
  assert.equal(stream.headers.get("x-request-id"), "mine-2");
  const query = { query: '{ execution(id: "logged") { status } }' };
  await json(`${server.url}/graphql`, post(query, { "x-request-id": "mine-3" }));
  // without one, or with one that would tear a line apart, a new one is made; refusals have one too
  const made = [];
  for (const [path, headers] of [["/healthz", {}], ["/healthz", { "x-request-id": 'a"b c' }], ["/api/executions/none", {}]]) {
    const answer = await fetch(`${server.url}${path}`, { headers });
    await answer.text();
    made.push(answer.headers.get("x-request-id"));
  }
  made.forEach((id) => assert.match(id, /^[0-9a-f]{32}$/));
  assert.equal(new Set(made).size, 3);

  await until("the run's last line", () => server.printed.some((line) => line.includes("run ended")));
  const all = lines(server);
  for (const line of all) {
    for (const key of ["timestamp", "level", "target", "message"]) {
      assert.equal(typeof line[key], "string", JSON.stringify(line));
    }
  }
  const one = (message, more = () => true) => all.find((line) => line.message === message && more(line));
  const { request_id: id, execution_id: execution, pipeline } = one("run started");
  assert.deepEqual([id, execution, pipeline], ["mine-1", "logged", "short"]);
  assert.equal(one("run ended").execution_id, "logged");
  const streamed = one("answered", (line) => line.request_id === "mine-2");
  assert.deepEqual([streamed.execution_id, streamed.path, streamed.status, streamed.method], ["logged", "/stream/pipeline/logged", 200, "GET"]);
  assert.equal(one("answered", (line) => line.request_id === "mine-3").execution_id, "logged");
  assert.equal(one("answered", (line) => line.request_id === made[2]).execution_id, "none");
  assert.ok(!server.printed.some((line) => line.includes("secret")), "what stands in a query is no line's");

  // a stream that ends is told of under the id of the request that opened it
  const hanging = new AbortController();
  await json(`${server.url}/api/executions`, post({ pipeline: "long", execution_id: "broken" }));
  const open = await fetch(`${server.url}/stream/pipeline/broken`, { headers: { "x-request-id": "mine-4" }, signal: hanging.signal });
  await open.body.getReader().read();
  hanging.abort();
  const end = await until("the line of the stream", () =>
    lines(server).find((line) => line.message === "a stream ended" && line.request_id === "mine-4"),
  );
  assert.deepEqual([end.execution_id, end.transport, end.reason], ["broken", "sse", "client"]);

  const text = await startServer(t, { env: { RUST_LOG: "stepcast=debug" }, more: ["--log-format", "text"] });
  await fetch(`${text.url}/healthz`, { headers: { "x-request-id": "mine-5" } });
  await until("a line of text", () => text.printed.some((line) => /DEBUG.*mine-5.*answered/.test(line)));
});
