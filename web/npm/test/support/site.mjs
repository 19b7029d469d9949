// Pages of another site than the server's: files of a folder, on an origin of their own.

import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { startServer, temporaryFolder } from "../../../../e2e/support/server.js";

export const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
};

// Serves a folder; `pages` are more, by path, as text or as a text with a content policy.
export async function startSite(t, folder, pages = {}) {
  const asked = [];
  const site = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    asked.push(pathname);
    const page = pages[pathname];
    if (page) {
      const headers = page.policy ? { "content-security-policy": page.policy } : {};
      response.writeHead(200, { "content-type": "text/html; charset=utf-8", ...headers }).end(page.html ?? page);
      return;
    }
    const file = path.join(folder, path.normalize(pathname), pathname.endsWith("/") ? "index.html" : "");
    try {
      const body = await readFile(file);
      response.writeHead(200, { "content-type": TYPES[path.extname(file)] ?? "application/octet-stream" }).end(body);
    } catch {
      response.writeHead(pathname === "/favicon.ico" ? 204 : 404).end();
    }
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  t.after(() => {
    site.closeAllConnections();
    site.close();
  });
  return { url: `http://127.0.0.1:${site.address().port}`, asked };
}

// A server that lets pages of this site call it.
export async function startServerFor(t, site, options = {}) {
  const folder = await temporaryFolder(t);
  const config = path.join(folder, "stepcast.toml");
  await writeFile(config, `[edge]\nallowed_origins = ["${site.url}"]\n`);
  const { more = [], ...rest } = options;
  return startServer(t, { ...rest, more: ["--config", config, ...more] });
}
