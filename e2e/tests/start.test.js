// Runs are started with a form made of a pipeline's parameters, and a definition is checked, changed and run.

import assert from "node:assert/strict";
import { cp, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import { json, until } from "../support/api.js";
import { violations } from "../support/axe.js";
import { byId, ended, launch, openPage, screenshot } from "../support/browser.js";
import { ROOT, startServer, temporaryFolder } from "../support/server.js";

const PARAMETERS = [
  { name: "topic", required: true, schema: { type: "string", pattern: "^[a-z ]+$" }, description: "What to write about" },
  { name: "count", type: "integer", minimum: 1, maximum: 9, default: 3 },
  { name: "share", schema: { type: "number" } },
  { name: "tone", schema: { enum: ["calm", "loud", 7] }, default: "calm" },
  { name: "draft", type: "boolean", default: true },
  { name: "send", type: "boolean" },
  { name: "tags", schema: { type: "array", items: { type: "string" }, maxItems: 2 } },
  { name: "more", schema: { type: "object" } },
];
const PIPELINE = {
  name: "All kinds",
  description: "Takes a parameter of every kind.",
  parameters: PARAMETERS,
  steps: [{ id: "say", type: "transform", config: { expression: "$parameters" } }],
  flow: { start_at: "say" },
};

async function startWith(t, files) {
  const folder = path.join(await temporaryFolder(t), "pipelines");
  await mkdir(folder);
  await cp(path.join(ROOT, "e2e/pipelines/short.json"), path.join(folder, "short.json"));
  for (const [name, definition] of Object.entries(files)) {
    await writeFile(path.join(folder, `${name}.json`), JSON.stringify(definition));
  }
  return startServer(t, { pipelines: path.relative(ROOT, folder) });
}

const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
const field = (page, name) => page.locator(`[data-field="${name}"]`);
const flaw = (page, name) => field(page, name).getByTestId("field-flaw");
const runOf = (page) => decodeURIComponent(page.url().split("#/runs/")[1]);

for (const [width, colorScheme] of [
  [360, "dark"],
  [1280, "light"],
]) {
  test(`a run is started with a parameter of every kind at ${width} px in the ${colorScheme} page`, async (t) => {
    const server = await startWith(t, { kinds: PIPELINE });
    const browser = await launch(t);
    const page = await openPage(browser, `${server.url}/#/`, { viewport: { width, height: 900 }, colorScheme });
    const start = byId(page, "start-kinds");
    await start.click();
    assert.match(page.url(), /#\/$/, "a parameter that is needed is asked for");
    const topic = field(page, "topic").locator("input");
    assert.equal(await topic.evaluate((input) => input.validity.valueMissing), true);
    await topic.fill("Tides!");
    await field(page, "share").locator("input").fill("0.5");
    await field(page, "tone").locator("select").selectOption("7");
    await field(page, "send").locator("select").selectOption("no");
    await field(page, "tags").locator("textarea").fill('["a", "b"');
    await field(page, "more").locator("textarea").fill("[1]");
    await field(page, "count").locator("input").fill("2.5");
    await start.click();
    await flaw(page, "tags").getByText("No JSON").waitFor();
    assert.match(await flaw(page, "more").textContent(), /has to be an object/);
    await field(page, "tags").locator("textarea").fill('["a", "b", "c"]');
    await field(page, "more").locator("textarea").fill('{"deep": {"er": [1]}}');
    await start.click();
    await flaw(page, "count").getByText("2.5 is no whole number").waitFor();
    await field(page, "count").locator("input").fill("");
    await start.click();
    // what the server alone can tell stands at its field, too
    await flaw(page, "topic").getByText("does not match").waitFor();
    assert.notEqual(await flaw(page, "tags").textContent(), "");
    assert.equal(await topic.getAttribute("aria-invalid"), "true");
    assert.equal(await flaw(page, "share").textContent(), "");
    assert.ok((await overflow(page)) <= 0);
    assert.deepEqual(await violations(page), []);
    await screenshot(page, `start-${width}`);
    await topic.fill("tides");
    await field(page, "tags").locator("textarea").fill('["a", "b"]');
    await start.click();
    await page.waitForURL(/#\/runs\/.+/);
    await ended(page);
    const view = await json(`${server.url}/api/executions/${runOf(page)}?view=true`);
    const given = { topic: "tides", count: 3, share: 0.5, tone: 7, draft: true, send: false, tags: ["a", "b"], more: { deep: { er: [1] } } };
    assert.deepEqual(view.view.steps[0].output, given);
    assert.deepEqual(page.problems, []);
  });
}

for (const [width, colorScheme] of [
  [360, "light"],
  [1280, "dark"],
]) {
  test(`a definition is checked as it is written, and run, at ${width} px in the ${colorScheme} page`, async (t) => {
    const server = await startWith(t, { kinds: PIPELINE, broken: { name: "Broken", steps: [{ id: "a", type: "htpp" }] } });
    const browser = await launch(t);
    const page = await openPage(browser, `${server.url}/#/`, { viewport: { width, height: 900 }, colorScheme });
    await byId(page, "pipeline-broken").getByText("2 problems").waitFor();
    await page.getByRole("link", { name: "Look at the definition of Broken" }).click();
    await page.waitForURL(/#\/edit\/broken/);
    const text = byId(page, "edit-text");
    const state = byId(page, "edit-state");
    const mark = byId(page, "edit-mark");
    await mark.first().waitFor();
    const lines = (await text.inputValue()).split("\n");
    const wrong = lines.findIndex((line) => line.includes("htpp")) + 1;
    const told = mark.filter({ hasText: "htpp" });
    assert.match(await told.textContent(), new RegExp(`^Line ${wrong} .*did you mean .http.`));
    assert.deepEqual(await page.locator('.edit-numbers [data-kind="problem"]').allTextContents(), ["1", String(wrong)]);
    await told.click();
    const chosen = await text.evaluate((area) => area.value.slice(area.selectionStart, area.selectionEnd));
    assert.match(chosen, /"type": "htpp"/);
    assert.equal(await page.evaluate(() => document.activeElement.dataset.testid), "edit-text");
    assert.equal(await byId(page, "start-edited").count(), 0, "what does not load is not run");
    assert.ok((await overflow(page)) <= 0);
    assert.deepEqual(await violations(page), []);
    await screenshot(page, `edit-wrong-${width}`);
    await text.fill('{\n  "name": "New",\n  "steps": [}\n}');
    await mark.filter({ hasText: "Line 3" }).filter({ hasText: "No JSON" }).waitFor();
    const better = {
      name: "Better",
      parameters: { word: { type: "string", required: true } },
      steps: [{ id: "a", type: "set", config: { values: { said: "{{ parameters.word }}" } } }],
      flow: { start_at: "a" },
    };
    await text.fill(JSON.stringify(better, null, 2));
    await state.getByText("It loads.").waitFor();
    await page.getByText("the stored file stays as it is").waitFor();
    await field(page, "word").locator("input").fill("hello");
    assert.ok((await overflow(page)) <= 0);
    assert.deepEqual(await violations(page), []);
    await screenshot(page, `edit-right-${width}`);
    await byId(page, "start-edited").click();
    await page.waitForURL(/#\/runs\/.+/);
    await ended(page);
    const { view } = await json(`${server.url}/api/executions/${runOf(page)}?view=true`);
    assert.deepEqual([view.name, view.steps[0].output], ["Better", { said: "hello" }]);
    assert.deepEqual(page.problems, []);
  });
}

test("a new pipeline begins as one that runs, and warnings stand at their lines", async (t) => {
  const server = await startWith(t, {});
  const browser = await launch(t);
  const page = await openPage(browser, `${server.url}/#/`);
  await page.getByRole("link", { name: "Write a pipeline" }).click();
  const state = byId(page, "edit-state");
  await state.getByText("It loads.").waitFor();
  const text = byId(page, "edit-text");
  const first = await text.inputValue();
  const slip = first.replace("parameters.name }}", "parameters.nam }}");
  await text.fill(slip);
  await state.getByText("It loads, with 1 warning.").waitFor();
  const line = slip.split("\n").findIndex((line) => line.includes('"config"')) + 1;
  await until("the mark", async () => (await page.locator('.edit-numbers [data-kind="warning"]').allTextContents()).join() === String(line));
  await text.fill(first);
  await state.getByText("It loads.").waitFor();
  await byId(page, "start-edited").click();
  await page.waitForURL(/#\/runs\/.+/);
  await ended(page);
  const { view } = await json(`${server.url}/api/executions/${runOf(page)}?view=true`);
  assert.equal(view.steps.find((step) => step.id === "greet").output.words, "Hello, you!");
});
