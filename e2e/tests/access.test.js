// A server with accounts, and the ways in that a browser has where it cannot set a header.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { json, until } from "../support/api.js";
import { byId, ended, launch, openPage, screenshot } from "../support/browser.js";
import { BINARY, startServer, temporaryFolder } from "../support/server.js";

const LONG = {
  name: "Long",
  steps: [{ id: "wait", type: "delay", config: { seconds: 600 } }],
  flow: { start_at: "wait", paths: [] },
};

async function closedServer(t, { dataDir, more = ["--accounts"] } = {}) {
  dataDir ??= await temporaryFolder(t);
  const server = await startServer(t, { dataDir, more });
  const stepcast = async (...args) => {
    const { stdout } = await promisify(execFile)(BINARY, [...args, "--data-dir", dataDir]);
    return stdout.trim();
  };
  const person = (name, scopes) => stepcast("token", "create", name, "--scopes", scopes);
  return { ...server, stepcast, person };
}

const bearer = (token) => ({ authorization: `Bearer ${token}` });

async function call(server, path, token, body) {
  return json(`${server.url}${path}`, {
    method: body ? "POST" : "GET",
    headers: { ...bearer(token), "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
}

async function start(server, token) {
  const { execution_id } = await call(server, "/api/executions", token, { definition: LONG });
  return execution_id;
}

async function ticket(server, token, execution_id, purpose) {
  const drawn = await call(server, "/api/tickets", token, { execution_id, purpose });
  return drawn.ticket;
}

// What a page sees of a WebSocket: its first frame and the chosen subprotocol, and its close code where it is refused.
const socket = (page, url, protocols) =>
  page.evaluate(
    ([url, protocols]) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url.replace(/^http/, "ws"), protocols);
        let first;
        socket.onmessage = ({ data }) => {
          first ??= JSON.parse(data);
          if (first.control === "hello") {
            resolve({ first, protocol: socket.protocol });
            socket.close();
          }
        };
        socket.onclose = ({ code }) => resolve({ first, code });
      }),
    [url, protocols ?? []],
  );

// The first control frame that an EventSource gets; null where it is refused.
const events = (page, url) =>
  page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const source = new EventSource(url);
        const done = (value) => {
          source.close();
          resolve(value);
        };
        source.addEventListener("control", ({ data }) => done(JSON.parse(data)));
        source.onerror = () => done(null);
      }),
    url,
  );

// The first piece of a stream that a page reads by fetch, with a header of its own.
const fetched = (page, url, headers) =>
  page.evaluate(
    async ([url, headers]) => {
      const abort = new AbortController();
      const response = await fetch(url, { headers, signal: abort.signal });
      if (!response.ok) {
        return { status: response.status };
      }
      const { value } = await response.body.getReader().read();
      abort.abort();
      return { status: 200, text: new TextDecoder().decode(value) };
    },
    [url, headers],
  );

test("a stream is read by fetch with Authorization, and by nobody without", async (t) => {
  const server = await closedServer(t);
  const token = await server.person("ann", "watch,start");
  const other = await server.person("ben", "watch,start");
  const id = await start(server, token);
  const page = await openPage(await launch(t), `${server.url}/`);
  const url = `${server.url}/stream/pipeline/${id}`;
  const good = await fetched(page, url, bearer(token));
  assert.equal(good.status, 200);
  assert.match(good.text, /"control":"hello"/);
  assert.equal((await fetched(page, url, {})).status, 401);
  assert.equal((await fetched(page, url, bearer(`${token}0`))).status, 401);
  assert.equal((await fetched(page, url, bearer(other))).status, 404);
});

test("a ticket opens one EventSource or one WebSocket, once", async (t) => {
  const server = await closedServer(t);
  const token = await server.person("ann", "watch,start");
  const id = await start(server, token);
  const page = await openPage(await launch(t), `${server.url}/`);
  const sse = `${server.url}/stream/pipeline/${id}?ticket=${await ticket(server, token, id, "sse")}`;
  assert.equal((await events(page, sse)).control, "hello");
  assert.equal(await events(page, sse), null, "a replayed ticket");
  const ws = `${server.url}/ws/pipeline/${id}?ticket=${await ticket(server, token, id, "websocket")}`;
  assert.equal((await socket(page, ws)).first.control, "hello");
  const again = await socket(page, ws);
  assert.deepEqual([again.first.status, again.code], [401, 3502], "a replayed ticket");
  const swapped = `${server.url}/stream/pipeline/${id}?ticket=${await ticket(server, token, id, "websocket")}`;
  assert.equal(await events(page, swapped), null, "a ticket for something else");
  assert.doesNotMatch(server.printed.join("\n"), /stepcast_ticket_/, "tickets are not in the log");
});

test("a WebSocket takes a token as a subprotocol, and the server chooses the other one", async (t) => {
  const server = await closedServer(t);
  const token = await server.person("ann", "watch,start");
  const id = await start(server, token);
  const page = await openPage(await launch(t), `${server.url}/`);
  const url = `${server.url}/ws/pipeline/${id}`;
  const good = await socket(page, url, ["stepcast.v1", `stepcast.bearer.${token}`]);
  assert.deepEqual([good.first.control, good.protocol], ["hello", "stepcast.v1"]);
  const wrong = await socket(page, url, ["stepcast.v1", "stepcast.bearer.wrong"]);
  assert.deepEqual([wrong.first.status, wrong.code], [401, 3502]);
});

test("a person signs in, watches by cookie, and another site's page does not", async (t) => {
  const server = await closedServer(t);
  const token = await server.person("ann", "watch,start,cancel");
  const id = await start(server, token);
  const browser = await launch(t);
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  const field = page.getByLabel("Token");
  await field.waitFor();
  await screenshot(page, "sign-in");
  await field.fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await byId(page, "sign-in-problem").filter({ hasText: "not valid" }).waitFor();
  await field.fill(token);
  await field.press("Enter");
  await byId(page, "run-status").filter({ hasText: /running/i }).waitFor();
  assert.equal(await page.evaluate(() => document.cookie), "", "no script sees the cookie");
  await page.reload();
  await byId(page, "run-status").filter({ hasText: /running/i }).waitFor();

  // the same browser, a page of another port: the same site for SameSite, and another origin for us
  const evil = createServer((_, response) => response.end("<!doctype html><title>evil</title>"));
  evil.listen(0, "127.0.0.1");
  await once(evil, "listening");
  t.after(() => evil.close());
  const stranger = await page.context().newPage();
  await stranger.goto(`http://127.0.0.1:${evil.address().port}/`);
  const stolen = await socket(stranger, `${server.url}/ws/pipeline/${id}`);
  assert.deepEqual([stolen.first.status, stolen.code], [401, 3502], "a cross-site WebSocket");
  const cancelled = await stranger.evaluate(async (url) => {
    await fetch(url, { method: "POST", credentials: "include", mode: "no-cors" }).catch(() => {});
  }, `${server.url}/api/executions/${id}/cancel`);
  assert.equal(cancelled, undefined);
  const shown = await call(server, `/api/executions/${id}`, token);
  assert.equal(shown.status, "running");

  await byId(page, "sign-out").click();
  await page.getByLabel("Token").waitFor();
  assert.deepEqual(page.problems, []);
});

test("a page renews its session before it ends, and its stream goes on without a gap", async (t) => {
  const dataDir = await temporaryFolder(t);
  const config = path.join(dataDir, "stepcast.toml");
  await writeFile(config, "[access]\ntokens = true\nsession_seconds = 3\n");
  const server = await closedServer(t, { dataDir, more: ["--config", config] });
  const token = await server.person("ann", "watch,start,ingest");
  const { execution_id: id } = await call(server, "/api/executions", token, { pipeline: "Elsewhere", mode: "external", lease_ms: 60_000 });
  const page = await openPage(await launch(t), `${server.url}/#/runs/${id}`);
  await page.getByLabel("Token").fill(token);
  await page.getByLabel("Token").press("Enter");
  const say = (event_type, data, step_id) => call(server, `/api/executions/${id}/events`, token, { event_type, step_id, data });
  await say("pipeline_start", { pipeline: { name: "Elsewhere" }, input: {} });
  await byId(page, "run-status").filter({ hasText: /running/i }).waitFor();
  // three times as long as the session that was begun
  const renewed = [];
  page.on("response", (response) => response.request().method() === "PUT" && renewed.push(response.status()));
  const until = Date.now() + 9_000;
  for (let n = 0; Date.now() < until; n += 1) {
    await say("step_progress", { kind: "log", level: "info", message: `${n}` }, "talk");
    await page.waitForTimeout(100);
  }
  await say("pipeline_complete", { output: {} });
  await ended(page);
  assert.match(await byId(page, "ending").textContent(), /Nothing is missing/);
  assert.equal(await page.getByLabel("Token").count(), 0);
  assert.ok(renewed.length >= 3 && renewed.every((status) => status === 200), renewed.join());
  assert.deepEqual(page.problems, []);
});

test("a link shows one run to somebody without an account, until it is revoked", async (t) => {
  const server = await closedServer(t);
  const token = await server.person("ann", "watch,start");
  const [id, other] = [await start(server, token), await start(server, token)];
  const share = await call(server, `/api/executions/${id}/shares`, token, { expires_in_seconds: 600 });
  const page = await openPage(await launch(t), `${server.url}${share.page}`);
  await byId(page, "run-status").filter({ hasText: /running/i }).waitFor();
  assert.ok(!page.url().includes(share.token), "the secret leaves the address");
  assert.equal((await fetched(page, `${server.url}/stream/pipeline/${other}`, {})).status, 404);
  const revoked = await fetch(`${server.url}/api/executions/${id}/shares/${share.id}`, {
    method: "DELETE",
    headers: bearer(token),
  });
  assert.equal(revoked.status, 204);
  await page.getByText(/sign in first/i).first().waitFor();
  assert.equal((await fetched(page, `${server.url}/stream/pipeline/${id}`, {})).status, 401);
});

test("an administrator sees whose each run is, and the numbers of all; others see their own", async (t) => {
  const server = await closedServer(t);
  const [ann, ben, root] = [await server.person("ann", "watch,start"), await server.person("ben", "watch,start"), await server.person("root", "admin")];
  await start(server, ann);
  await start(server, ann);
  await start(server, ben);
  const browser = await launch(t);
  const signedIn = async (token) => {
    const page = await openPage(browser, `${server.url}/`);
    await page.getByLabel("Token").fill(token);
    await page.getByLabel("Token").press("Enter");
    await page.locator(".run-row a").first().waitFor();
    return page;
  };
  const counted = async (page, runs) => {
    await page.getByRole("link", { name: "Metrics", exact: true }).click();
    await page.locator(".report-about").filter({ hasText: new RegExp(`^${runs} runs?,`) }).waitFor();
  };
  const page = await signedIn(root);
  const owners = async () => (await page.locator(".run-owner").allTextContents()).sort().join();
  await until("whose each is", async () => (await owners()) === "of ann,of ann,of ben");
  await page.getByLabel("Pipeline, id or owner").fill("EN");
  await until("those of one", async () => (await owners()) === "of ben");
  await page.getByLabel("Pipeline, id or owner").fill("");
  for (const width of [360, 1600]) {
    await page.setViewportSize({ width, height: 900 });
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)) <= 0, `${width}`);
    await screenshot(page, `runs-owners-${width}`);
  }
  await counted(page, 3);
  const own = await signedIn(ann);
  assert.equal(await own.locator(".run-row a").count(), 2);
  assert.equal(await own.locator(".run-owner").count(), 0);
  await counted(own, 2);
  assert.deepEqual([page.problems, own.problems], [[], []]);
});
