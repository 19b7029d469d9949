// Chromium, and what a page shows of a run.

import { mkdir } from "node:fs/promises";
import path from "node:path";

import { chromium } from "playwright-core";

import { TARGET } from "./server.js";

// Without these Chromium calls its maker's hosts at every start.
const QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export async function launch(t) {
  const executablePath = process.env.STEPCAST_CHROME ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", ...QUIET] });
  t.after(() => browser.close());
  return browser;
}

// A page that remembers what went wrong in it.
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(url);
  return Object.assign(page, { problems });
}

export const byId = (page, id) => page.getByTestId(id);

// The run as the page shows it: what two viewers of one run must agree on.
export async function shown(page) {
  return page.evaluate(() => {
    const text = (element) => element?.textContent.replace(/\s+/g, " ").trim() ?? null;
    const one = (id) => document.querySelector(`[data-testid="${id}"]`);
    return {
      status: text(one("run-status")),
      ending: text(one("ending")),
      events: text(one("event-count")),
      steps: [...document.querySelectorAll('[data-testid="step"]')].map((step) => ({
        id: step.dataset.stepId,
        status: step.dataset.status,
        text: text(step.querySelector('[data-testid="step-text"]')),
      })),
    };
  });
}

// Waits until the page has the run's end.
export async function ended(page, seconds = 60) {
  await byId(page, "ending").waitFor({ state: "visible", timeout: seconds * 1000 });
}

export async function screenshot(page, name) {
  const folder = path.join(TARGET, "e2e");
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}
