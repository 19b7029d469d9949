// A page that watches a run over a bad network, and through the death of the server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { json, startRun, until } from "../support/api.js";
import { byId, ended, launch, openPage, screenshot, shown } from "../support/browser.js";
import { startRelay } from "../support/relay.js";
import { startServer, temporaryFolder } from "../support/server.js";

const runPage = (url, id) => `${url}/#/runs/${id}`;

// What two viewers of one run must agree on, one disturbed, one not.
async function assertSameView(browser, page, url, id) {
  const fresh = await openPage(browser, runPage(url, id));
  await ended(fresh);
  assert.deepEqual(await shown(page), await shown(fresh));
  assert.deepEqual(page.problems, []);
  assert.deepEqual(fresh.problems, []);
}

// How many events the page says it has.
async function eventCount(page) {
  return Number(await byId(page, "event-count").getAttribute("data-count"));
}

test("a page survives kill -9 of the server and a restart, and says so meanwhile", async (t) => {
  const dataDir = await temporaryFolder(t);
  const first = await startServer(t, { dataDir });
  const browser = await launch(t);
  const id = await startRun(first.url, "long");
  const page = await openPage(browser, runPage(first.url, id));
  await until("some events", async () => (await eventCount(page)) > 10);
  const live = await byId(page, "connection").textContent();

  await first.kill();
  const lost = await until("the page to say that the connection is lost", async () => {
    const words = await byId(page, "connection").textContent();
    return words !== live && words;
  });
  assert.match(lost, /reconnect|try|again|lost|wait|offline|connecting/i);
  const before = await eventCount(page);
  await screenshot(page, "reconnecting");

  const second = await startServer(t, { dataDir, port: first.port });
  await ended(page);
  assert.ok((await eventCount(page)) >= before, "nothing that was seen is forgotten");
  assert.match(await byId(page, "ending").textContent(), /interrupted|stopped|completed/i, "an honest ending");
  await assertSameView(browser, page, second.url, id);
});

test("a page that finds no server waits for one", async (t) => {
  const dataDir = await temporaryFolder(t);
  const first = await startServer(t, { dataDir });
  const browser = await launch(t);
  const page = await openPage(browser, first.url);
  await byId(page, "start-short").waitFor();
  const id = await startRun(first.url, "short");
  await until("the run's end", async () => (await json(`${first.url}/api/executions/${id}`)).status === "completed");
  await first.kill();
  // the same document goes on: only the address behind the `#` changes
  await page.goto(runPage(first.url, id));
  const connection = byId(page, "connection");
  await until("the page to wait", async () => (await connection.getAttribute("data-state")) === "waiting");
  const second = await startServer(t, { dataDir, port: first.port });
  await ended(page);
  await assertSameView(browser, page, second.url, id);
});

test("a network that is cut again and again costs no event and shows none twice", async (t) => {
  const server = await startServer(t);
  const relay = await startRelay(t, server.port);
  const browser = await launch(t);
  const id = await startRun(server.url, "long");
  const page = await openPage(browser, runPage(relay.url, id));
  for (const least of [5, 20, 40]) {
    await until(`${least} events`, async () => (await eventCount(page)) >= least);
    relay.cut();
  }
  relay.refuse(true);
  relay.cut();
  await until("the page to notice", async () => /reconnect|try|again|lost|wait|offline|connecting/i.test(await byId(page, "connection").textContent()));
  relay.refuse(false);
  await ended(page);
  assert.ok(relay.accepted() >= 5, `${relay.accepted()} connections`);
  await assertSameView(browser, page, server.url, id);
});

test("a viewer may be there before the run", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const post = (path, body) =>
    json(server.url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const { execution_id: id } = await post("/api/executions", { pipeline: "short", mode: "create" });
  const pages = await Promise.all([1, 2, 3].map(() => openPage(browser, runPage(server.url, id))));
  await Promise.all(pages.map((page) => byId(page, "connection").waitFor()));
  await post(`/api/executions/${id}/start`, {});
  await Promise.all(pages.map((page) => ended(page)));
  const views = await Promise.all(pages.map(shown));
  assert.deepEqual(views[1], views[0]);
  assert.deepEqual(views[2], views[0]);
});
