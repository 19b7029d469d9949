// npm's client of AG-UI runs pipelines as agents. Its verifier refuses a stream that breaks the protocol, its
// enforcement warns of whatever the protocol does not describe, and its reducer says what a front end would show.

import assert from "node:assert/strict";
import { test } from "node:test";

import { HttpAgent, buildResumeArray, runHttpRequest, transformHttpEventStream } from "@ag-ui/client";

import { json, until } from "../support/api.js";
import { startRelay } from "../support/relay.js";
import { startServer } from "../support/server.js";

const PIPELINES = "e2e/dialects";

// An agent that can join: how, the client leaves to whoever writes one.
class Agent extends HttpAgent {
  joins;

  connect() {
    const headers = this.joins.after ? { "last-event-id": this.joins.after } : {};
    return transformHttpEventStream(runHttpRequest(() => fetch(this.joins.url, { headers })));
  }
}

// What a stream says that is over, message by message.
function parsed(text) {
  const said = [];
  for (const part of text.split("\n\n")) {
    const lines = part.split("\n");
    const value = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    if (value("data")) {
      assert.ok(lines.at(-1).startsWith("id: "), `the id is the last line: ${part}`);
      said.push({ id: value("id"), event: JSON.parse(value("data")), text: `${part}\n\n` });
    }
  }
  return said;
}

async function stream(url, after) {
  const response = await fetch(url, { headers: after ? { "last-event-id": after } : {} });
  return { status: response.status, said: parsed(await response.text()) };
}

// Whatever the client warns of is a fault of the server's.
function warnings(t) {
  const warned = [];
  const { warn, error } = console;
  console.warn = (...words) => warned.push(words.join(" "));
  console.error = (...words) => warned.push(words.join(" "));
  t.after(() => Object.assign(console, { warn, error }));
  return warned;
}

const joinUrl = (server, id) => `${server.url}/api/agui/executions/${id}`;

// Runs a pipeline to the end of its stream, and gives the agent, the execution's id and what came.
async function run(server, pipeline, { threadId = "thread 1", runId = crypto.randomUUID(), initialMessages = [], ...parameters } = {}) {
  const agent = new Agent({ url: `${server.url}/api/agui/${pipeline}`, threadId, initialMessages });
  const events = [];
  const result = await agent.runAgent({ runId, ...parameters }, { onEvent: ({ event }) => void events.push(event) });
  return { agent, id: runId, events, result };
}

const of = (events, type) => events.filter((event) => event.type === type);

const shown = ({ messages, state, pendingInterrupts }) => ({ messages, state, pendingInterrupts });

// Cut behind every piece, a client that comes back shows the same as one that was never cut; so does one that was not
// there before. And what comes is to the byte what was missing, behind a prelude.
async function cutEverywhere(server, id, { threadId = "thread 1", initialMessages = [] } = {}) {
  const url = joinUrl(server, id);
  const whole = (await stream(url)).said;
  assert.equal(new Set(whole.map(({ id }) => id)).size, whole.length, "an id for each event");
  const fresh = async (joins, messages = initialMessages, state = {}) => {
    const agent = new Agent({ url, threadId, initialMessages: messages, initialState: state });
    agent.joins = joins;
    await agent.connectAgent();
    return agent;
  };
  const expected = shown(await fresh({ url }));
  let preludes = 0;
  for (let seen = 1; seen < whole.length; seen += 1) {
    const after = whole[seen - 1].id;
    const { said } = await stream(url, after);
    const rest = said.slice(said.findIndex(({ id }) => id !== after));
    assert.deepEqual(rest, whole.slice(seen), `behind ${after}`);
    preludes += said.length > rest.length;
    // what a client has that was cut here
    const cut = new Agent({ url, threadId, initialMessages });
    cut.fetch = async () => new Response(whole.slice(0, seen).map(({ text }) => text).join(""), { headers: { "content-type": "text/event-stream" } });
    await cut.runAgent();
    const back = await fresh({ url, after }, cut.messages, cut.state);
    assert.deepEqual(shown(back), expected, `a client that was cut behind ${after}`);
    const late = await fresh({ url, after });
    assert.deepEqual(shown(late), expected, `a client that begins behind ${after}`);
  }
  assert.ok(preludes > whole.length / 2, `${preludes} preludes`);
  return { whole, expected };
}

test("a run that is good: text, reasoning, calls of tools, state and result", async (t) => {
  const warned = warnings(t);
  const server = await startServer(t, { pipelines: PIPELINES });
  const initialMessages = [{ id: "m1", role: "user", content: "Who is right?" }];
  const { agent, id, events, result } = await run(server, "talk", { initialMessages, forwardedProps: { topic: "tides" } });
  assert.equal(events[0].type, "RUN_STARTED");
  assert.deepEqual([events[0].threadId, events[0].runId, events[0].protocolVersion], ["thread 1", id, "1.0"]);
  const finished = events.at(-1);
  assert.deepEqual([finished.type, finished.outcome.type], ["RUN_FINISHED", "success"]);
  const stored = await json(`${server.url}/api/executions/${id}/events?limit=1000`);
  const { input } = stored.events[0].data;
  assert.deepEqual([input.prompt, input.topic, input.agui.thread_id], ["Who is right?", "tides", "thread 1"]);
  const { output } = stored.events.at(-1).data;
  assert.deepEqual(result.result, output);
  assert.deepEqual(agent.state.output, output);
  assert.deepEqual(agent.state.steps.think.output, output.think);
  assert.equal(finished.usage[0].outputTokens, output.think.usage.output_tokens + output.look.usage.output_tokens);
  const roles = agent.messages.map(({ role }) => role).filter((role) => role !== "activity");
  assert.deepEqual(roles.slice(0, 3), ["user", "reasoning", "assistant"]);
  const texts = agent.messages.filter(({ role }) => role === "assistant").map(({ content }) => content);
  assert.equal(texts[0], output.think.text);
  const reasoning = agent.messages.find(({ role }) => role === "reasoning");
  assert.equal(reasoning.content, output.think.reasoning);
  const calls = agent.messages.flatMap(({ toolCalls }) => toolCalls ?? []);
  assert.deepEqual(calls.map((call) => JSON.parse(call.function.arguments)), output.look.tool_calls.map((call) => call.arguments));
  assert.ok(calls.length > 1, JSON.stringify(calls));
  assert.equal(new Set(agent.messages.map(({ id }) => id)).size, agent.messages.length);
  // the very same request is shown the same run, not another
  const again = await run(server, "talk", { initialMessages, runId: id });
  assert.deepEqual(again.events, events);
  const listed = await json(`${server.url}/api/executions`);
  assert.equal(listed.executions.length, 1);
  await cutEverywhere(server, id, { initialMessages });
  const end = (await stream(joinUrl(server, id))).said.at(-1).id;
  assert.equal((await stream(joinUrl(server, id), end)).status, 204);
  const [epoch] = end.split(".");
  assert.equal((await stream(joinUrl(server, id), `${epoch}.9999`)).status, 400);
  assert.equal((await stream(joinUrl(server, id), "nonsense")).status, 400);
  // a place in a log that is gone: all of this one, and what a client had is forgotten
  const lost = (await stream(joinUrl(server, id), `${Number(epoch) + 1}.3`)).said;
  assert.deepEqual(lost.map(({ event }) => event.type).slice(0, 3), ["RUN_STARTED", "MESSAGES_SNAPSHOT", "STATE_SNAPSHOT"]);
  assert.deepEqual(warned, []);
});

test("runs that fail, run at once and run again", async (t) => {
  const warned = warnings(t);
  const server = await startServer(t, { pipelines: PIPELINES });
  const failed = await run(server, "failed");
  const error = failed.events.at(-1);
  assert.deepEqual([error.type, error.code], ["RUN_ERROR", "failed"]);
  assert.match(error.message, /this is the end/);
  assert.equal(failed.agent.state.steps.forgiven.status, "failed_continued");
  const told = of(failed.events, "CUSTOM").map(({ name }) => name);
  assert.ok(told.includes("retry") && told.filter((name) => name === "step_error").length === 2, `${told}`);
  await cutEverywhere(server, failed.id);

  const parallel = await run(server, "parallel");
  const open = new Set();
  let most = 0;
  const counts = {};
  for (const { type, stepName } of parallel.events) {
    if (type === "STEP_STARTED") {
      open.add(stepName);
      counts[stepName] = (counts[stepName] ?? 0) + 1;
    } else if (type === "STEP_FINISHED") {
      open.delete(stepName);
    }
    most = Math.max(most, open.size);
  }
  assert.ok(most >= 3, `${most} steps at once`);
  assert.equal(counts.count, 4, "a step that a loop comes by to");
  const { output } = parallel.agent.state;
  const texts = parallel.agent.messages.filter(({ role }) => role === "assistant").map(({ content }) => content);
  assert.deepEqual(texts.sort(), [output.for.text, output.against.text].sort());
  assert.deepEqual(warned, []);
});

test("questions are interrupts, and a resume answers them", async (t) => {
  const warned = warnings(t);
  const server = await startServer(t, { pipelines: PIPELINES });
  const { agent, id, events } = await run(server, "asking");
  assert.deepEqual([events.at(-1).type, events.at(-1).outcome.type], ["RUN_FINISHED", "interrupt"]);
  assert.equal(of(events, "RUN_FINISHED").length, 1, "not while a step is under way, or about to start");
  assert.equal(agent.state.steps.second.status, "completed");
  const [review, title] = agent.pendingInterrupts;
  assert.deepEqual([review.id, title.id], [`${id}/review.1`, `${id}/title.1`]);
  assert.equal(review.message, "Publish it?");
  assert.ok(Date.parse(review.expiresAt) > Date.now());
  assert.deepEqual(review.responseSchema, {
    type: "object",
    properties: { decision: { enum: ["publish", "reject"] }, stars: { type: "number", minimum: 1, maximum: 5 } },
    required: ["decision"],
    title: "Review",
  });
  assert.equal(agent.state.waits["review.1"].status, "waiting");

  // who joins meanwhile sees the same, and is not kept waiting
  const other = new Agent({ url: "", threadId: "thread 1" });
  other.joins = { url: joinUrl(server, id) };
  await other.connectAgent();
  assert.deepEqual(shown(other), shown(agent));

  // an answer that does not fit is refused, and the question stays
  const wrong = buildResumeArray(agent.pendingInterrupts, {
    [review.id]: { status: "resolved", payload: { decision: "perhaps" } },
    [title.id]: { status: "resolved", payload: "Tides" },
  });
  const refused = await fetch(agent.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ threadId: "thread 1", runId: "r", messages: [], tools: [], context: [], resume: wrong }),
  });
  assert.equal(refused.status, 422, await refused.text());

  const follow = async (responses) => {
    const resume = buildResumeArray(agent.pendingInterrupts, responses);
    const came = [];
    const runId = crypto.randomUUID();
    await agent.runAgent({ runId, resume }, { onEvent: ({ event }) => void came.push(event) });
    assert.deepEqual([came[0].type, came[0].runId, came[0].threadId], ["RUN_STARTED", runId, "thread 1"]);
    return came;
  };
  await follow({
    [review.id]: { status: "resolved", payload: { decision: "publish", stars: 4 } },
    [title.id]: { status: "resolved", payload: "Tides" },
  });
  const [sure] = agent.pendingInterrupts;
  assert.equal(sure.id, `${id}/sure.1`);
  assert.deepEqual(agent.state.waits["review.1"].answer, { decision: "publish", stars: 4 });
  const last = await follow({ [sure.id]: { status: "resolved", payload: { sure: true } } });
  assert.deepEqual([last.at(-1).type, last.at(-1).outcome.type], ["RUN_FINISHED", "success"]);
  assert.deepEqual(agent.pendingInterrupts, []);
  assert.equal(agent.state.output.done.sure, true);
  assert.equal(agent.state.output.title.title, "Tides");
  const { expected } = await cutEverywhere(server, id);
  assert.deepEqual(expected, shown(agent));
  assert.deepEqual(warned, []);
});

test("a run that is cancelled is no error, and so is one whose question nobody wants to answer", async (t) => {
  const warned = warnings(t);
  const server = await startServer(t, { pipelines: PIPELINES });
  const running = run(server, "long", { runId: "cancelled-1" });
  await until("a word", async () => {
    const page = await fetch(`${server.url}/api/executions/cancelled-1/events?type=step_progress`);
    return page.ok && (await page.json()).events.filter(({ data }) => data.kind === "token").length > 3;
  });
  await json(`${server.url}/api/executions/cancelled-1/cancel`, { method: "POST" });
  const { events } = await running;
  assert.deepEqual([events.at(-1).type, events.at(-1).outcome.type], ["RUN_FINISHED", "cancelled"]);
  await cutEverywhere(server, "cancelled-1");

  const { agent, id } = await run(server, "asking");
  const declined = Object.fromEntries(agent.pendingInterrupts.map((it) => [it.id, { status: "cancelled" }]));
  const came = [];
  await agent.runAgent({ resume: buildResumeArray(agent.pendingInterrupts, declined) }, { onEvent: ({ event }) => void came.push(event) });
  assert.deepEqual([came[0].type, came.at(-1).type, came.at(-1).outcome.type], ["RUN_STARTED", "RUN_FINISHED", "cancelled"]);
  assert.equal((await json(`${server.url}/api/executions/${id}`)).status, "cancelled");
  assert.deepEqual(warned, []);
});

test("a client whose network breaks again and again while the run goes on misses and doubles nothing", async (t) => {
  const warned = warnings(t);
  const server = await startServer(t, { pipelines: PIPELINES });
  const relay = await startRelay(t, server.port);
  const { execution_id: id } = await json(`${server.url}/api/executions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ pipeline: "parallel" }),
  });
  const agent = new Agent({ url: "", threadId: "t" });
  const url = `${relay.url}/api/agui/executions/${id}`;
  let after;
  let ended = false;
  let connections = 0;
  while (!ended) {
    connections += 1;
    assert.ok(connections < 1000);
    let text = "";
    let pieces = 0;
    try {
      const response = await fetch(url, { headers: after ? { "last-event-id": after } : {} });
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        pieces += 1;
        if (pieces === 3) {
          relay.cut();
        }
      }
    } catch {
      // as a network breaks
    }
    const whole = parsed(text.slice(0, text.lastIndexOf("\n\n") + 2));
    after = whole.at(-1)?.id ?? after;
    ended = whole.some(({ event }) => event.type === "RUN_FINISHED");
    if (whole.length) {
      agent.joins = { url };
      agent.connect = () => {
        const body = whole.map((it) => it.text).join("");
        return transformHttpEventStream(runHttpRequest(async () => new Response(body, { headers: { "content-type": "text/event-stream" } })));
      };
      await agent.connectAgent();
    }
  }
  assert.ok(connections > 2, `${connections} connections`);
  const whole = new Agent({ url: "", threadId: "t" });
  whole.joins = { url: joinUrl(server, id) };
  await whole.connectAgent();
  assert.deepEqual(shown(agent), shown(whole));
  assert.deepEqual(warned, []);
});
