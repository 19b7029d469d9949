// The wire and the view by example: the same files that the Rust tests read.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { before, test } from "node:test";

import { comesBack, foldEvents, init, parseFrame, readSse } from "stepcast";

const VECTORS = new URL("../../../core/vectors/", import.meta.url);

const read = async (name) => JSON.parse(await readFile(new URL(name, VECTORS), "utf8"));

async function cases(name, key) {
  const found = (await read(name))[key];
  assert.ok(found.length > 0, `${name} has no ${key}`);
  return found;
}

before(() => init());

test("events survive the way through wasm", async () => {
  for (const { name, event } of await cases("events.json", "events")) {
    assert.deepEqual(parseFrame(JSON.stringify(event)), { kind: "event", frame: event }, name);
  }
  for (const { name, text } of await cases("events.json", "bad")) {
    assert.throws(() => parseFrame(text), Error, name);
  }
});

test("control frames are read, and unknown ones kept", async () => {
  for (const frame of await cases("control.json", "known")) {
    assert.deepEqual(parseFrame(JSON.stringify(frame)), { kind: "control", frame });
  }
  for (const frame of await cases("control.json", "unknown")) {
    assert.deepEqual(parseFrame(JSON.stringify(frame)), { kind: "unknown_control", frame });
  }
});

test("server-sent events are read in whatever pieces they come", async () => {
  for (const { name, text, items } of await cases("sse.json", "read")) {
    const bytes = new TextEncoder().encode(text);
    assert.deepEqual(readSse([text]), items, name);
    for (const size of [1, 3, 7]) {
      const pieces = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
      assert.deepEqual(readSse(pieces), items, `${name}, by ${size}`);
    }
  }
  assert.throws(() => readSse([1]), /string or a Uint8Array/);
});

test("close codes say whether to come back", async () => {
  for (const key of ["codes", "others"]) {
    for (const { code, comes_back } of await cases("close.json", key)) {
      assert.equal(comesBack(code), comes_back, `${code}`);
    }
  }
});

test("frames fold into the view", async () => {
  const names = (await readdir(new URL("view/", VECTORS))).filter((name) => name.endsWith(".json"));
  assert.ok(names.length >= 22);
  for (const name of names) {
    const { frames, view } = await read(`view/${name}`);
    assert.deepEqual(foldEvents(frames), view, name);
  }
  assert.throws(() => foldEvents([{}]), Error);
});
