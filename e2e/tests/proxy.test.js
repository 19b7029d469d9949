// The server behind the proxies of docs/proxy: streams are not held back, WebSockets pass, and who asks is known.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import https from "node:https";
import { on, once } from "node:events";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import WebSocket from "ws";

import { byId, ended, launch, openPage } from "../support/browser.js";
import { startCaddy, startNginx } from "../support/proxy.js";
import { BINARY, startServer, temporaryFolder } from "../support/server.js";

const TALKS = {
  name: "Talks",
  steps: [{ id: "wait", type: "delay", config: { seconds: 1 } }],
  flow: { start_at: "wait", paths: [] },
};

// Where the client's connections come from: not the address of the proxy.
const CLIENT = "127.0.0.2";
const SPOOFED = { "x-forwarded-for": "203.0.113.9", forwarded: "for=203.0.113.9" };

async function closedServer(t) {
  const dataDir = await temporaryFolder(t);
  const config = path.join(dataDir, "stepcast.toml");
  await writeFile(config, '[access]\ntokens = true\n[edge]\ntrusted_proxies = ["127.0.0.1"]\n');
  const server = await startServer(t, { dataDir, more: ["--config", config] });
  const stepcast = async (...args) => {
    const { stdout } = await promisify(execFile)(BINARY, [...args, "--data-dir", dataDir]);
    return stdout.trim();
  };
  return { ...server, stepcast, token: await stepcast("token", "create", "ann", "--scopes", "start,watch,ingest") };
}

// A request through the proxy; the response, whose body is still to be read.
async function ask(proxy, method, to, headers, body) {
  const options = { method, headers, ca: proxy.ca, localAddress: CLIENT, agent: false };
  const request = https.request(`${proxy.url}${to}`, options);
  request.end(body && JSON.stringify(body));
  const [response] = await once(request, "response");
  return response;
}

async function told(response) {
  const parts = [];
  for await (const part of response) {
    parts.push(part);
  }
  return JSON.parse(Buffer.concat(parts).toString());
}

// The next frame that this accepts.
async function next(frames, accepts) {
  for (;;) {
    const { value, done } = await frames.next();
    assert.ok(!done, "the stream ended");
    if (accepts(value)) {
      return value;
    }
  }
}

async function* frames(response) {
  let text = "";
  for await (const part of response) {
    text += part;
    const lines = text.split("\n");
    text = lines.pop();
    yield* lines.filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice(6)));
  }
}

async function* parsed(messages) {
  for await (const [text] of messages) {
    yield JSON.parse(text);
  }
}

for (const [name, start] of [
  ["nginx", startNginx],
  ["Caddy", startCaddy],
]) {
  test(`behind ${name} events arrive one by one, and a WebSocket opens`, async (t) => {
    const server = await closedServer(t);
    const proxy = await start(t, server);
    const headers = { authorization: `Bearer ${server.token}`, "content-type": "application/json" };

    const created = await ask(proxy, "POST", "/api/executions", headers, { execution_id: "e", mode: "external", pipeline: "elsewhere" });
    assert.equal(created.statusCode, 201, JSON.stringify(await told(created)));
    const stream = await ask(proxy, "GET", "/stream/pipeline/e", headers);
    assert.equal(stream.statusCode, 200);
    const events = frames(stream);
    const socket = new WebSocket(`${proxy.url.replace("https", "wss")}/ws/pipeline/e`, { ca: proxy.ca, headers });
    t.after(() => socket.terminate());
    const messages = parsed(on(socket, "message"));
    assert.equal((await next(messages, () => true)).control, "hello");
    for (let n = 1; n <= 5; n += 1) {
      const event = { event_type: "step_progress", step_id: "s", data: { n } };
      const posted = await ask(proxy, "POST", "/api/executions/e/events", headers, [event]);
      assert.ok(posted.statusCode < 300, JSON.stringify(await told(posted)));
      // the next is sent only when this one has arrived
      for (const follower of [events, messages]) {
        const { data } = await next(follower, ({ event_type }) => event_type === "step_progress");
        assert.equal(data.n, n);
      }
    }
    stream.destroy();
  });

  test(`behind ${name} it is the client who signs in, and not whom it says it is`, async (t) => {
    const server = await closedServer(t);
    const proxy = await start(t, server);
    const signIn = (origin) => ask(proxy, "POST", "/api/session", { ...SPOOFED, origin, "content-type": "application/json" }, { token: server.token });
    const answer = await signIn(proxy.url);
    assert.equal(answer.statusCode, 201, JSON.stringify(await told(answer)));
    assert.match(answer.headers["set-cookie"][0], /; Secure/);
    const clear = await signIn(proxy.url.replace("https", "http"));
    assert.equal(clear.statusCode, 403, "a page of the same name that came in clear");
    const entries = (await server.stepcast("audit")).split("\n").map((line) => JSON.parse(line));
    assert.equal(entries.find(({ action }) => action === "sign_in").address, CLIENT);
  });

  test(`behind ${name} a browser signs in and follows a run to its end`, async (t) => {
    const server = await closedServer(t);
    const proxy = await start(t, server);
    const page = await openPage(await launch(t), proxy.url, { ignoreHTTPSErrors: true });
    const id = await page.evaluate(
      async ([token, definition]) => {
        const call = (path, body) => fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
        const signed = await call("/api/session", { token });
        if (!signed.ok) throw new Error(await signed.text());
        const started = await call("/api/executions", { definition });
        return (await started.json()).execution_id;
      },
      [server.token, TALKS],
    );
    await page.goto(`${proxy.url}/#/runs/${id}`);
    // the page that was there asked who it is before it signed in
    await page.reload();
    await ended(page);
    assert.equal(await byId(page, "run-status").textContent(), "Completed");
    assert.deepEqual(page.problems, []);
  });
}
