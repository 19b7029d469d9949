// The page as a person uses it: by mouse, by keyboard, on a phone, with a screen reader, in the dark.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startRun, until } from "../support/api.js";
import { violations } from "../support/axe.js";
import { byId, ended, launch, openPage, screenshot, shown } from "../support/browser.js";
import { startServer } from "../support/server.js";

test("a run is started by a click, watched to its end, and found again in the list", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const page = await openPage(browser, server.url);
  await byId(page, "start-short").click();
  await page.waitForURL(/#\/runs\/.+/);
  await ended(page);
  const view = await shown(page);
  assert.ok(view.steps.length > 1);
  assert.ok(view.steps.every((step) => step.status === "completed"), JSON.stringify(view));
  await page.goto(`${server.url}/#/`);
  await byId(page, "run-row").first().waitFor();
  assert.equal(await byId(page, "run-row").count(), 1);
  assert.deepEqual(page.problems, []);
});

test("tokens appear as text while the step runs", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const id = await startRun(server.url, "long");
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  const text = byId(page, "step-text").first();
  await text.waitFor();
  const early = (await text.textContent()).trim();
  await until("more text", async () => (await text.textContent()).trim().length > early.length);
  assert.ok((await text.textContent()).trim().startsWith(early));
});

test("everything can be done by keyboard", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const page = await openPage(browser, server.url);
  await byId(page, "start-short").waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("data-testid"));
  await until("the start button to have the focus", async () => {
    await page.keyboard.press("Tab");
    return (await focused()) === "start-short";
  });
  const outline = await page.evaluate(() => {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== "none" || style.boxShadow !== "none";
  });
  assert.ok(outline, "the focus can be seen");
  await page.keyboard.press("Enter");
  await page.waitForURL(/#\/runs\/.+/);
  await ended(page);
});

for (const width of [360, 1600]) {
  test(`nothing scrolls sideways at ${width} px`, async (t) => {
    const server = await startServer(t);
    const browser = await launch(t);
    const id = await startRun(server.url, "short");
    const page = await openPage(browser, `${server.url}/#/`, { viewport: { width, height: 800 } });
    await byId(page, "start-short").waitFor();
    const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok((await overflow()) <= 0);
    await screenshot(page, `list-${width}`);
    await page.goto(`${server.url}/#/runs/${id}`);
    await ended(page);
    assert.ok((await overflow()) <= 0);
    await screenshot(page, `run-${width}`);
  });
}

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing to complain of in the ${colorScheme} page`, async (t) => {
    const server = await startServer(t);
    const browser = await launch(t);
    const id = await startRun(server.url, "failing");
    const page = await openPage(browser, `${server.url}/#/runs/${id}`, { colorScheme });
    await ended(page);
    assert.deepEqual(await violations(page), []);
    await screenshot(page, `run-${colorScheme}`);
    await page.goto(`${server.url}/#/`);
    await byId(page, "run-row").first().waitFor();
    assert.deepEqual(await violations(page), []);
    await screenshot(page, `list-${colorScheme}`);
  });
}

test("a log of 100,000 events scrolls and stays responsive", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const id = await startRun(server.url, "flood");
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  await ended(page, 120);
  const log = byId(page, "event-log");
  await log.waitFor();
  const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
  assert.ok(nodes < 5_000, `${nodes} elements: only what is seen may be in the page`);
  const scroll = await log.evaluate(async (list) => {
    const scroller = [list, ...list.querySelectorAll("*")].find((element) => element.scrollHeight > element.clientHeight + 1);
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const times = [];
    const texts = new Set();
    for (let at = 0; at <= 20; at += 1) {
      const begun = performance.now();
      scroller.scrollTop = (scroller.scrollHeight * at) / 20;
      await frame();
      await frame();
      times.push(performance.now() - begun);
      texts.add(list.textContent);
    }
    times.sort((a, b) => a - b);
    return { median: times[10], worst: times.at(-1), different: texts.size };
  });
  assert.ok(scroll.different > 10, "what is shown follows the scrolling");
  assert.ok(scroll.median < 100 && scroll.worst < 1_000, JSON.stringify(scroll));
});
