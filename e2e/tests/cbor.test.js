// A CBOR library that we did not write reads runs, and the files that they make, over one WebSocket.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import { decode, decodeSequence, encode } from "cbor2";
import WebSocket from "ws";

import { startRun } from "../support/api.js";
import { PIPELINE, assertWhole, collector } from "../support/follow.js";
import { startServer, temporaryFolder } from "../support/server.js";

const PROTOCOL = "stepcast.cbor";

for (const compressed of [false, true]) {
  const how = compressed ? "compressed" : "in clear";
  test(`npm's ws and cbor2 follow a run ${how}, resume by cursor, and see what JSON says`, async (t) => {
    const file = path.join(await temporaryFolder(t), "stepcast.toml");
    await writeFile(file, `[compression]\nstreams = ${compressed}\n`);
    const server = await startServer(t, { more: ["--config", file] });
    const id = await startRun(server.url, PIPELINE);
    const seen = collector();
    let code;
    for (const stopAt of [8, 20, Infinity]) {
      const after = seen.hello ? `?after=${seen.cursor()}` : "";
      const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws/pipeline/${id}${after}`, [PROTOCOL], {
        perMessageDeflate: { threshold: 0 },
      });
      socket.on("open", () => socket.send(encode({ action: "ping" })));
      socket.on("message", (data, isBinary) => {
        assert.ok(isBinary);
        if (seen.events.length < stopAt) seen.take(decode(data));
        if (seen.events.length === stopAt) socket.terminate();
      });
      [code] = await once(socket, "close");
      assert.equal(socket.protocol, PROTOCOL);
      assert.equal(socket.extensions !== "", compressed);
    }
    assert.equal(code, 1000);
    assert.ok(seen.other.some((frame) => frame.control === "pong"));
    await assertWhole(server.url, id, seen.events, seen.closed);
  });
}

test("npm's cbor2 reads a batch as a sequence", async (t) => {
  const server = await startServer(t);
  const id = await startRun(server.url, PIPELINE);
  let most = 0;
  // while it happens, and once it has
  for (const _ of ["live", "past"]) {
    const seen = collector();
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws/pipeline/${id}?batch=true`, [PROTOCOL]);
    socket.on("message", (data) => {
      const frames = [...decodeSequence(data)];
      most = Math.max(most, frames.length);
      for (const frame of frames) seen.take(frame);
    });
    await once(socket, "close");
    await assertWhole(server.url, id, seen.events, seen.closed);
  }
  assert.ok(most > 20, `${most} events in one message`);
});

test("files come between the events of a run, from where the client is, and are what they are said to be", async (t) => {
  const server = await startServer(t);
  const post = async (at, body, type) => {
    const response = await fetch(`${server.url}${at}`, { method: "POST", body, headers: { "content-type": type } });
    assert.ok(response.ok, `${at}: ${response.status}`);
  };
  const api = "/api/executions";
  await post(api, JSON.stringify({ execution_id: "f", mode: "external", pipeline: "files" }), "application/json");
  const content = Buffer.alloc(3_000_000, (Math.PI * 1e9).toString());
  await post(`${api}/f/artifacts?name=x.bin`, content, "application/octet-stream");
  const sha256 = createHash("sha256").update(content).digest("hex");
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws/pipeline/f`, [PROTOCOL]);
  const ask = { action: "fetch", fetch: "x", execution_id: "f", sha256 };
  const parts = [];
  const events = [];
  let length = 0;
  let end;
  socket.on("open", () => socket.send(encode({ ...ask, length: 100_000 })));
  socket.on("message", async (data) => {
    const frame = decode(data);
    if (frame.event_type) {
      events.push(frame.seq);
    } else if (frame.control === "artifact_chunk") {
      assert.ok(frame.data instanceof Uint8Array);
      assert.equal(frame.offset, length);
      parts.push(frame.data);
      length += frame.data.length;
    } else if (frame.control === "artifact_end" && frame.offset === 100_000) {
      socket.send(encode({ ...ask, fetch: "rest", offset: length }));
      const done = JSON.stringify({ event_type: "pipeline_complete", data: { output: {} } });
      await post(`${api}/f/events`, done, "application/json");
    } else if (frame.control === "artifact_end") {
      end = frame;
    }
  });
  const [code] = await once(socket, "close");
  assert.equal(code, 1000);
  assert.deepEqual([end.offset, end.size, end.sha256], [content.length, content.length, sha256]);
  assert.equal(createHash("sha256").update(Buffer.concat(parts)).digest("hex"), sha256);
  assert.deepEqual(events, [1, 2, 3]);
});
