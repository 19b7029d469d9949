// Models and files on the page: a recorded answer by the scripted provider, and what a producer posts.

import assert from "node:assert/strict";
import { test } from "node:test";

import { json, startRun } from "../support/api.js";
import { byId, ended, launch, openPage, screenshot, shown } from "../support/browser.js";
import { startServer } from "../support/server.js";

// 2 by 1 pixels
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAD0lEQVR4nGP4z8Dwn4EBAAkCAf/UpB4LAAAAAElFTkSuQmCC",
  "base64",
);

const post = (url, body) =>
  json(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

const says = (step_id, kind, data) => ({ event_type: "step_progress", step_id, data: { kind, ...data } });

async function produce(server, id, events) {
  await post(`${server.url}/api/executions`, { mode: "external", pipeline: "Elsewhere", execution_id: id, steps: ["work"] });
  await post(`${server.url}/api/executions/${id}/events`, [{ event_type: "step_start", step_id: "work" }, ...events]);
}

test("a recorded answer says that it is one, and what it took", async (t) => {
  const server = await startServer(t, { pipelines: "examples" });
  const browser = await launch(t);
  const id = await startRun(server.url, "llm");
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  const advocate = page.locator('[data-step-id="advocate"]');
  await advocate.locator('[data-testid="scripted"]').waitFor();
  assert.match(await advocate.locator('[data-testid="scripted"]').textContent(), /scripted/i);
  await ended(page);
  assert.match(await advocate.locator('[data-testid="usage"]').textContent(), /\d+ tokens in, \d+ out/);
  assert.match(await advocate.locator('[data-testid="finish"]').textContent(), /finished/);
  assert.match(await byId(page, "run-usage").textContent(), /tokens in/);
  assert.ok((await shown(page)).steps.find(({ id }) => id === "advocate").text.length > 50);
  assert.deepEqual(page.problems, []);
  await screenshot(page, "scripted");
});

test("reasoning is folded, and a tool call shows its arguments as they come", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  await produce(server, "m", [
    says("work", "llm", { provider: "openai", model: "gpt" }),
    says("work", "token", { text: "Let me think.", channel: "reasoning" }),
    says("work", "tool_call", { call_id: "1", name: "search", arguments: '{"q":' }),
  ]);
  const page = await openPage(browser, `${server.url}/#/runs/m`);
  const call = byId(page, "tool-call");
  await call.filter({ hasText: '{"q":' }).waitFor();
  assert.equal(await byId(page, "step-reasoning").count(), 0);
  await byId(page, "reasoning").locator("summary").click();
  await byId(page, "step-reasoning").filter({ hasText: "Let me think." }).waitFor();
  await post(`${server.url}/api/executions/m/events`, [
    says("work", "tool_call", { call_id: "1", arguments: '"tide"}', done: true }),
    says("work", "token", { text: " Yes.", channel: "reasoning" }),
  ]);
  await call.filter({ hasText: '"q": "tide"' }).waitFor();
  await byId(page, "step-reasoning").filter({ hasText: "Let me think. Yes." }).waitFor();
  assert.equal(await call.getAttribute("data-done"), "true");
});

test("an image is shown in a box that does not move the page, and a file that is gone is told", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const hash = (c) => c.repeat(64);
  const file = (name, media_type, c) => says("work", "artifact", { name, media_type, size: 1234, sha256: hash(c) });
  await produce(server, "f", [
    file("chart.png", "image/png", "a"),
    file("gone.png", "image/png", "b"),
    file("rows.json", "application/json", "c"),
    file("page.html", "text/html", "d"),
  ]);
  const page = await openPage(browser, `${server.url}/#/`);
  const read = [];
  const serve = (c, contentType, body) =>
    page.route(`**/api/executions/f/artifacts/${hash(c)}`, (route) => {
      read.push(c);
      return route.fulfill({ contentType, body });
    });
  let release;
  const held = new Promise((resolve) => (release = resolve));
  await page.route(`**/artifacts/${hash("a")}`, async (route) => {
    await held;
    await route.fulfill({ contentType: "image/png", body: PNG });
  });
  await serve("c", "application/json", '{"rows": 3}');
  await serve("d", "text/html", "<img src=x onerror='window.hacked = true'>");
  await page.goto(`${server.url}/#/runs/f`);
  const of = (name) => page.locator(`[data-testid="artifact"][data-name="${name}"]`);
  await of("gone.png").getByTestId("artifact-failed").waitFor();
  const before = await of("rows.json").boundingBox();
  release();
  await page.waitForFunction(() => document.querySelector('[data-name="chart.png"] img')?.naturalWidth === 2);
  assert.deepEqual(await of("rows.json").boundingBox(), before, "nothing moved");
  assert.equal(await of("chart.png").locator("a").getAttribute("download"), "chart.png");
  assert.deepEqual(read, [], "a file is read when it is opened");
  await of("rows.json").locator("summary").first().click();
  await of("rows.json").locator(".json-leaf", { hasText: "rows: 3" }).waitFor();
  await of("page.html").locator("summary").first().click();
  await of("page.html").locator("pre", { hasText: "<img src=x" }).waitFor();
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.deepEqual(read, ["c", "d"]);
  assert.deepEqual(page.problems, []);
  await screenshot(page, "files");
});
