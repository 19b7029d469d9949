// The custom element in a page of another site, in a real browser, against a real server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { json, startRun, until } from "../../../e2e/support/api.js";
import { launch, openPage, screenshot } from "../../../e2e/support/browser.js";
import { violations } from "../../../e2e/support/axe.js";
import { PACKAGE, startServerFor, startSite } from "./support/site.mjs";

const EVENTS = ["statuschange", "progress", "ended", "connectionchange", "gap", "reset", "cancelrequest", "error"];

const page = (body = "") => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Host</title></head>
<body style="margin: 0"><main>${body}</main><script type="module">
  import * as stepcast from "/dist/monitor.js";
  window.told = [];
  window.watch = (monitor) => {
    for (const type of ${JSON.stringify(EVENTS)})
      monitor.addEventListener(type, ({ detail }) => window.told.push({ type, detail: JSON.parse(JSON.stringify(detail)) }));
  };
  window.stepcast = stepcast;
  document.documentElement.dataset.ready = "";
</script></body></html>`;

async function open(t, { body, server: options, policy, html = page(body) } = {}) {
  const site = await startSite(t, PACKAGE, { "/": { html, policy } });
  const server = await startServerFor(t, site, options);
  const browser = await launch(t);
  const tab = await openPage(browser, site.url);
  await tab.locator("html[data-ready]").waitFor({ state: "attached" });
  return { site, server, browser, tab };
}

// Puts a monitor into the page.
const add = (tab, attributes, properties = {}) =>
  tab.evaluate(
    ([attributes, properties]) => {
      window.stepcast.define();
      const monitor = document.createElement("streaming-pipeline-monitor");
      for (const [name, value] of Object.entries(attributes)) monitor.setAttribute(name, value);
      Object.assign(monitor, properties);
      window.watch(monitor);
      document.querySelector("main").append(monitor);
    },
    [attributes, properties],
  );

const told = (tab, type) => tab.evaluate((type) => window.told.filter((one) => one.type === type).map((one) => one.detail), type);
const status = (tab) => tab.locator("streaming-pipeline-monitor").first().getByTestId("run-status");

test("the element shows a run of another origin, tells it by events, and keeps its styles to itself", async (t) => {
  const { site, server, tab } = await open(t);
  assert.ok(!site.asked.some((path) => path.endsWith(".wasm")), "nothing is loaded on import");
  const id = await startRun(server.url, "stream");
  await add(tab, { src: server.url, "execution-id": id });
  await until("the end", async () => (await told(tab, "ended")).length, 60);
  assert.match(await status(tab).textContent(), /completed/i);
  const [ended] = await told(tab, "ended");
  assert.deepEqual(ended, { name: "Stream", status: "completed", ended: true, percent: 100 });
  const changes = (await told(tab, "statuschange")).map((one) => one.status);
  assert.equal(changes.at(-1), "completed");
  assert.ok(changes.includes("running"), changes.join(" "));
  const kinds = (await told(tab, "connectionchange")).map((one) => one.kind);
  assert.ok(kinds.includes("live") && kinds.at(-1) === "ended", kinds.join(" "));
  assert.deepEqual(await told(tab, "error"), []);
  const { events } = await json(`${server.url}/api/executions/${id}/events?limit=1000`);
  const seen = await tab.evaluate(() => {
    const monitor = document.querySelector("streaming-pipeline-monitor");
    const style = (element) => getComputedStyle(element);
    const head = monitor.shadowRoot.querySelector("[part~=head]");
    return {
      events: monitor.view().events,
      state: monitor.connection.kind,
      summary: monitor.summary.status,
      grid: style(head).display,
      outside: style(document.querySelector("main")).display,
      styles: document.querySelectorAll("style, link[rel=stylesheet]").length,
    };
  });
  assert.deepEqual(seen, { events: events.length, state: "ended", summary: "completed", grid: "grid", outside: "block", styles: 0 });
  assert.deepEqual(await violations(tab), []);
  await screenshot(tab, "element");
  assert.deepEqual(tab.problems, []);
});

test("attributes and properties are one, and a change of either follows another run", async (t) => {
  const { server, tab } = await open(t);
  const [first, second] = [await startRun(server.url, "short"), await startRun(server.url, "short")];
  await add(tab, { theme: "dark", transport: "sse" }, { src: server.url, executionId: first });
  const monitor = (read) => tab.evaluate(read);
  assert.equal(await monitor(() => document.querySelector("streaming-pipeline-monitor").getAttribute("execution-id")), first);
  await until("the end", async () => (await told(tab, "ended")).length);
  const transports = (await told(tab, "connectionchange")).map((one) => one.transport).filter(Boolean);
  assert.deepEqual([...new Set(transports)], ["sse"]);
  const dark = await monitor(() => getComputedStyle(document.querySelector("streaming-pipeline-monitor")).colorScheme);
  assert.equal(dark, "dark");
  await tab.evaluate((id) => document.querySelector("streaming-pipeline-monitor").setAttribute("execution-id", id), second);
  await until("the other's end", async () => (await told(tab, "ended")).length === 2);
  assert.equal(await monitor(() => document.querySelector("streaming-pipeline-monitor").view().execution_id), second);
  assert.equal(await monitor(() => document.querySelector("streaming-pipeline-monitor").executionId), second);
  assert.equal(await monitor(() => document.querySelector("streaming-pipeline-monitor").shadowRoot.querySelectorAll(".monitor").length), 1);
  assert.deepEqual(tab.problems, []);
});

test("it begins after a cursor", async (t) => {
  const { server, tab } = await open(t);
  const id = await startRun(server.url, "short");
  const { epoch, events } = await until("all events", async () => {
    const page = await json(`${server.url}/api/executions/${id}/events?limit=1000`);
    return page.closed && page;
  });
  await add(tab, { src: server.url, "execution-id": id, "start-after": `${epoch}.${events.length - 2}` });
  await until("the end", async () => (await told(tab, "ended")).length);
  assert.equal(await tab.evaluate(() => document.querySelector("streaming-pipeline-monitor").view().events), 2);
});

test("properties that were set before the class was registered count", async (t) => {
  const { server, tab } = await open(t);
  const id = await startRun(server.url, "short");
  await tab.evaluate(
    ([src, id]) => {
      const monitor = document.createElement("streaming-pipeline-monitor");
      Object.assign(monitor, { src, executionId: id });
      window.watch(monitor);
      document.querySelector("main").append(monitor);
      window.stepcast.define();
    },
    [server.url, id],
  );
  await until("the end", async () => (await told(tab, "ended")).length);
});

test("taken out of the page it hangs up; moved within it, it does not", async (t) => {
  const { server, tab } = await open(t);
  const id = await startRun(server.url, "long");
  await add(tab, { src: server.url, "execution-id": id });
  await status(tab).waitFor();
  await until("a live connection", async () => (await told(tab, "connectionchange")).some((one) => one.kind === "live"));
  const dials = async () => (await told(tab, "connectionchange")).filter((one) => one.kind === "connecting").length;
  const before = await dials();
  await tab.evaluate(() => {
    const monitor = document.querySelector("streaming-pipeline-monitor");
    const aside = document.createElement("aside");
    document.body.append(aside);
    aside.append(monitor);
  });
  await tab.waitForTimeout(200);
  assert.equal(await dials(), before, "a move is no new connection");
  const left = await tab.evaluate(async () => {
    const monitor = document.querySelector("streaming-pipeline-monitor");
    monitor.remove();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const count = window.told.length;
    await new Promise((resolve) => setTimeout(resolve, 700));
    return { told: window.told.length - count, nodes: monitor.shadowRoot.querySelectorAll(".frame *").length, view: monitor.view() };
  });
  assert.deepEqual(left, { told: 0, nodes: 0, view: undefined });
  assert.deepEqual(tab.problems, []);
});

test("each event is told to who listens, in order, once", async (t) => {
  const { server, tab } = await open(t);
  const id = await startRun(server.url, "short");
  await tab.evaluate(
    ([src, id]) => {
      window.stepcast.define();
      const monitor = document.createElement("streaming-pipeline-monitor");
      window.seen = [];
      monitor.addEventListener("stepcast-event", (event) => window.seen.push(event.detail.seq));
      window.watch(monitor);
      Object.assign(monitor, { src, executionId: id });
      document.body.append(monitor);
    },
    [server.url, id],
  );
  await until("the end", async () => (await told(tab, "ended")).length);
  const seen = await tab.evaluate(() => window.seen);
  const { events } = await json(`${server.url}/api/executions/${id}/events?limit=1000`);
  assert.deepEqual(seen, events.map((event) => event.seq));
});

test("what stands between the tags shows until there is a monitor, and slots go before and after it", async (t) => {
  const body = `<streaming-pipeline-monitor><b id="before" slot="before">before</b><i id="wait">wait</i><b id="after" slot="after">after</b></streaming-pipeline-monitor>`;
  const { server, tab } = await open(t, { body });
  await tab.evaluate(() => window.stepcast.define());
  await tab.locator("#wait").waitFor({ state: "visible" });
  const id = await startRun(server.url, "short");
  await tab.evaluate(([src, id]) => Object.assign(document.querySelector("streaming-pipeline-monitor"), { src, executionId: id }), [server.url, id]);
  await status(tab).waitFor();
  await tab.locator("#wait").waitFor({ state: "hidden" });
  const top = (selector) => tab.locator(selector).evaluate((element) => element.getBoundingClientRect().top);
  const middle = await status(tab).evaluate((element) => element.getBoundingClientRect().top);
  assert.ok((await top("#before")) < middle && middle < (await top("#after")));
});

test("what goes wrong is told with a code", async (t) => {
  const { server, tab } = await open(t);
  await add(tab, { src: server.url, "execution-id": "nobody" });
  await until("the refusal", async () => (await told(tab, "error")).length);
  const [refused] = await told(tab, "error");
  assert.deepEqual([refused.code, refused.status], ["refused", 404]);
  await tab.evaluate(() => (document.querySelector("streaming-pipeline-monitor").transport = "pigeon"));
  await until("the complaint", async () => (await told(tab, "error")).length === 2);
  const [, unknown] = await told(tab, "error");
  assert.equal(unknown.code, "options");
  assert.match(unknown.message, /websocket, sse, long_poll, not pigeon/);
});

test("the button cancels the run, unless the page says that it does so itself", async (t) => {
  const { server, tab } = await open(t);
  const id = await startRun(server.url, "long");
  await add(tab, { src: server.url, "execution-id": id, cancellable: "" });
  const button = tab.getByTestId("cancel");
  await button.waitFor();
  await tab.evaluate(() => {
    document.querySelector("streaming-pipeline-monitor").addEventListener("cancelrequest", (event) => event.preventDefault(), { once: true });
  });
  await button.click();
  await tab.waitForTimeout(500);
  assert.equal((await json(`${server.url}/api/executions/${id}`)).status, "running");
  await tab.evaluate(() => (document.querySelector("streaming-pipeline-monitor").cancellable = false));
  await button.waitFor({ state: "detached" });
  await tab.evaluate(() => (document.querySelector("streaming-pipeline-monitor").cancellable = true));
  await button.click();
  await until("the end", async () => (await told(tab, "ended")).length);
  assert.equal((await told(tab, "ended"))[0].status, "cancelled");
});

test("two monitors in one page do not mix, and a question is found in its own", async (t) => {
  const { server, tab } = await open(t);
  const asking = {
    name: "Ask",
    steps: [{ id: "review", type: "human", config: { prompt: "Good?", form: { fields: [{ name: "note", type: "text" }] } } }],
    flow: { start_at: "review", paths: [] },
  };
  const ids = [await startRun(server.url, asking), await startRun(server.url, asking)];
  for (const id of ids) await add(tab, { src: server.url, "execution-id": id });
  const second = tab.locator("streaming-pipeline-monitor").nth(1);
  await second.getByTestId("go-to-question").click();
  await tab.keyboard.type("fine");
  const values = () => tab.locator("streaming-pipeline-monitor input[type=text]").evaluateAll((inputs) => inputs.map((input) => input.value));
  assert.ok((await second.locator("input").evaluateAll((inputs) => inputs.map((input) => input.value))).includes("fine"), String(await values()));
  const first = tab.locator("streaming-pipeline-monitor").first();
  assert.ok(!(await first.locator("input").evaluateAll((inputs) => inputs.map((input) => input.value))).includes("fine"));
});

test("it needs no more of a content policy than to run wasm", async (t) => {
  const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' http://127.0.0.1:* ws://127.0.0.1:*; require-trusted-types-for 'script'";
  const html = `<!doctype html><html lang="en"><head><title>Strict</title></head><body><main></main><script type="module" src="/test/support/strict.mjs"></script></body></html>`;
  const { server, tab } = await open(t, { html, policy });
  const id = await startRun(server.url, "short");
  await tab.evaluate(
    ([src, id]) => Object.assign(document.querySelector("streaming-pipeline-monitor"), { src, executionId: id }),
    [server.url, id],
  );
  await until("the end", async () => tab.evaluate(() => document.querySelector("streaming-pipeline-monitor").summary?.ended));
  assert.deepEqual(tab.problems, []);
});
