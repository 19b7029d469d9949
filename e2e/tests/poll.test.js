// Readers who poll through a proxy that caches: many of them are one, and none of them misses or doubles anything.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import { json, startRun, until } from "../support/api.js";
import { startProgram, startServer, temporaryFolder } from "../support/server.js";

const NGINX = process.env.STEPCAST_NGINX ?? "nginx";
const READERS = 30;

// nginx that keeps what may be kept, and asks once for what many ask for.
async function startCache(t, server) {
  const folder = await temporaryFolder(t);
  const free = net.createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address();
  free.close();
  await once(free, "close");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((of) => `${of}_temp_path ${folder}/${of};`);
  // its workers write the cache into a folder of whoever runs this
  await writeFile(
    path.join(folder, "nginx.conf"),
    `${process.getuid() === 0 ? "user root;" : ""} daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr notice;
    events { worker_connections 512; }
    http {
      ${temporary.join(" ")}
      log_format told '$upstream_cache_status $request_uri';
      access_log ${folder}/told told;
      proxy_cache_path ${folder}/cache keys_zone=pages:1m;
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass http://127.0.0.1:${server.port};
          proxy_http_version 1.1;
          proxy_set_header Host $http_host;
          proxy_cache pages;
          proxy_cache_lock on;
          proxy_cache_lock_timeout 60s;
          proxy_cache_lock_age 60s;
        }
      }
    }`,
  );
  await startProgram(t, NGINX, ["-p", folder, "-e", "stderr", "-c", path.join(folder, "nginx.conf")], { line: /start worker process \d/ });
  const url = `http://127.0.0.1:${port}`;
  await until("the proxy", () => fetch(`${url}/healthz`).then(({ ok }) => ok, () => false));
  const lines = async () => (await readFile(path.join(folder, "told"), "utf8")).split("\n").filter((line) => line.includes("wait_ms=20000"));
  return { url, lines };
}

// As core's client polls: at first without a wait, then with one, from page to page.
async function poll(url, id) {
  const events = [];
  const first = await json(`${url}/api/executions/${id}/events?limit=1`);
  let after = `${first.epoch}.0`;
  for (;;) {
    const page = await json(`${url}/api/executions/${id}/events?after=${after}&wait_ms=20000`);
    events.push(...page.events);
    after = page.next;
    if (page.closed) {
      return events;
    }
  }
}

test("many who poll at once are few requests, and each of them has everything once", async (t) => {
  const server = await startServer(t);
  const cache = await startCache(t, server);
  const id = await startRun(server.url, "stream");
  const read = await Promise.all(Array.from({ length: READERS }, () => poll(cache.url, id)));
  const stored = await json(`${server.url}/api/executions/${id}/events?limit=1000`);
  assert.ok(stored.events.length > 20);
  for (const events of read) {
    assert.deepEqual(events, stored.events);
  }
  const lines = await cache.lines();
  const passed = lines.filter((line) => !line.startsWith("HIT"));
  assert.ok(passed.length * 3 < lines.length, `${passed.length} of ${lines.length} requests reached the server`);
});

test("what may change is kept by nobody", async (t) => {
  const server = await startServer(t);
  const id = await startRun(server.url, "stream");
  const caching = async (query) => {
    const response = await fetch(`${server.url}/api/executions/${id}/events?${query}`);
    return [response.headers.get("cache-control"), await response.json()];
  };
  const [, { epoch, next }] = await until("the end", async () => {
    const told = await caching("limit=1000");
    return told[1].closed && told;
  });
  assert.equal((await caching(`after=${epoch}.0&limit=3`))[0], "public, max-age=10");
  for (const query of ["limit=3", "after=earliest", "after=now", `after=${next}`, `after=${Number(epoch) + 1}.2`, `after=${epoch}.0&type=nothing_like_it&limit=1`]) {
    assert.equal((await caching(query))[0], "no-store", query);
  }
});
