// What steps say and give: Markdown as it streams, JSON of any size, what a step changed.

import assert from "node:assert/strict";
import { test } from "node:test";

import { json, startRun, until } from "../support/api.js";
import { violations } from "../support/axe.js";
import { byId, ended, launch, openPage, screenshot } from "../support/browser.js";
import { startServer } from "../support/server.js";

const post = (url, body) =>
  json(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

// A run whose events the test posts.
async function produce(server, id, steps, more = {}) {
  await post(`${server.url}/api/executions`, { mode: "external", pipeline: "Elsewhere", execution_id: id, steps, ...more });
  const send = (...events) => post(`${server.url}/api/executions/${id}/events`, events);
  return {
    send,
    start: (step_id) => send({ event_type: "step_start", step_id, data: { kind: "llm" } }),
    say: (step_id, text) => send({ event_type: "step_progress", step_id, data: { kind: "token", text } }),
    give: (step_id, output) => send({ event_type: "step_complete", step_id, data: { output, duration_ms: 1 } }),
    end: (output = {}) => send({ event_type: "pipeline_complete", data: { output, duration_ms: 1 } }),
  };
}

const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

const HEAD = "# Tides\n\nThe *moon* pulls, the **sun** helps; see [the table](https://example.org/tides).\n\n";
const BODY = [
  "- spring tides\n- neap tides\n  1. first quarter\n  2. last quarter\n\n",
  "| port | range |\n|---|---|\n| Brest | 6.1 m |\n| Bristol | 12.3 m |\n\n",
  "```rust\nfn tide(hours: f64) -> f64 {\n    (hours * std::f64::consts::TAU / 12.42).cos()\n}\n```\n\n",
  "> Time and tide wait for no man.\n\n- [x] measured\n- [ ] predicted\n\n![a chart](https://example.org/chart.png)\n",
];

test("Markdown is drawn as it streams, and what has been drawn is left alone", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const run = await produce(server, "md", ["write"]);
  await run.start("write");
  await run.say("write", HEAD);
  const page = await openPage(browser, `${server.url}/#/runs/md`);
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  const text = byId(page, "step-text");
  await text.locator("h4", { hasText: "Tides" }).waitFor();
  const box = await text.boundingBox();
  await page.evaluate(() => {
    document.querySelector('[data-testid="step-text"] h4').marked = true;
  });
  for (const part of BODY) {
    for (let at = 0; at < part.length; at += 9) {
      await run.say("write", part.slice(at, at + 9));
    }
  }
  await text.locator(".md-image").waitFor();
  await run.end();
  await ended(page);
  assert.ok(await page.evaluate(() => document.querySelector('[data-testid="step-text"] h4').marked), "the same element");
  assert.equal((await text.boundingBox()).height, box.height, "the box keeps its size");
  for (const [what, count] of [["em", 1], ["strong", 1], ["ul li", 6], ["ol li", 2], ["td", 4], ["pre code", 1], ["blockquote", 1]]) {
    assert.equal(await text.locator(what).count(), count, what);
  }
  const link = text.locator('a[href="https://example.org/tides"]');
  assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
  assert.equal(await text.locator("img").count(), 0);
  assert.deepEqual(asked.filter((url) => url.includes("example.org")), [], "nothing is loaded from elsewhere");
  assert.deepEqual(page.problems, []);
});

test("a reader who scrolls up stays there while text comes, and a button leads back to the end", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const run = await produce(server, "follow", ["write"]);
  await run.start("write");
  await run.say("write", "A paragraph of some words.\n\n".repeat(40));
  const page = await openPage(browser, `${server.url}/#/runs/follow`);
  const text = byId(page, "step-text");
  const place = () => text.evaluate((area) => ({ top: area.scrollTop, left: area.scrollHeight - area.clientHeight - area.scrollTop }));
  await until("the end to be followed", async () => (await place()).top > 0 && (await place()).left < 10);
  await text.hover();
  await page.mouse.wheel(0, -400);
  const follow = page.getByRole("button", { name: "Follow the end" }).first();
  await follow.waitFor();
  const held = (await place()).top;
  await run.say("write", "\n\n## More\n\nand more.\n".repeat(20));
  await text.locator("h4").nth(19).waitFor({ state: "attached" });
  assert.equal((await place()).top, held);
  await follow.click();
  await until("the end again", async () => (await place()).left < 10);
  await run.say("write", "\n\nThe last words.");
  await text.getByText("The last words.").waitFor();
  await until("the end still", async () => (await place()).left < 10);
});

test("a text is switched to plain and back, remembered, and copied as it was written", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const run = await produce(server, "plain", ["write"]);
  await run.start("write");
  await run.say("write", HEAD + BODY.join(""));
  const page = await openPage(browser, `${server.url}/#/runs/plain`, { permissions: ["clipboard-read", "clipboard-write"] });
  const text = byId(page, "step-text");
  await text.locator("h4").waitFor();
  await page.getByRole("button", { name: "Plain" }).click();
  await text.getByText("# Tides").waitFor();
  assert.equal(await text.locator("h4").count(), 0);
  await run.say("write", "\nand **on**");
  await text.getByText("and **on**").waitFor();
  await page.reload();
  await text.getByText("# Tides").waitFor();
  assert.equal(await page.getByRole("button", { name: "Plain" }).getAttribute("aria-pressed"), "true");
  await page.getByRole("button", { name: "Markdown" }).click();
  await text.locator("strong", { hasText: "on" }).waitFor();
  const copied = () => page.evaluate(() => navigator.clipboard.readText());
  await page.locator(".text-head").getByRole("button", { name: "Copy" }).click();
  await until("the text on the clipboard", async () => (await copied()) === `${HEAD}${BODY.join("")}\nand **on**`);
  await text.getByRole("button", { name: "Copy the code" }).click();
  await until("the code on the clipboard", async () => /^fn tide\(hours: f64\)[^`]+}\n$/.test(await copied()));
  assert.deepEqual(page.problems, []);
});

for (const [width, colorScheme] of [
  [360, "light"],
  [1280, "dark"],
]) {
  test(`Markdown fits ${width} px, and axe finds nothing in the ${colorScheme} page`, async (t) => {
    const server = await startServer(t);
    const browser = await launch(t);
    const long = "A step whose name takes more than a line";
    const run = await produce(server, "look", [{ id: "write", name: long }]);
    await run.start("write");
    await run.say("write", HEAD + BODY.join("") + "| a | b | c | d | e | f | g | h |\n|-|-|-|-|-|-|-|-|\n|" + "1234567|".repeat(8) + "\n");
    await run.send({
      event_type: "step_error",
      step_id: "write",
      data: { error: { category: "unknown", severity: "error", message: "no", recoverable: true }, will_continue: true },
    });
    await run.end();
    const page = await openPage(browser, `${server.url}/#/runs/look`, { viewport: { width, height: 900 }, colorScheme });
    await ended(page);
    const text = byId(page, "step-text");
    await text.locator("td").first().waitFor({ state: "attached" });
    await text.evaluate((area) => (area.style.height = "60rem"));
    assert.ok((await overflow(page)) <= 0);
    const name = await page.locator(".step-name").boundingBox();
    assert.ok(name.width > 140, `a name is not squeezed: ${name.width} px`);
    assert.deepEqual(await violations(page), []);
    await screenshot(page, `markdown-${width}`);
  });
}

const program = (id, code) => ({ id, type: "command", config: { argv: ["node", "-e", code] } });
const gives = (js) => `process.stdout.write(JSON.stringify({ output: ${js} }) + "\\n")`;
const rows = "Array.from({ length: 90000 }, (_, n) => ({ id: n, name: 'row ' + (n * 7919 % 90001), note: 'x'.repeat(60), 'odd key': n % 3 ? null : [n] }))";

const openStep = (page, id) => page.locator(`[data-step-id="${id}"]`);
const fold = (within, title) => within.locator("summary", { hasText: new RegExp(`^${title}`) }).first();

// The longest that the page's thread was busy without a break, in milliseconds, while something was done.
async function longest(page, act) {
  await page.evaluate(() => {
    window.tasks = [0];
    window.watch = new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.tasks.push(entry.duration)));
    window.watch.observe({ entryTypes: ["longtask"] });
  });
  await act();
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 100))));
  return page.evaluate(() => Math.round(Math.max(...window.tasks)));
}

test("an output of 10 MB is opened, walked, sorted and copied while the page stays responsive", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const id = await startRun(server.url, {
    name: "Big",
    steps: [program("rows", gives(`{ rows: ${rows}, text: "y".repeat(300000) }`))],
    flow: { start_at: "rows" },
  });
  const page = await openPage(browser, `${server.url}/#/runs/${id}`, { permissions: ["clipboard-read", "clipboard-write"] });
  await ended(page);
  const step = openStep(page, "rows");
  const tree = step.getByTestId("json");
  const opened = await longest(page, async () => {
    await fold(step, "Output").click();
    await fold(tree, "rows").waitFor();
  });
  const list = await longest(page, async () => {
    await fold(tree, "rows").click();
    await tree.locator('summary:has-text("99: ")').waitFor();
  });
  assert.ok((await step.locator("*").count()) < 3000, "what is not in sight is not drawn");
  await tree.getByTestId("json-more").click();
  await tree.locator('summary:has-text("199: ")').waitFor();
  const table = await longest(page, async () => {
    await tree.getByRole("button", { name: "Table" }).click();
    await tree.getByRole("columnheader", { name: "name" }).waitFor();
  });
  const sorted = await longest(page, async () => {
    await tree.getByRole("columnheader", { name: "id" }).getByRole("button").click();
    await tree.getByRole("columnheader", { name: "id" }).getByRole("button").click();
    await tree.locator("tbody tr").first().getByText("89999").first().waitFor();
  });
  assert.equal(await tree.getByRole("columnheader", { name: "id" }).getAttribute("aria-sort"), "descending");
  assert.equal(await tree.locator("tbody tr").count(), 100);
  // a long text comes by and by
  await tree.locator(".json-leaf", { hasText: "text: yyy" }).getByRole("button").click();
  await until("more of the text", async () => (await tree.locator(".json-leaf", { hasText: "text: yyy" }).textContent()).length > 50_000);
  await step.getByRole("button", { name: "Copy all" }).click();
  await until("all of it on the clipboard", () => page.evaluate(async () => {
    const text = await navigator.clipboard.readText();
    return text.length > 10_000_000 && JSON.parse(text).rows.length === 90_000;
  }));
  t.diagnostic(`longest tasks: opened ${opened} ms, list ${list} ms, table ${table} ms, sorted ${sorted} ms`);
  for (const [what, took] of Object.entries({ opened, list, table, sorted })) {
    assert.ok(took < 1500, `${what}: the page stood still for ${took} ms`);
  }
  assert.deepEqual(page.problems, []);
});

test("a tree is walked by keyboard, and the chosen place and value are copied", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const values = { title: "Tide", ports: [{ name: "Brest", "odd key": [1, 2] }, { name: "Bristol" }], none: {} };
  const id = await startRun(server.url, { name: "Tree", steps: [{ id: "a", type: "set", config: { values } }], flow: { start_at: "a" } });
  const page = await openPage(browser, `${server.url}/#/runs/${id}`, { permissions: ["clipboard-read", "clipboard-write"] });
  await ended(page);
  const step = openStep(page, "a");
  await fold(step, "Output").focus();
  await page.keyboard.press("Enter");
  const path = step.getByTestId("json-path");
  await step.getByTestId("json").focus();
  const press = async (key, expected) => {
    await page.keyboard.press(key);
    // what a key opens is there with the next frame: nobody types faster than that
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    assert.equal(await path.textContent(), expected, key);
  };
  await press("ArrowDown", "$.title");
  await press("ArrowDown", "$.ports");
  await press("ArrowRight", "$.ports");
  await press("ArrowRight", "$.ports[0]");
  await press("ArrowRight", "$.ports[0]");
  await press("ArrowDown", "$.ports[0].name");
  await press("ArrowDown", "$.ports[0]['odd key']");
  const copied = () => page.evaluate(() => navigator.clipboard.readText());
  await step.getByRole("button", { name: "Copy path" }).click();
  await until("the path", async () => (await copied()) === "$.ports[0]['odd key']");
  await step.getByRole("button", { name: "Copy value" }).click();
  await until("the value", async () => (await copied()) === "[\n  1,\n  2\n]");
  await step.getByTestId("json").focus();
  await press("End", "$.none");
  await press("ArrowUp", "$.ports[1]");
  await press("ArrowLeft", "$.ports");
  await press("ArrowLeft", "$.ports");
  await press("ArrowDown", "$.none");
  assert.deepEqual(page.problems, []);
});

for (const [width, colorScheme] of [
  [360, "dark"],
  [1600, "light"],
]) {
  test(`what a step changed is told place by place at ${width} px in the ${colorScheme} page`, async (t) => {
    const server = await startServer(t);
    const browser = await launch(t);
    const before = { text: "The tide comes in at noon today, says the table.", ports: [{ name: "Brest", m: 6 }, { name: "Cork", m: 4 }], gone: 1 };
    const after = { text: "The tide comes in at dusk today, says the table.", ports: [{ name: "Dover", m: 7 }, { name: "Brest", m: 6 }, { name: "Cork", m: 5 }], new: [1] };
    const set = (id, values) => ({ id, type: "set", config: { values } });
    const steps = [set("draft", before), set("edit", after)];
    const id = await startRun(server.url, { name: "Edit", steps, flow: { start_at: "draft", paths: [{ from: "draft", to: "edit" }] } }, { gone: 2 });
    const page = await openPage(browser, `${server.url}/#/runs/${id}`, { viewport: { width, height: 900 }, colorScheme });
    await ended(page);
    const step = openStep(page, "edit");
    await fold(step, "Changes").click();
    const line = (path) => step.locator(`li[data-path="${path}"]`);
    await line("$.new").waitFor();
    assert.match(await line("$.gone").textContent(), /1/);
    assert.equal(await line("$.gone").getAttribute("data-kind"), "removed");
    assert.equal(await line("$.ports[0]").getAttribute("data-kind"), "added");
    assert.equal(await line("$.ports[2].m").textContent().then((text) => text.trim()), "$.ports[2].m 4 5");
    assert.equal(await line("$.text").locator("del").textContent(), "noon ");
    assert.equal(await line("$.text").locator("ins").textContent(), "dusk ");
    assert.equal(await step.locator("li[data-path]").count(), 5);
    await fold(step, "Output").click();
    await fold(step.getByTestId("json"), "ports").click();
    await step.getByRole("button", { name: "Table" }).click();
    await step.getByRole("columnheader", { name: "m", exact: true }).waitFor();
    assert.ok((await overflow(page)) <= 0);
    assert.deepEqual(await violations(page), []);
    await screenshot(page, `changes-${width}`);
    await step.getByRole("combobox").selectOption({ label: "the run's input" });
    await until("the input to be compared", async () => (await line("$.gone").textContent()).includes("2"));
    assert.deepEqual(page.problems, []);
  });
}

test("the log is filtered by type, by step and by what an event holds, while more comes", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const run = await produce(server, "filter", ["a", "b"]);
  for (const step of ["a", "b"]) {
    await run.start(step);
    for (const word of ["Brest", "Cork", "Dover"]) {
      await run.say(step, word);
    }
    await run.give(step, { port: { name: step === "a" ? "Brest" : "Ely" } });
  }
  const page = await openPage(browser, `${server.url}/#/runs/filter`);
  const rows = page.locator(".event-row");
  const seqs = () => rows.evaluateAll((rows) => rows.map((row) => Number(row.dataset.seq)));
  const listed = (expected) => until(`the events ${expected}`, async () => String(await seqs()) === String(expected));
  await listed([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  await page.getByLabel("Show events that hold").fill("BREST");
  await listed([3, 6, 8]);
  await page.getByLabel("Show events of step").selectOption("a");
  await listed([3, 6]);
  await page.getByLabel("Show events of type").selectOption("step_complete");
  await listed([6]);
  assert.match(await byId(page, "event-count").textContent(), /^1 of 11 events$/);
  await page.getByLabel("Show events of type").selectOption("");
  await run.say("a", "once more: Brest");
  await listed([3, 6, 12]);
  await run.send({ event_type: "checkpoint_saved", data: { checkpoint_id: "1", step_id: "a" } });
  await page.getByRole("button", { name: "List them" }).click();
  await listed([13]);
  assert.equal(await page.getByLabel("Show events that hold").inputValue(), "");
  assert.equal(await page.getByLabel("Show events of type").inputValue(), "checkpoint_saved");
  assert.match(await rows.first().textContent(), /1 after a/);
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(page.problems, []);
});
