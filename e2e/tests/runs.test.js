// The list of runs: filtered and searched in the address; and the keys that work everywhere.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startRun, until } from "../support/api.js";
import { violations } from "../support/axe.js";
import { byId, ended, launch, openPage, screenshot } from "../support/browser.js";
import { startServer } from "../support/server.js";

const shown = async (page) => (await page.locator(".run-name").allTextContents()).sort();

test("the list is filtered and searched, and the address keeps it", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  for (const pipeline of ["short", "failing", "short"]) {
    await startRun(server.url, pipeline);
  }
  const page = await openPage(browser, server.url);
  await until("all runs to have ended", async () => (await page.locator('[data-status="running"]').count()) === 0 && (await shown(page)).length === 3);
  await byId(page, "runs-status").selectOption("failed");
  await until("the failed run alone", async () => (await shown(page)).join() === "failing");
  assert.match(page.url(), /#\/\?status=failed$/);
  await page.getByLabel("Pipeline or id").fill("ßhort & co");
  await byId(page, "no-match").waitFor();
  assert.deepEqual(await violations(page), []);
  await screenshot(page, "runs-none");
  await byId(page, "no-match").getByRole("link").click();
  await until("all again", async () => (await shown(page)).length === 3);
  assert.equal(await byId(page, "runs-status").inputValue(), "");
  await page.getByLabel("Pipeline or id").fill("SHO");
  await until("what was looked for", async () => (await shown(page)).join() === "short,short");
  // the address is all that is needed, and a new run comes to the list by itself
  const again = await openPage(browser, page.url());
  await until("the same list", async () => (await shown(again)).join() === "short,short");
  assert.equal(await again.getByLabel("Pipeline or id").inputValue(), "SHO");
  await startRun(server.url, "short");
  await until("the new run", async () => (await shown(again)).length === 3);
  assert.deepEqual(page.problems, []);
});

test("keys lead about the page, and a sheet tells of them", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const id = await startRun(server.url, "short");
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  await ended(page);
  await page.keyboard.press("?");
  await byId(page, "help-sheet").waitFor();
  assert.deepEqual(await violations(page), []);
  await screenshot(page, "help");
  // a key that is pressed over the sheet is not the page's
  await page.keyboard.press("t");
  await page.keyboard.press("Escape");
  await byId(page, "help-sheet").waitFor({ state: "hidden" });
  await byId(page, "graph").waitFor();
  await page.keyboard.press("t");
  await byId(page, "timeline").waitFor();
  await page.keyboard.press("g");
  await byId(page, "graph").waitFor();
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "events-filter");
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("r");
  // the address changes before the page does, and the page that goes takes the focus with it
  const search = page.getByLabel("Pipeline or id");
  await search.waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("r?");
  assert.equal(await search.inputValue(), "r?");
  assert.equal(await byId(page, "help-sheet").isVisible(), false);
});
