// What is published: the packed tarball, its types, its size, and what importing it does.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { before, test } from "node:test";
import { promisify } from "node:util";
import { brotliCompressSync } from "node:zlib";

import { EXAMPLES, installPackage } from "./support/install.mjs";
import { PACKAGE } from "./support/site.mjs";

const run = promisify(execFile);
const tool = (name) => path.join(EXAMPLES, "node_modules/.bin", name);

let tarball;
before(async () => {
  tarball = await installPackage();
});

test("the tarball holds the two entries, their wasm, maps and types, and nothing else", async () => {
  const { stdout } = await run("tar", ["-tzf", tarball]);
  const files = stdout.trim().split("\n").map((file) => file.replace("package/", "")).sort();
  const entry = (name) => [`dist/${name}.d.ts`, `dist/${name}.js`, `dist/${name}.js.map`];
  const wanted = [...entry("index"), ...entry("monitor"), "dist/headless.wasm", "dist/monitor.wasm", "dist/types.d.ts"];
  assert.deepEqual(files, [...wanted, "README.md", "package.json"].sort());
});

test("publint has nothing to say", async () => {
  const { stdout } = await run(tool("publint"), ["run", tarball, "--strict"]);
  assert.match(stdout, /All good/);
});

test("attw finds the types of every entry", async () => {
  // CommonJS is not promised: the package is ES modules only. What is wrong elsewhere ends the tool with an error
  const { stdout } = await run(tool("attw"), [tarball, "--format", "ascii", "--profile", "esm-only", "--exclude-entrypoints", "headless.wasm", "monitor.wasm"]);
  assert.equal(stdout.match(/^bundler: 🟢/gm).length, 3, stdout);
  assert.equal(stdout.match(/^node16 \(from ESM\): 🟢/gm).length, 3, stdout);
});

for (const resolution of ["node16", "bundler"]) {
  test(`a program in TypeScript is checked against the types, module resolution ${resolution}`, async () => {
    const module = resolution === "node16" ? "node16" : "esnext";
    const args = ["-p", "node", "--module", module, "--moduleResolution", resolution];
    const checked = await run(tool("tsc"), args, { cwd: EXAMPLES }).catch((error) => error);
    assert.equal(checked.stdout, "");
  });
}

test("importing either entry runs nothing, and needs no DOM", async () => {
  const program = `
    const before = Object.getOwnPropertyNames(globalThis).length;
    globalThis.fetch = () => { throw new Error("fetched"); };
    WebAssembly.instantiate = WebAssembly.compile = WebAssembly.Module = WebAssembly.Instance = () => { throw new Error("wasm"); };
    const [headless, monitor] = await Promise.all([import("stepcast"), import("stepcast/monitor")]);
    monitor.define();
    if (Object.getOwnPropertyNames(globalThis).length !== before) throw new Error("a global was made");
    if (typeof headless.StreamClient !== "function" || typeof monitor.StreamingPipelineMonitor !== "function") throw new Error("no exports");
    console.log("quiet");
  `;
  const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "--eval", program], { cwd: EXAMPLES });
  assert.equal(stdout + stderr, "quiet\n");
});

// Kilobytes of 1,000 bytes, by brotli at its best, wasm and JavaScript together. Where they go is in docs/benchmarks.md.
const LIMITS = { index: ["headless", 92], monitor: ["monitor", 460] };

for (const [entry, [wasm, limit]] of Object.entries(LIMITS)) {
  test(`the entry ${entry} takes at most ${limit} kB on its way`, async () => {
    const sizes = await Promise.all([`${entry}.js`, `${wasm}.wasm`].map(async (name) => brotliCompressSync(await readFile(path.join(PACKAGE, "dist", name))).length));
    const sum = sizes[0] + sizes[1];
    assert.ok(sum <= limit * 1000, `${sizes.join(" + ")} = ${sum} bytes`);
  });
}

test("source maps lead to the sources, and hold them", async () => {
  for (const name of (await readdir(path.join(PACKAGE, "dist"))).filter((name) => name.endsWith(".map"))) {
    const map = JSON.parse(await readFile(path.join(PACKAGE, "dist", name), "utf8"));
    assert.ok(map.sources.some((source) => source.startsWith("../src/")), map.sources.join(" "));
    assert.equal(map.sourcesContent.length, map.sources.length);
    assert.match(await readFile(path.join(PACKAGE, "dist", name.replace(".map", "")), "utf8"), /sourceMappingURL/);
  }
});
