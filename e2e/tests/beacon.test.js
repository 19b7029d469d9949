// The beacon: a page that watches a run reports how late its events come, where the server asks for it.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import { startRun, until } from "../support/api.js";
import { ended, launch, openPage } from "../support/browser.js";
import { startServer, temporaryFolder } from "../support/server.js";

const reported = async (server) => {
  const scrape = await (await fetch(`${server.url}/metrics`)).text();
  const [, count] = /^stepcast_client_latency_seconds_count\{transport="websocket"\} (\d+)$/m.exec(scrape) ?? [];
  return Number(count ?? 0);
};

test("a page reports what it measures to a server that asks for it, and to no other", async (t) => {
  const folder = await temporaryFolder(t);
  const settings = path.join(folder, "stepcast.toml");
  await writeFile(settings, "[metrics]\nbeacon_seconds = 1\n");
  const server = await startServer(t, { more: ["--config", settings] });
  const browser = await launch(t);
  const page = await openPage(browser, `${server.url}/#/runs/${await startRun(server.url, "long")}`);
  await until("a report", async () => (await reported(server)) > 0);
  await ended(page);
  assert.deepEqual(page.problems, []);

  const other = await startServer(t);
  const posts = [];
  const quiet = await openPage(browser, `${other.url}/#/runs/${await startRun(other.url, "stream")}`);
  quiet.on("request", (request) => request.method() === "POST" && posts.push(request.url()));
  await ended(quiet);
  assert.deepEqual(posts, []);
  assert.equal(await reported(other), 0);
});
