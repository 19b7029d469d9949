// Measures in Chromium; `cargo xtask bench-web` builds what it needs and runs it. Prints tables of Markdown.

import { mkdtemp, mkdir, writeFile } from "node:fs/promises";
import { tmpdir, cpus } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { json, startRun, until } from "../../e2e/support/api.js";
import { launch, openPage } from "../../e2e/support/browser.js";
import { startServerFor, startSite } from "../npm/test/support/site.mjs";
import { startReplay } from "./src/replay.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const only = process.argv.slice(2);
const wanted = (name) => only.length === 0 || only.includes(name);
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const after = [];
const t = { after: (call) => after.push(call) };

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const round = (number, places = 0) => number.toLocaleString("en", { maximumFractionDigits: places, minimumFractionDigits: places });
const table = (title, head, rows) => {
  console.log(`\n### ${title}\n\n| ${head.join(" | ")} |\n| --- |${" ---: |".repeat(head.length - 1)}`);
  for (const row of rows) console.log(`| ${row.join(" | ")} |`);
};

async function site() {
  const folder = await mkdtemp(path.join(tmpdir(), "stepcast-bench-"));
  const dist = path.join(here, "../npm/dist");
  await build({
    absWorkingDir: here,
    entryPoints: ["src/race.js", "src/page.js"],
    outdir: folder,
    bundle: true,
    format: "esm",
    minify: true,
    loader: { ".wasm": "file" },
    alias: { stepcast: path.join(dist, "index.js"), "stepcast/monitor": path.join(dist, "monitor.js") },
    logLevel: "warning",
  });
  const { copyFile } = await import("node:fs/promises");
  for (const name of ["headless", "monitor"]) await copyFile(path.join(dist, `${name}.wasm`), path.join(folder, `${name}.wasm`));
  await writeFile(path.join(folder, "race.html"), `<!doctype html><title>race</title><script type="module" src="race.js"></script>`);
  await writeFile(
    path.join(folder, "monitor.html"),
    `<!doctype html><title>monitor</title><body style="margin:0"><streaming-pipeline-monitor></streaming-pipeline-monitor><script type="module" src="page.js"></script>`,
  );
  return startSite(t, folder);
}

const event = (seq, id) =>
  JSON.stringify({
    event_type: "step_progress",
    execution_id: id,
    step_id: "talk",
    seq,
    timestamp: "2025-10-22T10:30:00.123Z",
    data: { kind: "token", text: `word${seq} `, index: seq, model: "example-1" },
  });

async function race(browser, { url }) {
  const count = 100_000;
  const id = "race";
  const replay = await startReplay(Array.from({ length: count }, (_, at) => event(at + 1, id)), id);
  const rows = [
    ["`stepcast`, WebSocket, no view", "stepcast", { transport: "websocket", view: false }],
    ["`stepcast`, WebSocket, with its view", "stepcast", { transport: "websocket", view: true }],
    ["`stepcast`, SSE, no view", "stepcast", { transport: "sse", view: false }],
    ["`stepcast`, SSE, with its view", "stepcast", { transport: "sse", view: true }],
    ["a bare `WebSocket` and `JSON.parse`, which comes back from nothing", "websocket", {}],
    ["`eventsource` 4.1.1 and `JSON.parse`, SSE", "eventsource", {}],
    ["`centrifuge` 5.8.0, WebSocket, 64 messages a frame", "centrifuge", {}],
  ];
  const times = rows.map(() => []);
  // the rows take turns; the first round warms up
  for (let turn = 0; turn <= ROUNDS; turn += 1) {
    for (const [place, [, name, options]] of rows.entries()) {
      const page = await openPage(browser, `${url}/race.html`);
      await page.waitForFunction(() => window.ready);
      const took = await page.evaluate(([name, options, count]) => window.race(name, options, count), [name, { ...options, url: replay.url, centrifugo: replay.centrifugo, id }, count]);
      if (turn > 0) times[place].push(took);
      await page.context().close();
    }
  }
  replay.stop();
  table(`${round(count)} events of ${event(count, id).length} bytes`, ["client", `events a second, median of ${ROUNDS}`, "least", "most"],
    rows.map(([label], place) => [label, round((count / median(times[place])) * 1000), round((count / Math.max(...times[place])) * 1000), round((count / Math.min(...times[place])) * 1000)]));
}

// Where a client's time goes: shares of the samples that the main thread was busy in.
async function profile(browser, { url }) {
  const count = 100_000;
  const id = "race";
  const replay = await startReplay(Array.from({ length: count }, (_, at) => event(at + 1, id)), id);
  const rows = [];
  for (const [label, name, options] of [
    ["`stepcast`, WebSocket, with its view", "stepcast", { transport: "websocket", view: true }],
    ["`stepcast`, SSE, with its view", "stepcast", { transport: "sse", view: true }],
    ["a bare `WebSocket`", "websocket", {}],
    ["`eventsource`, SSE", "eventsource", {}],
    ["`centrifuge`, WebSocket", "centrifuge", {}],
  ]) {
    if (process.env.ROW && !label.includes(process.env.ROW)) continue;
    const page = await openPage(browser, `${url}/race.html`);
    await page.waitForFunction(() => window.ready);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Profiler.enable");
    await devtools.send("Profiler.start");
    await page.evaluate(([name, options, count]) => window.race(name, options, count), [name, { ...options, url: replay.url, centrifugo: replay.centrifugo, id }, count]);
    const { profile } = await devtools.send("Profiler.stop");
    const self = new Map(profile.nodes.map((node) => [node.id, 0]));
    profile.samples.forEach((node, at) => self.set(node, self.get(node) + profile.timeDeltas[at]));
    const shares = { wasm: 0, other: 0, garbage: 0, browser: 0, idle: 0 };
    for (const { id, callFrame } of profile.nodes) {
      const { functionName, url } = callFrame;
      const kind =
        functionName === "(idle)" ? "idle" : functionName === "(program)" ? "browser" : functionName === "(garbage collector)" ? "garbage" : url.startsWith("wasm:") || url.endsWith(".wasm") ? "wasm" : "other";
      shares[kind] += self.get(id);
    }
    rows.push([label, ...Object.values(shares).map((micros) => round(micros / 1000))]);
    await page.context().close();
  }
  replay.stop();
  table(`Where the time goes, ms for ${round(count)} events, under the profiler`, ["client", "wasm", "JavaScript, `JSON.parse` included", "collecting garbage", "the browser itself", "waiting"], rows);
}

async function pipelines() {
  const folder = await mkdtemp(path.join(tmpdir(), "stepcast-bench-"));
  const program = `const [rate, seconds] = process.argv.slice(2).map(Number);
const begun = performance.now();
let sent = 0;
const timer = setInterval(() => {
  const due = Math.min(rate * seconds, Math.floor(((performance.now() - begun) / 1000) * rate));
  let text = "";
  while (sent < due) text += JSON.stringify({ custom: { at: (sent += 1) } }) + "\\n";
  if (text) process.stdout.write(text);
  if (sent === rate * seconds) {
    clearInterval(timer);
    process.stdout.write('{"output":{"sent":' + sent + '}}\\n');
  }
}, 10);
`;
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "rate.js"), program);
  const one = (name, argv) => ({ name, steps: [{ id: "work", type: "command", config: { argv } }], flow: { start_at: "work", paths: [] } });
  await writeFile(path.join(folder, "minute.json"), JSON.stringify(one("Minute", ["node", "rate.js", "5000", "60"])));
  await writeFile(path.join(folder, "many.json"), JSON.stringify(one("Many", ["node", "rate.js", "100000", "1"])));
  await writeFile(path.join(folder, "few.json"), JSON.stringify(one("Few", ["node", "rate.js", "20", "1"])));
  return folder;
}

async function ended(server, id) {
  return until(`the end of ${id}`, async () => {
    const run = await json(`${server.url}/api/executions/${id}`);
    return run.ended_at && run;
  }, 120);
}

const open = (browser, { url }, server, id) => openPage(browser, `${url}/monitor.html?${new URLSearchParams({ src: server.url, id })}`);

async function minute(browser, pages, server) {
  const id = await startRun(server.url, "minute");
  const page = await open(browser, pages, server, id);
  const devtools = await page.context().newCDPSession(page);
  const memory = async () => {
    await devtools.send("HeapProfiler.collectGarbage");
    const { usedSize, backingStorageSize = 0 } = await devtools.send("Runtime.getHeapUsage");
    return (usedSize + backingStorageSize) / 1e6;
  };
  await page.waitForFunction(() => window.shown, undefined, { timeout: 30_000 });
  await page.waitForTimeout(1000);
  await page.evaluate(() => ((window.frames.length = 0), (window.tasks.length = 0)));
  const heap = [];
  for (let at = 0; at < 5; at += 1) {
    await page.waitForTimeout(10_000);
    // what collecting the garbage costs is not the page's: noted apart
    const tasks = await page.evaluate(() => window.tasks.length);
    heap.push(await memory());
    await page.evaluate((tasks) => (window.tasks.length = Math.min(window.tasks.length, tasks)), tasks);
  }
  const { frames, tasks } = await page.evaluate(() => ({ frames: window.frames, tasks: window.tasks }));
  await page.waitForFunction(() => window.ended, undefined, { timeout: 60_000 });
  const events = await page.evaluate(() => document.querySelector("streaming-pipeline-monitor").view().events);
  const sorted = frames.toSorted((a, b) => a - b);
  table("5,000 events a second for a minute", ["what", "measured"], [
    ["events shown", round(events)],
    ["tasks of the main thread over 50 ms", `${tasks.length}${tasks.length ? ` (the longest ${round(Math.max(...tasks))} ms)` : ""}`],
    ["time between frames, median, ms", round(median(frames), 1)],
    ["time between frames, 99 of 100, ms", round(sorted[Math.floor(sorted.length * 0.99)], 1)],
    ["JavaScript's heap and buffers every 10 s, MB", heap.map((one) => round(one, 1)).join(", ")],
  ]);
  await page.context().close();
}

async function opened(browser, pages, server) {
  const many = await startRun(server.url, "many");
  const few = await startRun(server.url, "few");
  await Promise.all([ended(server, many), ended(server, few)]);
  const rows = [];
  for (const [label, id, slower, mark] of [
    ["100,000 events, to the last of them", many, 1, "ended"],
    ["100,000 events, to the first sight of the run", many, 1, "shown"],
    ["a short run, CPU throttled to a quarter, to the last event", few, 4, "ended"],
  ]) {
    const times = [];
    for (let turn = 0; turn <= ROUNDS; turn += 1) {
      const page = await openPage(browser, "about:blank");
      const devtools = await page.context().newCDPSession(page);
      await devtools.send("Emulation.setCPUThrottlingRate", { rate: slower });
      await page.goto(`${pages.url}/monitor.html?${new URLSearchParams({ src: server.url, id })}`);
      await page.waitForFunction((mark) => window[mark], mark, { timeout: 60_000 });
      if (turn > 0) times.push(await page.evaluate((mark) => window[mark], mark));
      await page.context().close();
    }
    rows.push([label, round(median(times)), round(Math.min(...times)), round(Math.max(...times))]);
  }
  table("From the address to the run, ms", ["what", `median of ${ROUNDS}`, "least", "most"], rows);
}

try {
  const pages = await site();
  const browser = await launch(t);
  console.log(`Chromium ${browser.version()}, Node ${process.version}, ${cpus().length} × ${cpus()[0].model}`);
  if (wanted("race")) await race(browser, pages);
  if (wanted("profile")) await profile(browser, pages);
  if (wanted("minute") || wanted("opened")) {
    const server = await startServerFor(t, pages, { pipelines: path.relative(fileURLToPath(new URL("../..", import.meta.url)), await pipelines()) });
    if (wanted("opened")) await opened(browser, pages, server);
    if (wanted("minute")) await minute(browser, pages, server);
  }
} finally {
  for (const call of after.reverse()) await call();
}
