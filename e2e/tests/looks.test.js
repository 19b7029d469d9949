// Every page as somebody sees it who has asked for more contrast, or for colours of their own.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startRun } from "../support/api.js";
import { violations } from "../support/axe.js";
import { byId, ended, launch, openPage, screenshot } from "../support/browser.js";
import { startServer } from "../support/server.js";

const LOOKS = {
  "contrast-light": { contrast: "more", colorScheme: "light" },
  "contrast-dark": { contrast: "more", colorScheme: "dark" },
  "forced-light": { forcedColors: "active", colorScheme: "light" },
  "forced-dark": { forcedColors: "active", colorScheme: "dark" },
};

test("each page keeps to contrast and colours that were asked for, and tells states by shape", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const id = await startRun(server.url, "failing");
  const first = await openPage(browser, `${server.url}/#/runs/${id}`);
  await ended(first);
  const pages = {
    runs: ["#/", (page) => page.locator(".run-row a").first().waitFor()],
    run: [`#/runs/${id}`, (page) => ended(page)],
    timeline: [`#/runs/${id}`, async (page) => (await ended(page), await byId(page, "tab-timeline").click())],
    edit: ["#/edit/failing", (page) => page.locator(".edit-text").waitFor()],
    metrics: ["#/metrics", (page) => byId(page, "lights").waitFor()],
  };
  for (const [look, options] of Object.entries(LOOKS)) {
    for (const [name, [address, ready]] of Object.entries(pages)) {
      const page = await openPage(browser, `${server.url}/${address}`, options);
      await ready(page);
      assert.deepEqual(await violations(page), [], `${name} ${look}`);
      await screenshot(page, `look-${name}-${look}`);
      assert.deepEqual(page.problems, []);
      await page.context().close();
    }
  }
});
