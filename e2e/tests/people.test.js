// A run asks a person: the form in one page, the answer in all of them, whatever happens in between.

import assert from "node:assert/strict";
import { test } from "node:test";

import { json, startRun, until } from "../support/api.js";
import { violations } from "../support/axe.js";
import { byId, ended, launch, openPage, screenshot } from "../support/browser.js";
import { startServer, temporaryFolder } from "../support/server.js";

const CHOICES = [
  { value: "approve", label: "Approve" },
  { value: "reject", label: "Reject" },
];
const FORM = {
  title: "Review",
  fields: [
    { name: "decision", type: "radio", label: "Decision", required: true, options: CHOICES },
    { name: "tags", type: "multiselect", label: "Tags", required: true, options: ["news", "law"] },
    { name: "note", type: "textarea", label: "Note", default: "As it is." },
    { name: "score", type: "number", label: "Score", min: 0, max: 10 },
    { name: "sure", type: "boolean", label: "I have read it" },
  ],
};

const asking = (config = {}) => ({
  name: "Ask",
  steps: [
    { id: "review", type: "human", config: { prompt: "Is it good?", context: "The council met.", form: FORM, ...config } },
    { id: "after", type: "set", config: { values: { done: true } } },
  ],
  flow: { start_at: "review", paths: [{ from: "review", to: "after" }] },
});

async function openQuestion(browser, server, id, options) {
  const page = await openPage(browser, `${server.url}/#/runs/${id}`, options);
  await byId(page, "wait-form").waitFor();
  return page;
}

const waitState = (page) => byId(page, "wait").getAttribute("data-state");

test("an answer given in one page is seen in all of them, with who gave it", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const id = await startRun(server.url, asking({ assigned_users: ["ann", "ben"], timeout_seconds: 3600 }));
  const [mine, yours] = [await openQuestion(browser, server, id), await openQuestion(browser, server, id)];
  assert.match(await byId(mine, "run-status").textContent(), /waiting for a person/i);
  assert.match(await byId(mine, "wait-asked").textContent(), /ann, ben/);
  assert.match(await byId(mine, "wait-left").textContent(), /(59 min|1 h).*left.*the step fails/i);
  assert.match(await byId(mine, "wait-context").textContent(), /The council met/);
  await screenshot(mine, "question");

  const list = await openPage(browser, `${server.url}/#/`);
  await list.locator('[data-testid="run-row"][data-status="waiting"]', { hasText: "waiting for a person" }).waitFor();

  // the button leads there, and the keyboard goes on from there
  await byId(mine, "go-to-question").click();
  await mine.keyboard.press("Space");
  assert.ok(await mine.getByLabel("Approve").isChecked());
  assert.equal(await mine.getByLabel("Note").inputValue(), "As it is.");

  // what the server refuses is told at its field, and what was filled in stays
  let asked = 0;
  mine.on("request", (request) => (asked += request.url().endsWith("/answer") ? 1 : 0));
  await mine.getByLabel("Your name").fill("Ann");
  await byId(mine, "answer").click();
  const tags = mine.locator('[data-field="tags"]');
  await tags.locator('[data-testid="field-flaw"]', { hasText: /required/i }).waitFor();
  assert.equal(await tags.getAttribute("aria-invalid"), "true");
  assert.ok(await tags.evaluate((group) => group.contains(document.activeElement)), "the focus is at what is wrong");
  assert.equal(asked, 1);
  assert.ok(await mine.getByLabel("Approve").isChecked());
  await screenshot(mine, "question-refused");

  // a second click comes too late to do harm
  await mine.getByLabel("law").check();
  await mine.getByLabel("Score").fill("7");
  await byId(mine, "answer").dblclick();
  await ended(mine);
  await ended(yours);
  assert.equal(asked, 2);
  for (const page of [mine, yours]) {
    assert.equal(await waitState(page), "answered");
    assert.match(await byId(page, "answered-by").textContent(), /Ann answered at \d\d:\d\d:\d\d/);
    const given = (await byId(page, "answer-given").innerText()).replace(/\s+/g, " ");
    for (const part of ["Decision Approve", "Tags law", "Note As it is.", "Score 7", "I have read it no"]) {
      assert.ok(given.includes(part), `${part} in ${given}`);
    }
    assert.deepEqual(page.problems, []);
  }
  const { events } = await json(`${server.url}/api/executions/${id}/events?limit=100`);
  const answers = events.filter(({ data }) => data.kind === "answered");
  assert.equal(answers.length, 1);
  assert.deepEqual(answers[0].data.answer, { decision: "approve", tags: ["law"], note: "As it is.", score: 7, sure: false });

  // the browser remembers who answered
  const next = await startRun(server.url, asking());
  await mine.goto(`${server.url}/#/runs/${next}`);
  await byId(mine, "wait-form").waitFor();
  await until("the name", async () => (await mine.getByLabel("Your name").inputValue()) === "Ann");
});

test("a question is there again after a reload, and after the server was killed", async (t) => {
  const dataDir = await temporaryFolder(t);
  const first = await startServer(t, { dataDir });
  const browser = await launch(t);
  const id = await startRun(first.url, asking());
  const page = await openQuestion(browser, first, id);
  await page.reload();
  await byId(page, "wait-form").waitFor();
  await page.getByLabel("Reject").check();
  await page.getByLabel("news").check();
  await page.getByLabel("Note").fill("Half a sentence");
  await first.kill();
  const second = await startServer(t, { dataDir, port: first.port });
  await until("the page to be back", async () => (await byId(page, "connection").getAttribute("data-state")) === "live");
  // the same question goes on, with what was typed
  assert.equal(await byId(page, "wait").count(), 1);
  assert.equal(await waitState(page), "pending");
  assert.equal(await page.getByLabel("Note").inputValue(), "Half a sentence");
  await byId(page, "answer").click();
  await ended(page);
  assert.match(await byId(page, "answer-given").innerText(), /Half a sentence/);
  assert.equal((await json(`${second.url}/api/executions/${id}`)).status, "completed");
});

test("an answer while the server is away is kept in the form and can be sent again", async (t) => {
  const dataDir = await temporaryFolder(t);
  const first = await startServer(t, { dataDir });
  const browser = await launch(t);
  const id = await startRun(first.url, asking({ form: undefined, choices: ["yes", "no"] }));
  const page = await openQuestion(browser, first, id);
  await page.getByLabel("yes").check();
  await first.kill();
  await byId(page, "answer").click();
  await byId(page, "form-problem").filter({ hasText: "does not answer" }).waitFor();
  await startServer(t, { dataDir, port: first.port });
  await byId(page, "answer").click();
  await ended(page);
  assert.match(await byId(page, "answer-given").innerText(), /yes/);
});

test("where nobody answers in time the page says what was taken", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const config = { form: undefined, choices: ["go", "stop"], timeout_seconds: 2, default: "stop" };
  const id = await startRun(server.url, asking(config));
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  await ended(page);
  assert.match(await byId(page, "answered-by").textContent(), /nobody answered/i);
  assert.match(await byId(page, "answer-given").innerText(), /stop/);
});

for (const [colorScheme, width] of [["light", 1280], ["dark", 360]]) {
  test(`axe finds nothing to complain of in a ${colorScheme} form at ${width} px`, async (t) => {
    const server = await startServer(t);
    const browser = await launch(t);
    const id = await startRun(server.url, asking({ timeout_seconds: 600, default: { decision: "reject", tags: ["law"] } }));
    const page = await openQuestion(browser, server, id, { colorScheme, viewport: { width, height: 800 } });
    await page.getByLabel("Approve").check();
    await byId(page, "answer").click();
    await byId(page, "field-flaw").filter({ hasText: /required/i }).waitFor();
    assert.deepEqual(await violations(page), []);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${overflow} px sideways`);
    await screenshot(page, `question-${colorScheme}-${width}`);
  });
}
