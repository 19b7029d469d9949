// Clients that we did not write follow a run that is compressed, in a browser and outside.

import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import WebSocket from "ws";

import { startRun } from "../support/api.js";
import { launch, openPage } from "../support/browser.js";
import { PIPELINE, assertWhole, collector, runClient } from "../support/follow.js";
import { ROOT, startServer, temporaryFolder } from "../support/server.js";

const PYTHON = process.env.STEPCAST_PYTHON ?? "python3";

async function startCompressing(t) {
  const file = path.join(await temporaryFolder(t), "stepcast.toml");
  await writeFile(file, "[compression]\nstreams = true\n");
  return startServer(t, { more: ["--config", file] });
}

for (const [name, offered, agreed] of [
  ["with context takeover", {}, "permessage-deflate; client_no_context_takeover"],
  ["without", { serverNoContextTakeover: true }, /server_no_context_takeover/],
]) {
  test(`npm's ws follows a run in permessage-deflate ${name}`, async (t) => {
    const server = await startCompressing(t);
    const id = await startRun(server.url, PIPELINE);
    const seen = collector();
    const options = { perMessageDeflate: { ...offered, threshold: 0 } };
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws/pipeline/${id}`, options);
    let headers;
    socket.on("upgrade", (response) => ({ headers } = response));
    socket.on("message", (text) => seen.take(JSON.parse(text)));
    socket.on("open", () => socket.send(JSON.stringify({ action: "ping" })));
    const [code] = await once(socket, "close");
    assert.equal(code, 1000);
    assert.match(headers["sec-websocket-extensions"], new RegExp(agreed));
    assert.ok(seen.other.some((frame) => frame.control === "pong"), "what the client compressed was understood");
    await assertWhole(server.url, id, seen.events, seen.closed);
  });
}

test("Python's websockets follows a compressed run and resumes by cursor", async (t) => {
  const server = await startCompressing(t);
  const id = await startRun(server.url, PIPELINE);
  const address = `ws://127.0.0.1:${server.port}/ws/pipeline/${id}`;
  const client = `${ROOT}/e2e/clients/websocket.py`;
  const seen = collector();
  const take = (line) => void seen.take(JSON.parse(line));
  await runClient(t, PYTHON, [client, address, "10"], take);
  await runClient(t, PYTHON, [client, `${address}?after=${seen.cursor()}`, "0"], take);
  await assertWhole(server.url, id, seen.events, seen.closed);
});

test("Python's httpx-sse and curl follow a compressed run", async (t) => {
  const server = await startCompressing(t);
  const id = await startRun(server.url, PIPELINE);
  const address = `${server.url}/stream/pipeline/${id}`;
  const seen = collector();
  const take = (line) => {
    const message = JSON.parse(line);
    if (message.data) {
      seen.take(JSON.parse(message.data));
    }
  };
  await runClient(t, PYTHON, [`${ROOT}/e2e/clients/sse.py`, address, "0"], take);
  await assertWhole(server.url, id, seen.events, seen.closed);
  const told = collector();
  await runClient(t, "curl", ["-sN", "--compressed", address], (line) => {
    if (line.startsWith("data:")) {
      told.take(JSON.parse(line.slice(5)));
    }
  });
  await assertWhole(server.url, id, told.events, told.closed);
});

test("Node's fetch reads each event as it comes, in gzip and in brotli", async (t) => {
  const server = await startCompressing(t);
  const id = await startRun(server.url, PIPELINE);
  await Promise.all(
    ["gzip", "br"].map(async (coding) => {
      const response = await fetch(`${server.url}/stream/pipeline/${id}`, { headers: { "Accept-Encoding": coding } });
      assert.equal(response.headers.get("content-encoding"), coding);
      const seen = collector();
      let text = "";
      let pieces = 0;
      for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
        pieces += 1;
        text += piece;
      }
      for (const line of text.split("\n").filter((line) => line.startsWith("data:"))) {
        seen.take(JSON.parse(line.slice(5)));
      }
      assert.ok(pieces > 10, "not all at the end");
      await assertWhole(server.url, id, seen.events, seen.closed);
    }),
  );
});

test("Chromium's EventSource and WebSocket follow a compressed run", async (t) => {
  const server = await startCompressing(t);
  const page = await openPage(await launch(t), `${server.url}/`);
  const id = await startRun(server.url, PIPELINE);
  const [response] = await Promise.all([
    page.waitForResponse((response) => response.url().includes("/stream/pipeline/")),
    page.evaluate((id) => {
      const types = ["pipeline_start", "step_start", "step_progress", "step_output", "step_complete", "step_error"];
      types.push("pipeline_complete", "pipeline_error", "checkpoint_saved", "control");
      window.told = new Promise((resolve) => {
        const frames = [];
        const source = new EventSource(`/stream/pipeline/${id}`);
        const take = (message) => {
          frames.push(message.data);
          if (message.type === "control" && JSON.parse(message.data).control === "closed") {
            source.close();
            resolve(frames);
          }
        };
        types.forEach((type) => source.addEventListener(type, take));
      });
      window.extensions = new Promise((resolve) => {
        const frames = [];
        const socket = new WebSocket(`ws://${location.host}/ws/pipeline/${id}`);
        socket.onmessage = (message) => frames.push(message.data);
        socket.onclose = () => resolve([socket.extensions, frames]);
      });
    }, id),
  ]);
  assert.equal(response.headers()["content-encoding"], "gzip");
  const overSse = await page.evaluate(() => window.told);
  const [extensions, overWebSocket] = await page.evaluate(() => window.extensions);
  assert.match(extensions, /permessage-deflate/);
  for (const frames of [overSse, overWebSocket]) {
    const seen = collector();
    frames.forEach((frame) => seen.take(JSON.parse(frame)));
    await assertWhole(server.url, id, seen.events, seen.closed);
  }
});
