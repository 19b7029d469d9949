// A prompt becomes text on a page, by way of servers that were written by others: llama.cpp's own, with a small model
// made for it, by OpenAI's protocol and by Anthropic's; and aimock, by Google's.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import { json, startRun, until } from "../support/api.js";
import { byId, ended, launch, openPage, screenshot, shown } from "../support/browser.js";
import { ROOT, startProgram, startServer, temporaryFolder } from "../support/server.js";

const PYTHON = process.env.STEPCAST_PYTHON ?? "python3";
const AIMOCK = path.join(ROOT, "e2e/node_modules/@copilotkit/aimock/dist/cli.js");

// no word of it twice: each follows from the one before
const SAID = "Each tide comes back fifty minutes later 🌊 and the harbour is ready";
const KEY = "sk-e2e-0123456789-secret";

const asking = (config) => ({
  name: "Ask",
  steps: [{ id: "ask", type: "llm", config }],
  flow: { start_at: "ask", paths: [] },
});

async function events(server, id) {
  const page = await json(`${server.url}/api/executions/${id}/events?after=earliest&limit=1000`);
  return page.events;
}

const joined = (all, channel) =>
  all
    .filter(({ data }) => data.kind === "token" && data.channel === channel)
    .map(({ data }) => data.text)
    .join("");

test("a prompt to llama.cpp shows as text on the page, by either of its protocols", async (t) => {
  const llama = await startProgram(t, PYTHON, [path.join(ROOT, "e2e/llama/serve.py"), SAID], {
    line: /^serving (http:\/\/127\.0\.0\.1:\d+)$/,
  });
  const address = llama.match[1];
  const server = await startServer(t, {
    env: {
      OPENAI_API_KEY: KEY,
      OPENAI_BASE_URL: `${address}/v1`,
      OPENAI_MODEL: "speaker",
      ANTHROPIC_API_KEY: KEY,
      ANTHROPIC_BASE_URL: address,
      ANTHROPIC_MODEL: "speaker",
    },
  });
  const browser = await launch(t);
  for (const provider of ["openai", "anthropic"]) {
    const config = { provider, system_prompt: "You know the sea.", prompt: "What of the {{ what }}?", temperature: 0, max_tokens: 60 };
    const id = await startRun(server.url, asking(config), { what: "tide" });
    const page = await openPage(browser, `${server.url}/#/runs/${id}`);
    await ended(page);
    const view = await shown(page);
    assert.equal(view.steps[0].status, "completed");
    assert.ok(view.steps[0].text.includes(SAID), `${provider}: ${JSON.stringify(view)}`);
    assert.deepEqual(page.problems, []);
    await screenshot(page, `llm-${provider}`);
    const all = await events(server, id);
    const { output } = all.find(({ event_type }) => event_type === "step_output").data;
    assert.equal(output.text.trim(), SAID);
    assert.equal(output.text, joined(all));
    assert.equal(output.finish_reason, "stop");
    assert.ok(output.usage.input_tokens > 20 && output.usage.output_tokens > 12, JSON.stringify(output.usage));
    assert.ok(!JSON.stringify(all).includes(KEY));
  }
  // the model's limit is told as it is
  const id = await startRun(server.url, asking({ prompt: "x", temperature: 0, max_tokens: 3 }));
  const last = await until("the end", async () => (await events(server, id)).find(({ event_type }) => event_type === "pipeline_complete"));
  assert.equal(last.data.output.ask.finish_reason, "length");
  assert.equal(last.data.output.ask.text.trim(), "Each tide comes");
  assert.ok(!server.printed.join("\n").includes(KEY), "no log shows the key");
});

test("an answer by Google's protocol grows on the page while it is written", async (t) => {
  const folder = await temporaryFolder(t);
  const content = `${SAID}. `.repeat(6).trim();
  const fixtures = { fixtures: [{ match: { userMessage: "tide" }, response: { content } }] };
  await writeFile(path.join(folder, "fixtures.json"), JSON.stringify(fixtures));
  const args = [AIMOCK, "--port", "0", "--fixtures", folder, "--latency", "50", "--chunk-size", "6"];
  const aimock = await startProgram(t, "node", args, { line: /listening on (http:\/\/127\.0\.0\.1:\d+)/ });
  const server = await startServer(t, {
    env: { GEMINI_API_KEY: KEY, GEMINI_BASE_URL: aimock.match[1], GEMINI_MODEL: "gemini-2.5-flash", OPENAI_API_KEY: "" },
  });
  const browser = await launch(t);
  const id = await startRun(server.url, asking({ prompt: "What of the tide?" }));
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  const text = byId(page, "step-text").first();
  const early = await until("the first words", async () => ((await text.count()) ? (await text.textContent()).trim() : ""));
  await until("more words", async () => (await text.textContent()).trim().length > early.length);
  assert.equal(await byId(page, "ending").count(), 0, "the answer is still being written");
  await ended(page);
  const all = await events(server, id);
  assert.equal(joined(all), content);
  assert.ok((await shown(page)).steps[0].text.includes(content));
  assert.equal(all.at(-1).data.output.ask.provider, "gemini");
  // pieces came 20 a second, and left at most 10 times
  const tokens = all.filter(({ data }) => data.kind === "token").length;
  assert.ok(tokens > 5 && tokens < content.length / 6, `${tokens} events`);
});
