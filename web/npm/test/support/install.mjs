// The package as npm packs it, put where the examples find it.

import { execFile } from "node:child_process";
import { mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

import { TARGET } from "../../../../e2e/support/server.js";
import { PACKAGE } from "./site.mjs";

const run = promisify(execFile);

export const EXAMPLES = path.join(PACKAGE, "examples");

// Gives the tarball's path.
export async function installPackage() {
  const folder = path.join(TARGET, "xtask/npm/pack");
  await mkdir(folder, { recursive: true });
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], { cwd: PACKAGE });
  const packed = Object.values(JSON.parse(stdout))[0];
  const tarball = path.join(folder, packed.filename);
  // unpacked by hand: npm would look at the whole tree again, and the package depends on nothing
  const home = path.join(EXAMPLES, "node_modules/stepcast");
  await rm(home, { recursive: true, force: true });
  await run("tar", ["-xzf", tarball, "-C", folder]);
  await rename(path.join(folder, "package"), home);
  return tarball;
}
