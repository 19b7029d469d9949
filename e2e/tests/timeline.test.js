// The timeline of a run, and the way between it and the graph.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startRun, until } from "../support/api.js";
import { violations } from "../support/axe.js";
import { byId, ended, launch, openPage, screenshot } from "../support/browser.js";
import { startServer } from "../support/server.js";

const bars = (page, id, kind) => page.locator(`[data-testid="time-row"][data-id="${id}"] .time-bar[data-kind="${kind}"]`);

test("the timeline shows branches side by side, each round, the speed of text, and now", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const id = await startRun(server.url, "long");
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  await byId(page, "tab-timeline").click();
  await bars(page, "talk", "running").waitFor();
  const places = () =>
    page.evaluate(() => {
      const bar = document.querySelector('[data-id="talk"] .time-bar[data-kind="running"]').getBoundingClientRect();
      return { now: document.querySelector('[data-testid="time-now"]').getBoundingClientRect().x, from: bar.x, to: bar.right };
    });
  const first = await places();
  await until("what is under way to reach to now", async () => {
    const { now, from, to } = await places();
    return to - from > 20 && Math.abs(now - to) < 3;
  });
  await until("five rounds", async () => (await bars(page, "count", "completed").count()) === 5);
  const rounds = await bars(page, "count", "completed").evaluateAll((all) => all.map((bar) => bar.getBoundingClientRect().x));
  assert.deepEqual([...rounds].sort((a, b) => a - b), rounds);
  assert.ok(rounds.at(-1) > first.from, "beside the other branch");
  await page.locator('[data-id="talk"] [data-testid="time-rate"]', { hasText: "characters/s" }).waitFor();
  await until("the line to move on", async () => (await places()).now > first.now);
  assert.deepEqual(await violations(page), []);
  await screenshot(page, "timeline-live");
});

test("attempts are told apart, and a line leads to its step", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const id = await startRun(server.url, "failing");
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  await ended(page);
  // by keyboard, and the choice is kept
  await byId(page, "tab-graph").focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), "tab-timeline");
  await page.reload();
  await ended(page);
  for (const kind of ["retried", "pause", "completed"]) {
    assert.equal(await bars(page, "stumble", kind).count(), 1, kind);
  }
  assert.match(await bars(page, "stumble", "retried").getAttribute("title"), /attempt 1: failed, tried again after .*the line is dead/);
  assert.equal(await byId(page, "time-now").count(), 0);
  await page.locator('[data-testid="time-row"][data-id="fatal"] button').click();
  assert.equal(await page.evaluate(() => document.activeElement.dataset.stepId), "fatal");
  assert.deepEqual(page.problems, []);
  await screenshot(page, "timeline");
});
