// The examples, built as their users would and run in a browser, or in Node, against a real server. The package is
// installed from the tarball that would be published.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp } from "node:fs/promises";
import path from "node:path";
import { before, test } from "node:test";
import { promisify } from "node:util";

import { json, startRun, until } from "../../../e2e/support/api.js";
import { launch, openPage } from "../../../e2e/support/browser.js";
import { startServer } from "../../../e2e/support/server.js";
import { EXAMPLES, installPackage } from "./support/install.mjs";
import { startServerFor, startSite } from "./support/site.mjs";

const run = promisify(execFile);
const tool = (name) => path.join(EXAMPLES, "node_modules/.bin", name);
const build = (name, program, args) =>
  run(program, args, { cwd: path.join(EXAMPLES, name), env: { ...process.env, NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: "production" } }).catch((error) => {
    throw new Error(`${name} does not build: ${error.stdout}${error.stderr}`);
  });

const vite = (name) => () => build(name, tool("vite"), ["build", "--logLevel", "warn"]);
const PAGES = {
  react: { build: vite("react"), at: "/react/dist/" },
  vue: { build: vite("vue"), at: "/vue/dist/" },
  svelte: { build: vite("svelte"), at: "/svelte/dist/" },
  webpack: {
    async build() {
      await build("webpack", tool("webpack"), []);
      await cp(path.join(EXAMPLES, "webpack/index.html"), path.join(EXAMPLES, "webpack/dist/index.html"));
    },
    at: "/webpack/dist/",
  },
  esbuild: { build: () => build("esbuild", process.execPath, ["build.mjs"]), at: "/esbuild/dist/" },
  next: { build: () => build("next", tool("next"), ["build"]), at: "/next/out/" },
  plain: { build() {}, at: "/plain/" },
};

before(installPackage);

for (const [name, page] of Object.entries(PAGES)) {
  test(`the example ${name} is built, and follows a run of another origin`, async (t) => {
    await page.build();
    const site = await startSite(t, EXAMPLES);
    const server = await startServerFor(t, site);
    const browser = await launch(t);
    const id = await startRun(server.url, "stream");
    const tab = await openPage(browser, "about:blank");
    tab.on("console", (message) => message.type() === "error" && tab.problems.push(`${message.text()} ${message.location().url}`));
    await tab.goto(`${site.url}${page.at}?${new URLSearchParams({ src: server.url, id })}`);
    const text = (id) => tab.locator(`#${id}`).textContent();
    await until("the element's word that it has ended", async () => (await text("said")) === "completed");
    assert.match(await tab.getByTestId("run-status").textContent(), /completed/i);
    const { events } = await json(`${server.url}/api/executions/${id}/events?limit=1000`);
    await until("the client's count", async () => Number(await text("count")) === events.length);
    const { asked } = site;
    const wasm = new Set(asked.filter((file) => file.endsWith(".wasm")));
    assert.equal(wasm.size, 2, [...wasm].join(" "));
    assert.deepEqual(tab.problems, []);
  });
}

test("the example node follows a run to its end", async (t) => {
  const server = await startServer(t);
  const id = await startRun(server.url, "stream");
  const { stdout, stderr } = await run(process.execPath, ["node/follow.mjs", server.url, id], { cwd: EXAMPLES });
  const lines = stdout.trim().split("\n");
  const { events } = await json(`${server.url}/api/executions/${id}/events?limit=1000`);
  assert.deepEqual(lines.slice(0, -1).map((line) => Number(line.split(" ")[0])), events.map((event) => event.seq));
  assert.equal(lines.at(-1), "completed");
  assert.equal(stderr, "");
});
