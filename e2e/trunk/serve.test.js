// `trunk serve`, as the README tells to use it: the page, and the API through its proxy.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import WebSocket from "ws";

import { json, startRun, until } from "../support/api.js";
import { ROOT, startProgram, startServer, temporaryFolder } from "../support/server.js";

test("trunk serves the page and passes API, SSE and WebSocket on", async (t) => {
  const server = await startServer(t);
  const folder = await temporaryFolder(t);
  // the same file, with the port of this test's server
  const configured = await readFile(path.join(ROOT, "Trunk.toml"), "utf8");
  const config = path.join(folder, "Trunk.toml");
  await writeFile(config, configured.replaceAll("127.0.0.1:8400", `127.0.0.1:${server.port}`).replace(/^target = .*$/m, `target = ${JSON.stringify(path.join(ROOT, "index.html"))}`).replace(/^dist = .*$/m, `dist = ${JSON.stringify(path.join(folder, "dist"))}`).replace(/^watch = .*$/m, `watch = [${JSON.stringify(path.join(ROOT, "index.html"))}]`));
  const port = await freePort();
  const tools = process.env.STEPCAST_TOOLS ?? path.join(ROOT, ".tools/bin");
  const env = { PATH: `${tools}${path.delimiter}${process.env.PATH}` };
  const args = ["serve", "--config", config, "--port", String(port), "--color", "never"];
  await startProgram(t, path.join(tools, "trunk"), args, { line: /server listening/i, env, seconds: 1200 });
  const url = `http://127.0.0.1:${port}`;

  const page = await until("the page", async () => {
    const response = await fetch(url).catch(() => null);
    return response?.ok && response.text();
  });
  const program = /from '(\/[^']+\.js)'/.exec(page);
  assert.ok(program, page);
  assert.ok((await fetch(url + program[1])).ok, "the page's program is there");

  const id = await startRun(url, "short");
  const stream = await fetch(`${url}/stream/pipeline/${id}`);
  assert.match(stream.headers.get("content-type"), /^text\/event-stream/);
  assert.match(await stream.text(), /event: pipeline_complete/);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/pipeline/${id}`);
  const frames = [];
  socket.on("message", (data) => frames.push(JSON.parse(data)));
  await once(socket, "close");
  assert.equal(frames.at(-1).control, "closed");
  assert.equal((await json(`${url}/api/executions/${id}`)).execution_id, id);
});

async function freePort() {
  const { createServer } = await import("node:net");
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
