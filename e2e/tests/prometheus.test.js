// A real Prometheus scrapes a loaded server with the configuration and the rules of docs/observability, and answers every
// query of the dashboard there.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { json, until } from "../support/api.js";
import { BINARY, ROOT, startProgram, startServer, temporaryFolder } from "../support/server.js";

const PROGRAMS = process.env.STEPCAST_PROMETHEUS ?? "/usr/bin";
const DOCUMENTS = path.join(ROOT, "docs/observability");
const run = promisify(execFile);

// The token that the documentation says how to make, and one for the load.
async function token(dataDir, name, scopes) {
  const { stdout } = await run(BINARY, ["token", "create", name, "--scopes", scopes, "--data-dir", dataDir]);
  return stdout.trim();
}

// The configuration as it stands in the documentation, but for what an operator replaces in it.
async function configure(folder, port) {
  let text = await readFile(path.join(DOCUMENTS, "prometheus.yml"), "utf8");
  const replace = (what, by) => {
    assert.ok(text.includes(what), `prometheus.yml has no ${what}`);
    text = text.replaceAll(what, by);
  };
  replace("scheme: https", "scheme: http");
  replace("/etc/prometheus/stepcast.token", path.join(folder, "stepcast.token"));
  replace("stepcast.example.org:443", `127.0.0.1:${port}`);
  replace(": 15s", ": 1s");
  await writeFile(path.join(folder, "prometheus.yml"), text);
  await copyFile(path.join(DOCUMENTS, "alerts.yml"), path.join(folder, "alerts.yml"));
}

// Runs that end well and badly, followed by server-sent events, and come back to.
async function load(server, auth, stopped) {
  const headers = { ...auth, "content-type": "application/json" };
  while (!stopped.aborted) {
    for (const pipeline of ["short", "failing"]) {
      const body = JSON.stringify({ pipeline });
      const { execution_id: id } = await json(`${server.url}/api/executions`, { method: "POST", headers, body });
      const stream = `${server.url}/stream/pipeline/${id}`;
      const text = await (await fetch(stream, { headers: auth })).text();
      const [seen] = /^id: \S+/m.exec(text);
      await (await fetch(stream, { headers: { ...auth, "last-event-id": seen.slice(4) } })).text();
      await json(`${server.url}/api/executions/${id}/events`, { headers: auth });
    }
  }
}

test("Prometheus scrapes a loaded server, answers the dashboard, and raises an alert for a fault", { timeout: 240_000 }, async (t) => {
  const [dataDir, folder] = [await temporaryFolder(t), await temporaryFolder(t)];
  const settings = path.join(folder, "stepcast.toml");
  const slo = '[[slo]]\nname = "runs"\nobjective = "runs_completed"\ntarget = 0.99\nwindow_seconds = 3600\nmin_events = 1\n';
  await writeFile(settings, `[access]\ntokens = true\n${slo}`);
  await writeFile(path.join(folder, "stepcast.token"), await token(dataDir, "prometheus", "observe"));
  const auth = { authorization: `Bearer ${await token(dataDir, "load", "admin")}` };
  const server = await startServer(t, { dataDir, more: ["--config", settings] });
  await configure(folder, server.port);

  const checked = await run(path.join(PROGRAMS, "promtool"), ["check", "config", path.join(folder, "prometheus.yml")]);
  assert.match(checked.stdout, /SUCCESS: \d+ rules found/);
  const prometheus = await startProgram(
    t,
    path.join(PROGRAMS, "prometheus"),
    [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, "--web.listen-address=127.0.0.1:0"],
    { line: /msg="Listening on" address=(127\.0\.0\.1:\d+)/ },
  );
  const api = async (what) => {
    const answer = await json(`http://${prometheus.match[1]}/api/v1/${what}`);
    assert.equal(answer.status, "success", what);
    return answer.data;
  };
  const stop = new AbortController();
  const loading = load(server, auth, stop.signal);
  t.after(() => stop.abort());

  const target = await until("the first scrape", async () => (await api("targets")).activeTargets.find((it) => it.health !== "unknown"));
  assert.deepEqual([target.health, target.lastError], ["up", ""]);
  const groups = (await api("rules")).groups;
  const rules = groups.flatMap((group) => group.rules);
  assert.ok(rules.length > 5);

  // every query, with what Grafana puts in place of its variables
  const dashboard = JSON.parse(await readFile(path.join(DOCUMENTS, "dashboard.json"), "utf8"));
  const queries = dashboard.panels.flatMap((panel) => (panel.targets ?? []).map(({ expr }) => [panel.title, expr]));
  assert.ok(queries.length > 30);
  const filled = (expr) => expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*");
  const waiting = new Map(queries.map(([title, expr]) => [`${title}: ${expr}`, filled(expr)]));
  await until("data for every query", async () => {
    for (const [name, expr] of waiting) {
      const { result } = await api(`query?query=${encodeURIComponent(expr)}`);
      if (result.some(({ value: [, value] }) => Number.isFinite(Number(value)))) {
        waiting.delete(name);
      }
    }
    return waiting.size === 0;
  }, 90).catch((error) => assert.fail(`${error.message}\n${[...waiting.keys()].join("\n")}`));
  const instances = await api("label/instance/values?match[]=stepcast_build_info");
  assert.deepEqual(instances, [`127.0.0.1:${server.port}`]);

  // half of the runs fail: the server says that its budget burns, and the rule fires
  const alert = (name) => async () => {
    const { alerts } = await api("alerts");
    return alerts.find(({ labels, state }) => labels.alertname === name && (state === "firing" || state === "pending"));
  };
  const burns = await until("the alert of the budget", alert("StepcastBudgetBurnsFast"), 60);
  assert.deepEqual([burns.state, burns.labels.slo, burns.labels.severity], ["firing", "runs", "page"]);
  for (const rule of (await api("rules")).groups.flatMap((group) => group.rules)) {
    assert.deepEqual([rule.health, rule.lastError ?? ""], ["ok", ""], rule.name);
  }
  // and a server that is gone is missed
  stop.abort();
  await loading.catch(() => {});
  await server.kill();
  const down = await until("the alert of its absence", alert("StepcastDown"), 60);
  assert.equal(down.labels.instance, `127.0.0.1:${server.port}`);
});
