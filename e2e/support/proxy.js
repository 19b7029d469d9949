// The proxies of docs/proxy, run as they stand there but for names, ports and files.

import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import net from "node:net";
import { once } from "node:events";
import path from "node:path";
import { promisify } from "node:util";

import { until } from "./api.js";
import { ROOT, startProgram, temporaryFolder } from "./server.js";

const NGINX = process.env.STEPCAST_NGINX ?? "nginx";
const CADDY = process.env.STEPCAST_CADDY ?? "caddy";

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

// A text with each of these put in the place of what stands there; all of it has to stand there.
function replaced(text, changes) {
  for (const [from, to] of changes) {
    if (!text.includes(from)) {
      throw new Error(`the configuration holds no ${from}`);
    }
    text = text.replaceAll(from, to);
  }
  return text;
}

async function certificate(folder) {
  const [cert, key] = [path.join(folder, "server.pem"), path.join(folder, "server.key")];
  const words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
  await promisify(execFile)("openssl", [...words.split(" "), "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert]);
  return { cert, key };
}

// Waits until somebody listens.
const listening = (port) =>
  until(`port ${port}`, async () => {
    const socket = net.connect(port, "127.0.0.1");
    const open = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)]).catch(() => false);
    socket.destroy();
    return open;
  });

async function started(port, cert) {
  await listening(port);
  return { url: `https://localhost:${port}`, port, ca: await readFile(cert) };
}

export async function startNginx(t, server) {
  const folder = await temporaryFolder(t);
  const [{ cert, key }, port] = [await certificate(folder), await freePort()];
  const site = replaced(await readFile(path.join(ROOT, "docs/proxy/nginx.conf"), "utf8"), [
    ["server 127.0.0.1:8400;", `server 127.0.0.1:${server.port};`],
    ["listen 443 ssl", `listen 127.0.0.1:${port} ssl`],
    ["server_name stepcast.example.org;", "server_name localhost;"],
    ["/etc/stepcast/server.pem", cert],
    ["/etc/stepcast/server.key", key],
  ]);
  await writeFile(path.join(folder, "site.conf"), site);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((of) => `${of}_temp_path ${folder}/${of};`);
  const whole = `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr notice;
    events { worker_connections 256; }
    http { access_log off; ${temporary.join(" ")} include ${folder}/site.conf; }`;
  await writeFile(path.join(folder, "nginx.conf"), whole);
  await startProgram(t, NGINX, ["-p", folder, "-e", "stderr", "-c", path.join(folder, "nginx.conf")], { line: /start worker process \d/ });
  return started(port, cert);
}

export async function startCaddy(t, server) {
  const folder = await temporaryFolder(t);
  const [{ cert, key }, port] = [await certificate(folder), await freePort()];
  const site = replaced(await readFile(path.join(ROOT, "docs/proxy/Caddyfile"), "utf8"), [
    ["reverse_proxy 127.0.0.1:8400", `reverse_proxy 127.0.0.1:${server.port}`],
    ["stepcast.example.org {", `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${cert} ${key}`],
  ]);
  const file = path.join(folder, "Caddyfile");
  await writeFile(file, `{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system ${folder}\n}\n${site}`);
  const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  await startProgram(t, CADDY, ["run", "--adapter", "caddyfile", "--config", file], { line: /serving initial configuration/, env });
  return started(port, cert);
}
