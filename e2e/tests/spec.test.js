// The documents of the API, held against programs that know what such documents have to be, and the server against
// its documents: schemathesis makes up requests that fit and that do not, and looks at every answer.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { Parser, fromFile } from "@asyncapi/parser";

import { violations } from "../support/axe.js";
import { launch, openPage, screenshot } from "../support/browser.js";
import { BINARY, ROOT, startServer, temporaryFolder } from "../support/server.js";

const SPEC = path.join(ROOT, "docs/spec");

// Runs a program to its end, and gives what it said.
async function say(t, program, args, options) {
  const child = spawn(program, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"], ...options });
  t.after(() => child.exitCode === null && child.kill("SIGKILL"));
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (said += text));
  const [code] = await once(child, "close");
  return { code, said };
}

for (const file of ["openapi.json", "asyncapi.json"]) {
  test(`Spectral has nothing to say of ${file}`, async (t) => {
    const program = path.join(ROOT, "e2e/node_modules/.bin/spectral");
    const ruleset = path.join(ROOT, "e2e/spec/spectral.yaml");
    const args = ["lint", path.join(SPEC, file), "--ruleset", ruleset, "--fail-severity", "hint"];
    const { code, said } = await say(t, program, args);
    assert.equal(code, 0, said);
  });
}

test("the parser of AsyncAPI reads the document, and has nothing to say of it", async () => {
  const { document, diagnostics } = await fromFile(new Parser(), path.join(SPEC, "asyncapi.json")).parse();
  assert.deepEqual(diagnostics.map(({ message, path }) => `${path.join(".")}: ${message}`), []);
  assert.equal(document.version(), "3.1.0");
  assert.equal(document.allChannels().all().length, 5);
});

// A server with accounts, and a token that may do everything.
async function closedServer(t) {
  const dataDir = await temporaryFolder(t);
  const server = await startServer(t, { dataDir, pipelines: "e2e/spec/pipelines", more: ["--accounts"] });
  const args = ["token", "create", "root", "--scopes", "admin", "--data-dir", dataDir];
  const { stdout } = await promisify(execFile)(BINARY, args);
  return { ...server, token: stdout.trim() };
}

test("schemathesis finds no answer that is not as described, and no failure of the server's", async (t) => {
  const server = await closedServer(t);
  const seconds = Number(process.env.STEPCAST_SPEC_SECONDS ?? 60);
  // what its configuration names is there to begin with
  const headers = { authorization: `Bearer ${server.token}`, "content-type": "application/json" };
  for (const body of [
    { execution_id: "exec_123", pipeline: "elsewhere", mode: "external", lease_ms: 3_600_000 },
    { execution_id: "exec_124", pipeline: "asks" },
    { execution_id: "exec_125", pipeline: "hello", mode: "create" },
  ]) {
    const made = await fetch(`${server.url}/api/executions`, { method: "POST", headers, body: JSON.stringify(body) });
    assert.equal(made.status, 201, await made.text());
  }
  const { code, said } = await say(
    t,
    process.env.STEPCAST_SCHEMATHESIS_PYTHON,
    [
      ...["-m", "schemathesis.cli", "--config-file", path.join(ROOT, "e2e/spec/schemathesis.toml"), "run", `${server.url}/api/spec/openapi.json`],
      ...["--header", `Authorization: Bearer ${server.token}`],
      // what fits the schema may still be no pipeline, or name a run that is not there
      ...["--checks", "all", "--exclude-checks", "positive_data_acceptance"],
      // it does not know frames of WebSockets, nor that GraphQL says what is wrong with 200; and alerts to come do not end
      ...["--exclude-path-regex", "^/(ws|stream)/|^/graphql$|^/api/slos/alerts$"],
      ...["--max-time", String(seconds), "--request-timeout", "10", "--continue-on-failure", "--no-color"],
      ...(process.env.STEPCAST_SEED ? ["--seed", process.env.STEPCAST_SEED] : []),
    ],
    { cwd: await temporaryFolder(t) },
  );
  assert.equal(code, 0, said);
  assert.doesNotMatch(server.printed.join("\n"), /panicked/);
  await server.stop();
});

test("the page shows every operation, stream and event, and axe finds nothing to complain of", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  for (const [name, options] of [
    ["light", { colorScheme: "light" }],
    ["dark, on a phone", { colorScheme: "dark", viewport: { width: 360, height: 780 } }],
  ]) {
    const page = await openPage(browser, `${server.url}/api/docs`, options);
    await page.waitForSelector("html[data-ready]");
    const api = await (await fetch(`${server.url}/api/spec/openapi.json`)).json();
    const operations = Object.values(api.paths).flatMap((methods) => Object.values(methods));
    for (const { operationId } of operations) assert.ok(await page.$(`#${operationId}`), operationId);
    await page.goto(`${server.url}/api/docs#startExecution`);
    await page.waitForSelector("#startExecution .body");
    const text = await page.textContent("#startExecution");
    for (const word of ["lease_ms", "Producer-Id", "409", "curl -X POST", "application/json"]) assert.ok(text.includes(word), word);
    // whatever can be opened is opened, down to what schemas refer to
    for (let depth = 0; depth < 3; depth += 1) {
      await page.evaluate(() => document.querySelectorAll("#startExecution details:not([open])").forEach((it) => (it.open = true)));
      await page.evaluate(() => new Promise(requestAnimationFrame));
    }
    assert.deepEqual(await violations(page), [], name);
    const width = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(width, 0, `${name}: it does not fit into the window`);
    await screenshot(page, `spec ${name}`);
    await page.fill("#filter", "cancel run");
    assert.match(await page.textContent("#found"), /^\d+ found$/);
    assert.ok(await page.isVisible("#cancelExecution"));
    assert.ok(!(await page.isVisible("#getHealth")));
    assert.deepEqual(page.problems, []);
    await page.context().close();
  }
});
