// nothing to set up: webpack finds the wasm by itself
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

export default { mode: "production", context: here, entry: "./main.js", output: { path: `${here}dist`, filename: "main.js", module: true }, experiments: { outputModule: true }, performance: false };
