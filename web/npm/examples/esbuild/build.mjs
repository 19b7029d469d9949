import { cpSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));

await build({
  absWorkingDir: here,
  entryPoints: ["main.js"],
  outdir: "dist",
  bundle: true,
  format: "esm",
  minify: true,
  loader: { ".wasm": "file" },
});
cpSync(`${here}index.html`, `${here}dist/index.html`);
