// Metrics: those of one run, counted in the page, and those of many, on a page of their own.

import assert from "node:assert/strict";
import { test } from "node:test";

import { json, startRun, until } from "../support/api.js";
import { violations } from "../support/axe.js";
import { byId, ended, launch, openPage, screenshot } from "../support/browser.js";
import { startServer } from "../support/server.js";

const metric = (page, name) => page.locator(`[data-testid="metric"][data-metric="${name}"]`);
const light = (page, name) => metric(page, name).getAttribute("data-light");
const text = async (locator) => (await locator.textContent()).replace(/\s+/g, " ").trim();

// Nothing of the page lies beside the window, at any width.
const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

test("a run's page counts its metrics as the server does, and says how late its events come", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const id = await startRun(server.url, "failing");
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  await ended(page);
  await byId(page, "metrics-light").locator(`[data-light="missed"]`).waitFor();
  await page.keyboard.press("m");
  const { metrics, counts } = await json(`${server.url}/api/metrics`);
  assert.equal(counts.runs, 1);
  for (const { metric: name, value, met, target } of metrics) {
    const expected = value === null ? "no-data" : target === null ? "informs" : met ? "met" : "missed";
    assert.equal(await light(page, name), expected, name);
  }
  // opened by keyboard: the formula, with the run's numbers
  await metric(page, "svr").locator("summary").focus();
  await page.keyboard.press("Enter");
  assert.match(await text(metric(page, "svr")), /steps_completed \/ \(steps_completed \+ steps_failed\)/);
  const { steps_completed: done, steps_failed: failed } = counts;
  assert.match(await text(metric(page, "svr")), new RegExp(`${done} / \\(${done} \\+ ${failed}\\) = `));
  assert.deepEqual(await violations(page), []);
  await screenshot(page, "run-metrics");

  // what is watched while it happens is measured; the choice of tab is kept
  const other = await startRun(server.url, "stream");
  await page.goto(`${server.url}/#/runs/${other}`);
  await byId(page, "lateness").waitFor();
  assert.match(await text(byId(page, "lateness")), /half within\+ \d.*95 of 100 within\+ \d/);
  await ended(page);
  // one that is opened afterwards tells nothing of the way here
  await page.reload();
  await ended(page);
  await byId(page, "lateness-none").waitFor();
  assert.deepEqual(page.problems, []);
});

test("a run's metrics fit a narrow window, dark, and forced colours", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const id = await startRun(server.url, "failing");
  for (const [name, options] of Object.entries(LOOKS)) {
    const page = await openPage(browser, `${server.url}/#/runs/${id}`, { viewport: { width: 360, height: 740 }, ...options });
    await ended(page);
    await byId(page, "tab-metrics").click();
    await metric(page, "svr").locator("summary").click();
    assert.ok((await overflow(page)) <= 0, name);
    assert.deepEqual(await violations(page), [], name);
    await screenshot(page, `run-metrics-${name}`);
    await page.context().close();
  }
});

// What a browser can be set to; each is tried at 360 pixels.
const LOOKS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  contrast: { contrast: "more" },
  forced: { forcedColors: "active" },
  still: { reducedMotion: "reduce" },
};
