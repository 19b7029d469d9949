// Makes `dist/` of `src/`, `pkg/` and the page's styles: `cargo xtask npm` runs it.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { build, transform } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const dist = path.join(here, "dist");
const kept = path.join(process.env.STEPCAST_TARGET ?? path.join(here, "../../target"), "xtask/npm");

// The page's styles, but for what is `data-page` there, for a shadow root: `:root` is the host, `body` the frame, and a
// window's width the host's.
async function styles() {
  const page = readFileSync(path.join(here, "../../index.html"), "utf8");
  const sheets = [...page.matchAll(/<link data-trunk rel="css" href="(.*?)"/g)].map(([, href]) => path.join(here, "../..", href));
  let css = [...sheets, path.join(here, "src/host.css")].map((name) => readFileSync(name, "utf8")).join("\n");
  css = css
    .replace(/:root\[data-theme="[^"]*"\] \{[^}]*\}/g, "")
    .replace(/:root\b/g, ":host")
    .replace(/^html \{[^}]*\}/gm, "")
    .replace(/^body \{/gm, ".frame {")
    .replace("min-height: 100vh;", "")
    .replace(/@media (\((?:min|max)-width:)/g, "@container stepcast $1");
  return (await transform(css, { loader: "css", minify: true })).code;
}

// wasm-opt takes a while: what it made of a file is kept.
function optimise(name) {
  const from = path.join(here, `pkg/${name}_bg.wasm`);
  const made = path.join(kept, `${createHash("sha256").update(readFileSync(from)).digest("hex")}.wasm`);
  if (!existsSync(made)) {
    mkdirSync(kept, { recursive: true });
    const wasmOpt = path.join(here, "node_modules/binaryen/bin/wasm-opt");
    const features = ["--enable-bulk-memory", "--enable-nontrapping-float-to-int", "--enable-sign-ext",
      "--enable-mutable-globals", "--enable-reference-types", "--enable-multivalue"];
    execFileSync(process.execPath, [wasmOpt, "-Os", ...features, from, "-o", `${made}.new`], { stdio: "inherit" });
    copyFileSync(`${made}.new`, made);
    rmSync(`${made}.new`);
  }
  copyFileSync(made, path.join(dist, `${name}.wasm`));
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
for (const name of ["headless", "monitor"]) optimise(name);
for (const name of ["index.d.ts", "monitor.d.ts", "types.d.ts"]) copyFileSync(path.join(here, "src", name), path.join(dist, name));
const css = await styles();
await build({
  absWorkingDir: here,
  entryPoints: ["src/index.js", "src/monitor.js"],
  outdir: "dist",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: true,
  legalComments: "none",
  logLevel: "warning",
  plugins: [
    {
      name: "styles",
      setup({ onResolve, onLoad }) {
        onResolve({ filter: /^stepcast:styles$/ }, () => ({ path: "styles.css", namespace: "styles" }));
        onLoad({ filter: /.*/, namespace: "styles" }, () => ({ contents: css, loader: "text" }));
      },
    },
  ],
});
