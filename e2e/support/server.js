// The real server: started as a user would, stopped by its process id.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const TARGET = process.env.STEPCAST_TARGET ?? path.join(ROOT, "target");
export const BINARY = process.env.STEPCAST_BIN ?? path.join(TARGET, "debug/stepcast");

// A folder that is removed when the test ends.
export async function temporaryFolder(t) {
  const folder = await mkdtemp(path.join(tmpdir(), "stepcast-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

// Starts a program and waits for a line of its standard output; ends it when the test ends.
export async function startProgram(t, program, args, { line, env = {}, cwd = ROOT, seconds = 60 }) {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const printed = [];
  let found;
  const matched = new Promise((resolve, reject) => {
    const give_up = (why) => reject(new Error(`${program} ${args.join(" ")}: ${why}\n${printed.join("\n")}`));
    const timer = setTimeout(() => give_up(`did not print ${line} within ${seconds} s`), seconds * 1000);
    const read = (text) => {
      printed.push(text);
      found ??= line.exec(text);
      if (found) {
        clearTimeout(timer);
        resolve(found);
      }
    };
    createInterface({ input: child.stdout }).on("line", read);
    createInterface({ input: child.stderr }).on("line", read);
    child.on("error", (error) => give_up(error.message));
    child.on("exit", (code, signal) => give_up(`ended with ${code ?? signal}`));
  });
  const ended = once(child, "exit");
  const end = async (signal) => {
    if (child.exitCode === null && child.signalCode === null) {
      // the group, not only its leader: nothing that it started may outlive the test
      process.kill(-child.pid, signal);
    }
    await ended;
  };
  t.after(() => end("SIGKILL"));
  const match = await matched;
  return { match, pid: child.pid, printed, end };
}

// Starts `stepcast serve`; port 0 takes any that is free.
export async function startServer(t, { dataDir, port = 0, pipelines = "e2e/pipelines", env = {}, more = [] } = {}) {
  const folder = dataDir ?? (await temporaryFolder(t));
  const args = ["serve", "--listen", `127.0.0.1:${port}`, "--data-dir", folder, "--pipelines", path.join(ROOT, pipelines), ...more];
  const program = await startProgram(t, BINARY, args, { line: /listening on (http:\/\/127\.0\.0\.1:(\d+))/, env });
  return {
    url: program.match[1],
    port: Number(program.match[2]),
    dataDir: folder,
    printed: program.printed,
    kill: () => program.end("SIGKILL"),
    stop: () => program.end("SIGTERM"),
  };
}
