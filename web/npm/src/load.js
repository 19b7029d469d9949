// Loads a wasm once, on demand: nothing runs on import.

import { StreamError } from "./errors.js";

// `start` is what wasm-bindgen wrote; `address` gives where the wasm is beside the module.
export function loader(start, address) {
  let ready;
  return (source) => {
    ready ??= load(start, source ?? address()).catch((error) => {
      ready = undefined;
      throw new StreamError("load", `the wasm could not be loaded: ${error?.message ?? error}`, { cause: error });
    });
    return ready;
  };
}

async function load(start, source) {
  source = await source;
  const file = source instanceof URL && source.protocol === "file:";
  // Node and its kin fetch no files; in a browser there is no such function
  const fs = file && globalThis.process?.getBuiltinModule?.("node:fs");
  await start({ module_or_path: fs ? await fs.promises.readFile(source) : source });
}
