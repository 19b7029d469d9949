// A pipeline as users of IA Modules write it, with their package from PyPI, from its start to its end on the page.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import { json, startRun, until } from "../support/api.js";
import { byId, ended, launch, openPage, screenshot } from "../support/browser.js";
import { ROOT, startServer, temporaryFolder } from "../support/server.js";

const INTERPRETER = process.env.STEPCAST_IA_PYTHON ?? path.join(ROOT, ".tools/ia-modules/bin/python");

test("classes on the package ia-modules are followed live, fail, ask a person, and write", async (t) => {
  const folder = await temporaryFolder(t);
  const config = path.join(folder, "stepcast.toml");
  // a page that is compressed by a server built for tests comes after what is to be seen
  await writeFile(config, `[python]\ninterpreter = ${JSON.stringify(INTERPRETER)}\n[compression]\nresponses = false\n`);
  const server = await startServer(t, { dataDir: path.join(folder, "data"), pipelines: "e2e/ia-modules", more: ["--config", config] });
  const browser = await launch(t);
  const id = await startRun(server.url, "desk");
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  const step = (name) => page.locator(`[data-testid="step"][data-step-id="${name}"]`);

  // what a class says while it runs is there while it runs
  await step("read").getByText(/Claim [123] of 4/).waitFor();
  assert.equal(await step("read").getAttribute("data-status"), "running");

  // the class is the package's own; a person answers it
  await byId(page, "wait-form").waitFor();
  assert.match(await byId(page, "wait").textContent(), /The office is not sure/);
  await page.getByLabel("Pay").check();
  await byId(page, "answer").click();

  // words come one by one
  const written = async () => (await step("letter").locator('[data-testid="step-text"]').textContent({ timeout: 500 }).catch(() => "")) ?? "";
  await until("half a letter", async () => /^Dear claimant/.test(await written()) && !/paid/.test(await written()));
  await ended(page);
  await screenshot(page, "ia-modules");
  assert.match(await written(), /Dear claimant, 4 claims are paid\./);
  assert.equal(await step("refusal").getAttribute("data-status"), "skipped");

  const { events } = await json(`${server.url}/api/executions/${id}/events?limit=1000`);
  const of = (type, name) => events.filter((event) => event.event_type === type && event.step_id === name);
  assert.equal(of("step_complete", "read")[0].data.output.package, "0.2.0");
  const [failed] = of("step_progress", "ask").filter(({ data }) => data.kind === "retry");
  assert.equal(failed.data.error.category, "network");
  assert.match(failed.data.error.message, /the office is closed/);
  assert.equal(of("step_complete", "ask")[0].data.attempt, 2);
  assert.deepEqual(page.problems, []);
});
