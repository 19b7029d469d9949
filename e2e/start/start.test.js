// `cargo xtask start`: the newcomer's one command, and the newcomer's first mistake.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

import { json, until } from "../support/api.js";
import { ROOT, startProgram, startServer, temporaryFolder } from "../support/server.js";

const XTASK = process.env.STEPCAST_XTASK ?? `${ROOT}/target/debug/xtask`;

test("start serves the page and an example that streams at once", async (t) => {
  const args = ["start", "--debug", "--port", "0", "--data-dir", await temporaryFolder(t)];
  const program = await startProgram(t, XTASK, args, { line: /listening on (http:\/\/127\.0\.0\.1:\d+)/, seconds: 1200 });
  const url = program.match[1];
  assert.ok(program.printed.some((line) => line.includes(`${url}/`)), "the address is printed");
  const page = await (await fetch(url)).text();
  const program_file = /<script type="module" src="([^"]+)">/.exec(page);
  assert.ok(program_file, page);
  const boot = await (await fetch(new URL(program_file[1], url))).text();
  const wasm = /"\.\/([^"]+\.wasm)"/.exec(boot);
  const response = await fetch(new URL(wasm[1], url));
  assert.equal(response.headers.get("content-type"), "application/wasm");
  await response.arrayBuffer();

  const runs = await until("a run", async () => {
    const { executions } = await json(`${url}/api/executions`);
    return executions.length > 0 && executions;
  });
  const newest = runs[0].execution_id;
  const events = await json(`${url}/api/executions/${newest}/events?after=earliest&wait_ms=5000`);
  assert.equal(events.events[0].event_type, "pipeline_start");
  await program.end("SIGTERM");
});

test("a taken port is refused at once, with a way out", async (t) => {
  const server = await startServer(t);
  const run = promisify(execFile)(XTASK, ["start", "--port", String(server.port)]);
  await assert.rejects(run, (error) => {
    assert.match(error.stderr, new RegExp(`port ${server.port} is taken`));
    assert.match(error.stderr, /--port \d+/);
    return true;
  });
});
