// Runs as messages of a chat, seen by the AI SDK's own client (npm ai): its transport, its chat and its reader.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";

import { AbstractChat, DefaultChatTransport, readUIMessageStream } from "ai";

import { json, until } from "../support/api.js";
import { startRelay } from "../support/relay.js";
import { ROOT, startProgram, startServer, temporaryFolder } from "../support/server.js";

const PIPELINES = "e2e/dialects";
const AIMOCK = path.join(ROOT, "e2e/node_modules/@copilotkit/aimock/dist/cli.js");

// What a framework's binding keeps, without a framework.
class Chat extends AbstractChat {
  constructor(options) {
    const state = {
      status: "ready",
      error: undefined,
      messages: [],
      pushMessage: (message) => void state.messages.push(message),
      popMessage: () => void state.messages.pop(),
      replaceMessage: (index, message) => {
        state.messages[index] = structuredClone(message);
      },
      snapshot: structuredClone,
    };
    super({ ...options, state });
  }
}

const chatOf = (server, pipeline, options = {}) =>
  new Chat({ transport: new DefaultChatTransport({ api: `${server.url}/api/aisdk/${pipeline}`, ...options }) });

const parts = (message, type) => message.parts.filter((part) => part.type === type);

// Texts that no later take of their step has made void, as docs/ai-sdk.md has it.
const said = (message) => {
  const takes = new Map(parts(message, "data-step").map(({ id, data }) => [id, data.take]));
  const counts = (part) => takes.get(part.providerMetadata.stepcast.step) === part.providerMetadata.stepcast.take;
  return parts(message, "text").filter(counts).map(({ text }) => text);
};

// What a stream says that is over, piece by piece.
function parsed(text) {
  const pieces = [];
  for (const part of text.split("\n\n")) {
    const lines = part.split("\n");
    const value = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    if (value("data") && value("data") !== "[DONE]") {
      assert.ok(lines.at(-1).startsWith("id: "), `the id is the last line: ${part}`);
      pieces.push({ id: value("id"), chunk: JSON.parse(value("data")), text: `${part}\n\n` });
    }
  }
  return pieces;
}

async function stream(url, after) {
  const response = await fetch(url, { headers: after ? { "last-event-id": after } : {} });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, pieces: response.ok ? parsed(text) : [] };
}

const joinUrl = (server, id) => `${server.url}/api/aisdk/executions/${id}`;

async function message(chunks) {
  let last;
  for await (const shown of readUIMessageStream({ stream: ReadableStream.from(structuredClone(chunks)) })) {
    last = structuredClone(shown);
  }
  return last;
}

// Cut behind every piece, what follows is to the byte what was missing, and a chat that goes on with it shows the same
// as one that was never cut.
async function cutEverywhere(server, id, expected) {
  const url = joinUrl(server, id);
  const { pieces: whole, text, headers } = await stream(url);
  assert.equal(headers.get("x-vercel-ai-ui-message-stream"), "v1");
  assert.ok(text.endsWith("data: [DONE]\n\n"));
  assert.equal(new Set(whole.map(({ id }) => id)).size, whole.length, "an id for each piece");
  for (let seen = 1; seen < whole.length; seen += 1) {
    const after = whole[seen - 1].id;
    const { pieces } = await stream(url, after);
    assert.deepEqual(pieces, whole.slice(seen), `behind ${after}`);
    if (whole[seen - 1].chunk.type === whole[seen - 2]?.chunk.type) {
      // a chat within a text is tried at its first word
      continue;
    }
    let requests = 0;
    const chat = chatOf(server, "any", {
      resumeStreamIsReplay: false,
      prepareReconnectToStreamRequest: () => ({ api: url, headers: { "last-event-id": after } }),
      fetch: async (...request) => {
        requests += 1;
        if (requests > 1) {
          return fetch(...request);
        }
        const heard = [new TextEncoder().encode(whole.slice(0, seen).map((it) => it.text).join(""))];
        const body = new ReadableStream({
          async pull(to) {
            if (heard.length) {
              to.enqueue(heard.pop());
            } else {
              // an error overtakes what waits in a stream: the chat is to have dealt with what it heard
              await setImmediate();
              to.error(new TypeError("network error"));
            }
          },
        });
        return new Response(body);
      },
    });
    await chat.sendMessage({ text: "x" });
    if (chat.messages.length > 1) {
      await chat.resumeStream();
      assert.deepEqual(chat.messages[1], expected, `a chat that was cut behind ${after}`);
    }
  }
  const end = whole.at(-1).id;
  assert.equal((await stream(url, end)).status, 204);
  return whole;
}

test("an answer of a model streams into a chat: text, reasoning, calls of tools, output and usage", async (t) => {
  const server = await startServer(t, { pipelines: PIPELINES });
  const finished = [];
  const api = `${server.url}/api/aisdk/talk`;
  const called = [];
  const chat = new Chat({
    transport: new DefaultChatTransport({ api, body: { topic: "tides" } }),
    onFinish: (it) => void finished.push(it),
    onToolCall: ({ toolCall }) => void called.push(toolCall),
  });
  await chat.sendMessage({ text: "Who is right?" });
  assert.equal(chat.error, undefined);
  assert.equal(chat.status, "ready");
  const [question, answer] = chat.messages;
  assert.equal(chat.messages.length, 2);
  const { execution_id: id, status, output, usage, pipeline } = answer.metadata;
  const stored = await json(`${server.url}/api/executions/${id}/events?limit=1000`);
  const { input } = stored.events[0].data;
  assert.deepEqual([input.prompt, input.topic, input.ai_sdk.chat_id], ["Who is right?", "tides", chat.id]);
  assert.deepEqual(input.messages, [JSON.parse(JSON.stringify(question))]);
  assert.deepEqual([status, pipeline, finished[0].finishReason], ["completed", "Talk", "tool-calls"]);
  assert.deepEqual(output, stored.events.at(-1).data.output);
  assert.equal(usage[0].outputTokens, output.think.usage.output_tokens + output.look.usage.output_tokens);
  assert.equal(said(answer)[0], output.think.text);
  assert.equal(parts(answer, "reasoning")[0].text, output.think.reasoning);
  assert.ok(answer.parts.every((part) => part.state !== "streaming"), "nothing is left open");
  const calls = parts(answer, "dynamic-tool");
  assert.deepEqual(calls.map(({ input }) => input), output.look.tool_calls.map((call) => call.arguments));
  assert.deepEqual(calls.map(({ state }) => state), calls.map(() => "input-available"));
  assert.ok(calls.length > 1 && called.length === calls.length, JSON.stringify(called));
  assert.equal(new Set(calls.map(({ toolCallId }) => toolCallId)).size, calls.length);
  assert.equal(parts(answer, "step-start").length, 2);
  const steps = parts(answer, "data-step").map(({ data }) => [data.step_id, data.status]);
  assert.deepEqual(steps, [["think", "completed"], ["look", "completed"]]);

  const whole = await cutEverywhere(server, id, answer);
  assert.deepEqual(await message(whole.map(({ chunk }) => chunk)), answer);
  // nothing runs any more: a page that is opened again has what it has
  await chat.resumeStream();
  assert.deepEqual([chat.status, chat.messages.length], ["ready", 2]);
  assert.equal((await fetch(`${api}/${chat.id}/stream`)).status, 204);
  // but who was cut off gets the rest all the same
  const rest = await stream(`${api}/${chat.id}/stream`, whole[2].id);
  assert.deepEqual(rest.pieces, whole.slice(3));
  // a second message is another run of the same chat
  await chat.sendMessage({ text: "And now?" });
  assert.equal(chat.messages.length, 4);
  assert.notEqual(chat.messages[3].id, answer.id);
  await chat.regenerate();
  assert.equal(chat.messages.length, 4);
  const again = await json(`${server.url}/api/executions/${chat.messages[3].metadata.execution_id}/events?limit=1`);
  const { input: sent } = again.events[0].data;
  assert.deepEqual([sent.prompt, sent.ai_sdk.trigger, sent.messages.length], ["And now?", "regenerate-message", 3]);
  const { executions } = await json(`${server.url}/api/executions`);
  assert.equal(executions.length, 3);

  const [epoch] = whole[0].id.split("/")[1].split(".");
  const url = joinUrl(server, id);
  assert.equal((await stream(url, `${id}/${epoch}.9999`)).status, 400);
  assert.equal((await stream(url, "nonsense")).status, 400);
  assert.equal((await stream(url, `another/${epoch}.1`)).status, 400);
  assert.equal((await stream(`${url}?after=now`)).status, 400);
  // a place in a log that is gone: all of this one, under its own name
  const lost = await stream(url, `${id}/${Number(epoch) + 1}.3`);
  assert.deepEqual(lost.pieces.map(({ chunk }) => chunk), whole.map(({ chunk }) => chunk));
});

test("a message of a chat asks a model over the network, and its words come as they are written", async (t) => {
  const folder = await temporaryFolder(t);
  const content = "Each tide comes back fifty minutes later 🌊 and the harbour is ready. ".repeat(4).trim();
  const fixtures = { fixtures: [{ match: { userMessage: "tide" }, response: { content } }] };
  await writeFile(path.join(folder, "fixtures.json"), JSON.stringify(fixtures));
  const args = [AIMOCK, "--port", "0", "--fixtures", folder, "--latency", "40", "--chunk-size", "6"];
  const aimock = await startProgram(t, "node", args, { line: /listening on (http:\/\/127\.0\.0\.1:\d+)/ });
  const env = { OPENAI_API_KEY: "sk-e2e", OPENAI_BASE_URL: `${aimock.match[1]}/v1`, OPENAI_MODEL: "gpt-4.1" };
  const server = await startServer(t, { pipelines: PIPELINES, env });
  const chat = chatOf(server, "chat");
  const sent = chat.sendMessage({ text: "What of the tide?" });
  const text = () => (chat.messages[1] ? said(chat.messages[1]).join("") : "");
  const early = await until("the first words", text);
  // another page opens the same chat meanwhile, with what it has of it
  const other = new Chat({ id: chat.id, transport: new DefaultChatTransport({ api: `${server.url}/api/aisdk/chat` }) });
  await Promise.all([sent, other.resumeStream()]);
  assert.ok(early.length < content.length, early);
  assert.equal(text(), content);
  assert.deepEqual(other.messages, [chat.messages[1]]);
  assert.equal(chat.messages[1].metadata.output.answer.provider, "openai");
});

test("a run that fails is an error of the chat, and what an attempt took back does not count", async (t) => {
  const server = await startServer(t, { pipelines: PIPELINES });
  const chat = chatOf(server, "failed");
  await chat.sendMessage({ text: "x" });
  assert.equal(chat.status, "error");
  assert.match(chat.error.message, /this is the end/);
  const answer = chat.messages[1];
  assert.deepEqual([answer.metadata.status, answer.metadata.error.category], ["failed", "logic"]);
  const steps = Object.fromEntries(parts(answer, "data-step").map(({ data }) => [data.step_id, data]));
  assert.deepEqual([steps.forgiven.status, steps.fatal.status, steps.talk.status], ["failed_continued", "failed", "completed"]);
  assert.deepEqual([steps.stumble.status, steps.stumble.attempt, steps.stumble.take], ["completed", 2, 2]);
  const url = joinUrl(server, answer.metadata.execution_id);
  const whole = await stream(url);
  assert.equal(whole.pieces.at(-1).chunk.type, "error");
  assert.ok(whole.text.endsWith("data: [DONE]\n\n"));
  for (let seen = 1; seen < whole.pieces.length; seen += 1) {
    assert.deepEqual((await stream(url, whole.pieces[seen - 1].id)).pieces, whole.pieces.slice(seen));
  }
  const missing = chatOf(server, "nothing");
  await missing.sendMessage({ text: "x" });
  assert.match(missing.error.message, /no stored pipeline/);
});

test("branches that run at once are parts of one message, each with its own text", async (t) => {
  const server = await startServer(t, { pipelines: PIPELINES });
  const chat = chatOf(server, "parallel");
  await chat.sendMessage({ text: "x" });
  assert.equal(chat.error, undefined);
  const answer = chat.messages[1];
  const { output } = answer.metadata;
  assert.deepEqual(said(answer).sort(), [output.for.text, output.against.text].sort());
  const counts = parts(answer, "data-step").filter(({ data }) => data.step_id === "count");
  assert.equal(counts.length, 4, "a step that a loop comes by to");
  await cutEverywhere(server, answer.metadata.execution_id, answer);
});

test("a question is a part of the message, and its answer lets the run go on", async (t) => {
  const server = await startServer(t, { pipelines: PIPELINES });
  const chat = chatOf(server, "asking");
  const sent = chat.sendMessage({ text: "x" });
  const open = () => parts(chat.messages[1] ?? { parts: [] }, "data-wait").filter(({ data }) => data.status === "waiting");
  const answer = async (wait, values) => {
    const { execution_id: id } = chat.messages[1].metadata;
    await json(`${server.url}/api/executions/${id}/waits/${wait}/answer`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ answer: values }),
    });
  };
  await until("two questions", () => open().length === 2);
  const review = open().find(({ id }) => id === "review.1");
  assert.deepEqual([review.data.prompt, review.data.step_id], ["Publish it?", "review"]);
  await answer("review.1", { decision: "publish", stars: 4 });
  await answer("title.1", { title: "Tides" });
  await until("the last question", () => open().some(({ id }) => id === "sure.1"));
  await answer("sure.1", { sure: true });
  await sent;
  assert.equal(chat.error, undefined);
  const waits = Object.fromEntries(parts(chat.messages[1], "data-wait").map(({ id, data }) => [id, data]));
  assert.deepEqual([waits["review.1"].status, waits["review.1"].answer.decision], ["answered", "publish"]);
  assert.equal(chat.messages[1].metadata.status, "completed");
});

test("a chat that stops does not end the run, and one that is cancelled is no error", async (t) => {
  const server = await startServer(t, { pipelines: PIPELINES });
  const chat = chatOf(server, "long");
  let sent = chat.sendMessage({ text: "x" });
  const text = () => (chat.messages[1] ? parts(chat.messages[1], "text").map((it) => it.text).join("") : "");
  await until("some words", () => text().length > 5);
  await chat.stop();
  await sent;
  assert.equal(chat.status, "ready");
  const { execution_id: id } = chat.messages[1].metadata;
  // the run goes on, and so does the chat: from the beginning, into the same message
  const before = text();
  sent = chat.resumeStream();
  await until("more words", () => text().length > before.length);
  await json(`${server.url}/api/executions/${id}/cancel`, { method: "POST" });
  await sent;
  assert.equal(chat.error, undefined);
  assert.deepEqual([chat.status, chat.messages.length, chat.messages[1].metadata.status], ["ready", 2, "cancelled"]);
  assert.equal(parts(chat.messages[1], "text").length, 1);
  const { pieces } = await stream(joinUrl(server, id));
  assert.deepEqual(pieces.at(-1).chunk, { type: "abort", reason: "cancelled" });
  assert.deepEqual(await message(pieces.map(({ chunk }) => chunk)), chat.messages[1]);
});

test("a chat whose network breaks again and again shows what one shows that was never cut", async (t) => {
  const server = await startServer(t, { pipelines: PIPELINES });
  const relay = await startRelay(t, server.port);
  let chunks = 0;
  const chat = chatOf({ url: relay.url }, "parallel", {
    // a run that ends meanwhile is shown all the same
    prepareReconnectToStreamRequest: () => {
      const id = chat.messages.at(-1).metadata?.execution_id;
      return id ? { api: joinUrl({ url: relay.url }, id) } : {};
    },
    fetch: async (...request) => {
      const response = await fetch(...request);
      let heard = 0;
      const cutting = new TransformStream({
        transform(chunk, to) {
          to.enqueue(chunk);
          heard += 1;
          if (heard > chunks) {
            relay.cut();
          }
        },
      });
      return new Response(response.body.pipeThrough(cutting), response);
    },
  });
  await chat.sendMessage({ text: "x" });
  let cuts = 0;
  while (chat.status === "error") {
    cuts += 1;
    assert.ok(cuts < 200, chat.error);
    chunks += 1;
    await chat.resumeStream();
  }
  assert.ok(cuts > 2, `${cuts} cuts`);
  assert.equal(chat.messages.length, 2);
  const { pieces } = await stream(joinUrl(server, chat.messages[1].metadata.execution_id));
  assert.deepEqual(chat.messages[1], await message(pieces.map(({ chunk }) => chunk)));
  assert.equal(chat.messages[1].metadata.status, "completed");
});
