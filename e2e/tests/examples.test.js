// The examples do what their descriptions say, from the command line.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { BINARY, ROOT } from "../support/server.js";

const EXAMPLES = path.join(ROOT, "examples");

async function stepcast(...args) {
  const { stdout } = await promisify(execFile)(BINARY, args, { cwd: ROOT, maxBuffer: 64 << 20 });
  return stdout;
}

// Runs an example to its end, and gives its events.
async function run(name, ...args) {
  const printed = await stepcast("run", path.join("examples", name), "--format", "json", ...args);
  return printed.trim().split("\n").map((line) => JSON.parse(line));
}

const of = (events, type, step) => events.filter((event) => event.event_type === type && event.step_id === step);
const output = (events) => events.at(-1).data.output;

test("every example validates without a warning", async () => {
  const names = (await readdir(EXAMPLES)).filter((name) => existsSync(path.join(EXAMPLES, name, "pipeline.json")));
  assert.ok(names.length >= 3);
  for (const name of names) {
    const told = await stepcast("validate", path.join("examples", name, "pipeline.json"));
    assert.match(told, /fine/);
    assert.doesNotMatch(told, /warning/i);
  }
});

test("hello greets whom it is told to", async () => {
  assert.deepEqual(output(await run("hello", "-p", "name=you")), { greeting: "Hello, you!" });
});

test("command shows progress and text of a Python and a shell program", async () => {
  const events = await run("command", "-p", "pause_seconds=0");
  assert.deepEqual(output(events).summary, { reading_ease: 64.5, words: 272, most_frequent_letter: "e" });
  for (const step of ["readability", "letters"]) {
    assert.ok(of(events, "step_progress", step).some(({ data }) => data.kind === "token"), step);
  }
  assert.ok(of(events, "step_progress", "readability").some(({ data }) => data.progress === 0.1));
});

test("chart makes an image, its counts as JSON, and shows its own source", async () => {
  const events = await run("chart", "-p", "text=aab");
  const files = events.filter(({ data }) => data.kind === "artifact").map(({ data }) => data);
  assert.deepEqual(
    files.map(({ name, media_type }) => [name, media_type]),
    [["letters.svg", "image/svg+xml"], ["letters.json", "application/json"], ["chart.js", "text/plain"]],
  );
  for (const { sha256, size } of files) assert.ok(/^[0-9a-f]{64}$/.test(sha256) && size > 100);
  assert.equal(of(events, "step_complete", "chart")[0].data.output.most, "a");
});

test("llm argues for, against, and weighs both, by recordings that say that they are", async () => {
  const events = await run("llm");
  assert.match(output(events).verdict, /^Both are right/);
  for (const step of ["advocate", "sceptic", "judge"]) {
    const said = of(events, "step_progress", step).map(({ data }) => data);
    assert.deepEqual(said[0], { kind: "llm", provider: "scripted", model: "recorded", scripted: true });
    const text = said.filter(({ kind, channel }) => kind === "token" && !channel).map(({ text }) => text).join("");
    assert.equal(text, of(events, "step_output", step).at(-1).data.output.text, step);
  }
});

test("library reads in branches, loops, retries, survives a lost letter, and reports", async () => {
  const begun = Date.now();
  const events = await run("library");
  assert.ok(Date.now() - begun < 120_000, "about a minute");
  assert.equal(of(events, "step_complete", "study_sonnet").length, 12);
  const retries = of(events, "step_progress", "lending_desk").filter(({ data }) => data.kind === "retry");
  assert.deepEqual(retries.map(({ data }) => data.attempt), [2, 3]);
  assert.equal(of(events, "step_error", "find_letter")[0].data.continued, true);
  assert.equal(of(events, "step_start", "copy_letter").length, 0);
  const { report } = output(events);
  assert.deepEqual(report.texts, { sonnets: 1358, declaration: 1332, lincoln: 981 });
  assert.equal(report.grievances, 18);
  assert.equal(report.recited_words, 114);
  assert.equal(report.letter, "not found");
  // the branches ran at the same time: the recital began before the last sonnet was studied, and ended after the first
  const first = of(events, "step_complete", "study_sonnet")[0].seq;
  const last = of(events, "step_complete", "study_sonnet").at(-1).seq;
  assert.ok(of(events, "step_start", "recite")[0].seq < last && of(events, "step_complete", "recite")[0].seq > first);
});
