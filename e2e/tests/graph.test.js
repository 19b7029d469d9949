// The graph of a run: looked at, dragged, zoomed and walked by keyboard.

import assert from "node:assert/strict";
import { test } from "node:test";

import { json, startRun, until } from "../support/api.js";
import { violations } from "../support/axe.js";
import { byId, ended, launch, openPage, screenshot } from "../support/browser.js";
import { startServer } from "../support/server.js";

const post = (url, body) =>
  json(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
const plane = (page) => page.locator(".graph-plane").getAttribute("style");
const box = (page, id) => page.locator(`[data-testid="graph-step"][data-id="${id}"]`);
const states = (page) => page.locator(".graph-edge").evaluateAll((edges) => edges.map((edge) => edge.dataset.state));

test("the graph lights the paths as they are taken, and counts the rounds of a loop", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  // the run waits for the page: a path is lit for as long as the step that it led to runs
  const { execution_id: id } = await post(`${server.url}/api/executions`, { pipeline: "stream", mode: "create" });
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  await page.locator(".connection:is([data-state='live'], [data-state='catching-up'])").waitFor();
  await post(`${server.url}/api/executions/${id}/start`, {});
  await until("a path that has just been taken", async () => (await states(page)).includes("live"));
  await ended(page);
  await until("all paths to be taken", async () => (await states(page)).every((state) => state === "taken"));
  assert.match(await page.locator(".graph-often").allTextContents().then((all) => all.join(" ")), /×\d/);
  const loop = page.locator('[data-testid="graph-step"]', { has: page.locator(".graph-turn", { hasText: "round" }) });
  assert.equal(await loop.count(), 1);
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(page.problems, []);
  await screenshot(page, "graph");
});

test("the graph is moved by the mouse and stays where it was put", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const id = await startRun(server.url, "failing");
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  await ended(page);
  const first = await plane(page);
  const window = await page.locator(".graph-window").boundingBox();
  const [x, y] = [window.x + 30, window.y + 30];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 50, y + 20, { steps: 4 });
  await page.mouse.up();
  const dragged = await plane(page);
  assert.notEqual(dragged, first);
  const scale = (style) => Number(/scale\(([\d.]+)\)/.exec(style)[1]);
  const scrolled = await page.evaluate(() => window.scrollY);
  await page.keyboard.down("Control");
  await page.mouse.wheel(0, -200);
  await page.keyboard.up("Control");
  await until("the graph to grow", async () => scale(await plane(page)) > scale(dragged));
  assert.equal(await page.evaluate(() => window.scrollY), scrolled);
  await byId(page, "graph-follow").click();
  await until("the graph to be as before", async () => (await plane(page)) === first);
  // a click chooses, and says what there is to say
  await box(page, "fatal").click();
  assert.match(await byId(page, "graph-told").textContent(), /fatal: failed\. this is the end/);
  await byId(page, "graph-open").click();
  assert.equal(await page.evaluate(() => document.activeElement.dataset.stepId), "fatal");
  assert.deepEqual(page.problems, []);
});

test("the graph is walked by keyboard", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const id = await startRun(server.url, "failing");
  const page = await openPage(browser, `${server.url}/#/runs/${id}`, { viewport: { width: 1600, height: 900 } });
  await ended(page);
  await page.locator(".graph-window").focus();
  const chosen = () => page.locator('.graph-step[aria-selected="true"]').getAttribute("data-id");
  await page.keyboard.press("Home");
  assert.equal(await chosen(), "talk");
  await page.keyboard.press("ArrowRight");
  assert.equal(await chosen(), "stumble");
  const active = await page.locator(".graph-window").getAttribute("aria-activedescendant");
  assert.equal(await page.locator(`#${active}`).getAttribute("data-id"), "stumble");
  const before = await plane(page);
  await page.keyboard.press("+");
  assert.notEqual(await plane(page), before);
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.dataset.stepId), "stumble");
});

test("three hundred steps are drawn at once, read where it happens, and seen from afar", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const steps = [{ id: "s0", type: "set", config: { values: {} } }];
  const paths = [];
  for (let group = 0; group < 30; group += 1) {
    const from = steps.at(-1).id;
    for (let n = 0; n < 9; n += 1) {
      steps.push({ id: `w${group}-${n}`, type: "set", config: { values: {} } });
      paths.push({ from, to: `w${group}-${n}` }, { from: `w${group}-${n}`, to: `j${group}` });
    }
    steps.push({ id: `j${group}`, type: "set", config: { values: {} } });
  }
  const id = await startRun(server.url, { name: "Large", steps, flow: { start_at: "s0", paths } });
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  await ended(page);
  assert.equal(await byId(page, "graph-step").count(), 301);
  // while it follows, the last step can be read
  await until("the last step to be in sight", async () => {
    const [window, last] = [await page.locator(".graph-window").boundingBox(), await box(page, "j29").boundingBox()];
    return last && last.x > window.x && last.x + last.width < window.x + window.width && last.width > 100;
  });
  await byId(page, "graph-fit").click();
  await page.locator(".graph.unreadable").waitFor();
  for (const id of ["s0", "j29"]) {
    const [window, step] = [await page.locator(".graph-window").boundingBox(), await box(page, id).boundingBox()];
    assert.ok(step.x >= window.x && step.x + step.width <= window.x + window.width, id);
  }
  await screenshot(page, "graph-300");
});
