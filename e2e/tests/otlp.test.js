// Traces and metrics as a collector gets them: over HTTP, decoded by the messages of the OpenTelemetry project.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import path from "node:path";
import { test } from "node:test";

import { json, until } from "../support/api.js";
import { ROOT, startProgram, startServer, temporaryFolder } from "../support/server.js";

const PYTHON = process.env.STEPCAST_PYTHON ?? "python3";
const RECEIVER = path.join(ROOT, "e2e/clients/otlp_receiver.py");
const [TRACE, SPAN] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
const PARENT = `00-${TRACE}-${SPAN}-01`;

async function startReceiver(t, ...args) {
  const program = await startProgram(t, PYTHON, [RECEIVER, ...args], { line: /receiving on (http:\/\/127\.0\.0\.1:(\d+))/ });
  const [, url, port] = program.match;
  const messages = () => program.printed.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  const spans = () => messages().flatMap((told) => told.spans ?? []);
  return { url, port, messages, spans, end: () => program.end("SIGKILL") };
}

const exporting = (receiver, env = {}) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url ?? receiver, ...env });

const start = (server, body, headers = {}) =>
  json(`${server.url}/api/executions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

const ended = (server, id) =>
  until(`${id}'s end`, async () => {
    const shown = await json(`${server.url}/api/executions/${id}`);
    return !["running", "pending"].includes(shown.status) && shown;
  });

const attributes = (told) =>
  Object.fromEntries(told.attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]));

// The spans of a run, once that of the run itself is there.
const whole = (receiver, id) =>
  until(`the spans of ${id}`, () => {
    const root = receiver.spans().find((span) => attributes(span)["stepcast.execution.id"] === id);
    return root && { root, spans: receiver.spans().filter((span) => span.traceId === root.traceId) };
  });

// What a span and those below it are called, and whether they failed.
function tree(spans, parent) {
  const below = spans.filter((span) => span.parentSpanId === parent.spanId);
  below.sort((a, b) => Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano)));
  return [parent.status?.code === "STATUS_CODE_ERROR" ? `${parent.name}!` : parent.name, ...below.map((span) => tree(spans, span))];
}

const command = (id, script, more = {}) => ({ id, type: "command", config: { command: ["sh", "-c", script], ...more } });

test("a run is a span, its steps are below it and their attempts below them, in the trace of who started it", async (t) => {
  const receiver = await startReceiver(t);
  const heard = [];
  const elsewhere = createServer((request, response) => {
    heard.push(request.headers.traceparent);
    response.end("{}");
  }).listen(0, "127.0.0.1");
  t.after(() => elsewhere.close());
  await once(elsewhere, "listening");
  const server = await startServer(t, {
    env: exporting(receiver, {
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20sesame",
      OTEL_EXPORTER_OTLP_COMPRESSION: "gzip",
      OTEL_SERVICE_NAME: "shop",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
    }),
  });
  const folder = await temporaryFolder(t);
  const twice = `if [ -e ${folder}/done ]; then exit 0; fi; touch ${folder}/done; exit 1`;
  const retry = { error_handling: { retry: { max_attempts: 2, initial_delay: 0.01, retry_on: ["dependency"] } } };
  const definition = {
    name: "Order",
    steps: [command("pack", twice, retry), { id: "ship", type: "http", config: { url: `http://127.0.0.1:${elsewhere.address().port}/` } }],
    flow: { start_at: "pack", paths: [{ from: "pack", to: "ship" }] },
  };
  await start(server, { execution_id: "order", definition }, { traceparent: PARENT, tracestate: "a=1" });
  assert.equal((await ended(server, "order")).status, "completed");
  const { root, spans } = await whole(receiver, "order");

  assert.deepEqual([root.traceId, root.parentSpanId, root.traceState], [TRACE, SPAN, "a=1"]);
  assert.deepEqual(tree(spans, root), [
    "Order",
    ["pack", ["pack attempt 1!"], ["pack attempt 2"]],
    ["ship", ["ship attempt 1"]],
  ]);
  assert.equal(attributes(root)["stepcast.status"], "complete");
  const ship = spans.find((span) => span.name === "ship attempt 1");
  assert.deepEqual(heard, [`00-${TRACE}-${ship.spanId}-01`], "what the step asks elsewhere belongs to its attempt");
  assert.equal(ship.kind, "SPAN_KIND_CLIENT");
  assert.equal(new Set(spans.map((span) => span.spanId)).size, spans.length);
  for (const span of spans) {
    const [from, to] = [BigInt(span.startTimeUnixNano), BigInt(span.endTimeUnixNano)];
    assert.ok(from <= to && from >= BigInt(root.startTimeUnixNano) && to <= BigInt(root.endTimeUnixNano), span.name);
  }
  const [told] = receiver.messages().filter((message) => message.path === "/v1/traces");
  assert.equal(told.headers.authorization, "Bearer sesame");
  assert.equal(told.headers["content-encoding"], "gzip");
  const resource = attributes(told.message.resourceSpans[0].resource);
  assert.equal(resource["service.name"], "shop");
  assert.equal(resource["deployment.environment.name"], "test");
  assert.ok(!server.printed.some((line) => line.includes("sesame")));

  // a run of a program elsewhere is told of too; one that is not sampled is not
  const post = (id, events) =>
    json(`${server.url}/api/executions/${id}/events`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(events) });
  await start(server, { execution_id: "quiet", definition }, { traceparent: PARENT.replace(/1$/, "0") });
  await start(server, { execution_id: "till", mode: "external", pipeline: "Till" });
  await post("till", [
    { event_type: "step_start", step_id: "count", data: {} },
    { event_type: "step_error", step_id: "count", data: { error: { message: "no change" } } },
    { event_type: "pipeline_error", data: { error: { message: "no change" }, reason: "failed" } },
  ]);
  const till = await whole(receiver, "till");
  assert.equal(till.root.parentSpanId, "");
  assert.deepEqual(tree(till.spans, till.root), ["Till!", ["count!", ["count attempt 1!"]]]);
  assert.equal(till.root.status.message, "no change");
  await ended(server, "quiet");
  await server.stop();
  assert.ok(!receiver.spans().some((span) => attributes(span)["stepcast.execution.id"] === "quiet"));
});

test("a run that a killed server cut off goes on in the same trace", async (t) => {
  const receiver = await startReceiver(t);
  const [dataDir, folder] = [await temporaryFolder(t), await temporaryFolder(t)];
  const env = exporting(receiver);
  const first = await startServer(t, { dataDir, env });
  const wait = `touch ${folder}/there; for i in $(seq 600); do [ -e ${folder}/go ] && exit 0; sleep 0.05; done`;
  const definition = {
    name: "Survives",
    recovery: "resume",
    steps: [command("one", "true"), command("two", wait)],
    flow: { start_at: "one", paths: [{ from: "one", to: "two" }] },
  };
  await start(first, { execution_id: "survives", definition });
  const cut = await until("the second step", async () => {
    const { events } = await json(`${first.url}/api/executions/survives/events`);
    return events.find((event) => event.event_type === "step_start" && event.step_id === "two");
  });
  assert.ok(cut);
  await first.kill();
  await start(await startServer(t, { dataDir, env }), {
    definition: { name: "Go", steps: [command("go", `touch ${folder}/go`)], flow: { start_at: "go" } },
  });
  const { root, spans } = await whole(receiver, "survives");
  assert.deepEqual(tree(spans, root), ["Survives", ["one", ["one attempt 1"]], ["two!", ["two attempt 1!"]], ["two", ["two attempt 1"]]]);
  assert.equal(new Set(spans.map((span) => span.spanId)).size, 7);
});

test("a collector that is gone holds nothing up, and gets what was kept once it is back", async (t) => {
  const gone = await startReceiver(t);
  await gone.end();
  const server = await startServer(t, { env: exporting(gone) });
  const definition = { name: "Short", steps: [command("one", "true")], flow: { start_at: "one" } };
  await start(server, { execution_id: "first", definition });
  assert.equal((await ended(server, "first")).status, "completed");
  const lines = () => server.printed.filter((line) => line.includes("takes no traces"));
  await until("a line in the log", () => lines().length > 0);
  await start(server, { execution_id: "second", definition });
  await ended(server, "second");
  const back = await startReceiver(t, gone.port);
  await whole(back, "first");
  await whole(back, "second");
  assert.equal(lines().length, 1, "it is said once");
  await until("the other line", () => server.printed.some((line) => line.includes("takes traces again")));
  assert.match(await (await fetch(`${server.url}/metrics`)).text(), /stepcast_otlp_spans_total\{outcome="sent"\} 6/);

  // one that refuses what it is sent is told it once, and is not asked again
  const refuses = await startReceiver(t, "0", "400");
  const other = await startServer(t, { env: exporting(refuses) });
  await start(other, { execution_id: "third", definition });
  await until("a line in the log", () => other.printed.some((line) => line.includes("refused traces")));
  assert.equal(refuses.spans().length, 3);
});

test("metrics have the names and the values of a scrape", async (t) => {
  const receiver = await startReceiver(t);
  const server = await startServer(t, { env: exporting(receiver, { OTEL_METRIC_EXPORT_INTERVAL: "300" }) });
  await start(server, { execution_id: "run", definition: { name: "Short", steps: [command("one", "true")], flow: { start_at: "one" } } });
  await ended(server, "run");
  await (await fetch(`${server.url}/stream/pipeline/run`)).text();
  const metrics = () => {
    const last = receiver.messages().filter((told) => told.path === "/v1/metrics").at(-1);
    return last?.message.resourceMetrics[0].scopeMetrics[0].metrics;
  };
  // as Prometheus names what it gets by OTLP
  const SUFFIX = { s: "_seconds", By: "_bytes", 1: "_ratio" };
  const name = (metric) => `${metric.name}${SUFFIX[metric.unit] ?? ""}${metric.sum ? "_total" : ""}`;
  const value = (wanted) => {
    const point = metrics()?.find((metric) => name(metric) === wanted)?.sum.dataPoints ?? [];
    return point.reduce((sum, { asDouble }) => sum + asDouble, 0);
  };
  await until("the events that were sent", () => value("stepcast_delivery_events_total") > 0);
  const scrape = await (await fetch(`${server.url}/metrics`, { headers: { accept: "application/openmetrics-text" } })).text();
  const families = [...scrape.matchAll(/^# TYPE (\S+) (\w+)/gm)].map(([, family, kind]) => (kind === "counter" ? `${family}_total` : family));
  assert.deepEqual(metrics().map(name).toSorted(), families.toSorted());
  const sent = Number(/^stepcast_delivery_events_total\{.*\} (\d+)$/m.exec(scrape)[1]);
  assert.equal(value("stepcast_delivery_events_total"), sent);
  const commits = metrics().find((metric) => metric.name === "stepcast_log_commit_duration").histogram;
  const [point] = commits.dataPoints;
  assert.equal(commits.aggregationTemporality, "AGGREGATION_TEMPORALITY_CUMULATIVE");
  assert.equal(point.bucketCounts.length, point.explicitBounds.length + 1);
  assert.equal(point.bucketCounts.reduce((sum, count) => sum + Number(count), 0), Number(point.count));
});
