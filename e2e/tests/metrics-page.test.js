// The page of metrics over all runs: the numbers of the API, by time, pipeline and step, live, at every width.

import assert from "node:assert/strict";
import { test } from "node:test";

import { json, startRun, until } from "../support/api.js";
import { violations } from "../support/axe.js";
import { byId, ended, launch, openPage, screenshot } from "../support/browser.js";
import { history, importLines } from "../support/history.js";
import { startServer, temporaryFolder } from "../support/server.js";

const HOUR = 3_600_000;
const text = async (locator) => (await locator.textContent()).replace(/\s+/g, " ").trim();
const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

// The hours of the last day, as the page asks for them.
const lastDay = () => new Date((Math.floor(Date.now() / HOUR) - 23) * HOUR).toISOString();

async function serverWithPast(t) {
  const dataDir = await temporaryFolder(t);
  await importLines(dataDir, history());
  return startServer(t, { dataDir });
}

// Waits until the page shows an answer to what it is asked.
const settled = (page) => page.locator(`[data-testid="metrics-page"][aria-busy="false"]`).waitFor();

const expectedLight = ({ value, target, met }) => (value === null ? "no-data" : target === null ? "informs" : met ? "met" : "missed");

async function assertLights(page, report) {
  for (const told of report.metrics) {
    const row = page.locator(`[data-testid="lights"] [data-metric="${told.metric}"]`);
    assert.equal(await row.getAttribute("data-light"), expectedLight(told), told.metric);
    const shown = await text(row.locator(".metric-value"));
    if (told.value === null) {
      assert.equal(shown, "no data", told.metric);
    } else if (told.unit === "ratio" && told.metric !== "pc") {
      assert.ok(Math.abs(Number.parseFloat(shown.replace(/[<>] /, "")) - told.value * 100) <= 0.11, `${told.metric}: ${shown} for ${told.value}`);
    }
  }
}

// Points of a trend: what is drawn of it.
const points = (page, metric) =>
  page.locator(`[data-testid="trend"][data-metric="${metric}"]`).evaluate((chart) => {
    const count = (part) => (chart.querySelector(`.trend-${part}`).getAttribute("d").match(/M/g) ?? []).length;
    return { well: count("dots"), missed: count("missed"), gaps: Math.max(0, count("line") - 1) };
  });

async function assertRanking(page, id, steps, of) {
  const rows = byId(page, id).locator("tbody tr");
  assert.equal(await rows.count(), steps.length, id);
  const names = await byId(page, id).locator(".ranking-step").allTextContents();
  assert.deepEqual(names, steps.map((step) => step.step_id), id);
  const shown = (await text(rows.first().locator("td").first())).replaceAll("\u202f", "").replaceAll(" ", "");
  assert.equal(shown, of(steps[0]), id);
}

test("the page shows the API's numbers, by time, pipeline and step, and the address keeps which", async (t) => {
  const server = await serverWithPast(t);
  const browser = await launch(t);
  const page = await openPage(browser, server.url);
  await page.getByRole("link", { name: "Metrics", exact: true }).click();
  await settled(page);
  const report = await json(`${server.url}/api/metrics?by=hour&top=10&from=${lastDay()}`);
  assert.ok(report.executions > 20, `${report.executions} runs prove little`);
  assert.match(await text(page.locator(".report-about")), new RegExp(`^${report.executions} runs, as of`));
  await assertLights(page, report);
  // one point for each hour in which steps ended, a square for each that missed the target
  const hours = report.groups.map((group) => group.metrics.find(({ metric }) => metric === "svr")).filter(({ value }) => value !== null);
  const drawn = await points(page, "svr");
  assert.deepEqual([drawn.well, drawn.missed], [hours.filter(({ met }) => met).length, hours.filter(({ met }) => !met).length]);
  assert.ok(drawn.missed > 0 && drawn.gaps > 0, JSON.stringify(drawn));
  assert.deepEqual(await points(page, "rsr"), { well: 0, missed: 0, gaps: 0 });
  assert.match(await page.locator(`[data-metric="rsr"] svg[role="img"]`).getAttribute("aria-label"), /no data/);
  const { top } = report;
  await assertRanking(page, "most-retried", top.most_retried, (step) => String(step.retries));
  await assertRanking(page, "most-expensive", top.most_expensive, (step) => String(step.input_tokens + step.output_tokens));
  assert.deepEqual(await byId(page, "slowest").locator(".ranking-step").allTextContents(), top.slowest.map((step) => step.step_id));

  // a pointer over one chart is told in all
  await page.locator(`[data-metric="svr"] .trend-plane`).hover();
  await until("what the pointer is over", async () => (await page.locator(".trend-at").count()) === 9);
  assert.match(await text(page.locator(`[data-metric="wct"] .trend-said`)), /^\d+ \w{3} \d\d:00: /);

  await byId(page, "metrics-span").getByRole("link", { name: "7 days" }).click();
  await settled(page);
  assert.match(page.url(), /#\/metrics\?window=7d$/);
  await page.getByRole("link", { name: "By hour" }).click();
  await byId(page, "metrics-pipeline").selectOption("Daily report");
  await settled(page);
  assert.match(page.url(), /#\/metrics\?window=7d&by=hour&pipeline=Daily%20report$/);
  const from = new Date((Math.floor(Date.now() / HOUR) - 7 * 24 + 1) * HOUR).toISOString();
  const one = await json(`${server.url}/api/metrics?by=hour&top=10&pipeline=Daily%20report&from=${from}`);
  await until("the numbers of one pipeline", async () => (await text(page.locator(".report-about"))).startsWith(`${one.executions} runs`));
  await assertLights(page, one);

  // one step, from its row; what a whole run has is not the step's
  await byId(page, "slowest").getByRole("link", { name: "summarise" }).click();
  await byId(page, "metrics-step").waitFor();
  await settled(page);
  const step = await json(`${server.url}/api/metrics?by=hour&pipeline=Daily%20report&step=summarise&from=${from}`);
  await assertLights(page, step);
  assert.equal(expectedLight(step.metrics.find(({ metric }) => metric === "wct")), "no-data");
  // the trends as numbers, and all of it in the address
  await byId(page, "metrics-view").getByRole("link", { name: "Table" }).click();
  const rows = byId(page, "trend-table").locator("tbody tr");
  await until("a row for each hour", async () => (await rows.count()) === step.groups.length);
  const again = await openPage(browser, page.url());
  await settled(again);
  assert.equal(await byId(again, "trend-table").locator("tbody tr").count(), step.groups.length);
  assert.equal(await byId(again, "metrics-pipeline").inputValue(), "Daily report");
  await page.goBack();
  await page.goBack();
  await byId(page, "metrics-step").waitFor({ state: "hidden" });

  // to the runs
  await byId(page, "slowest").getByRole("link", { name: "Daily report" }).first().click();
  await until("the runs of the pipeline", async () => {
    const names = await page.locator(".run-name").allTextContents();
    return names.length > 0 && names.every((name) => name === "Daily report");
  });
  assert.deepEqual(page.problems, []);
});

test("numbers move when a run ends, and when the page is shown again", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const page = await openPage(browser, `${server.url}/#/metrics`);
  await byId(page, "metrics-nothing").waitFor();
  assert.deepEqual(await violations(page), []);
  await screenshot(page, "metrics-nothing");
  await startRun(server.url, "failing");
  await byId(page, "lights").waitFor();
  const missed = page.locator(`[data-testid="lights"] [data-metric="svr"][data-light="missed"]`);
  await missed.waitFor();
  await until("one run", async () => (await text(page.locator(".report-about"))).startsWith("1 run,"));
  // an opened row and the focus in it stay through new numbers
  await missed.locator("summary").click();
  await startRun(server.url, "short");
  await until("two runs", async () => (await text(page.locator(".report-about"))).startsWith("2 runs,"));
  assert.ok(await page.evaluate(() => document.activeElement.closest("details")?.open));
  // a failed step leads to the failed runs
  await byId(page, "slowest").locator(".ranking-failed").first().click();
  await until("the failed run", async () => (await page.locator(".run-name").allTextContents()).join() === "failing");
  // `m` leads back, from wherever there is no run
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("m");
  await byId(page, "lights").waitFor();

  // the server goes: the numbers stay, and it is said that they are old
  await server.stop();
  await until("what is wrong", async () => /Not up to date/.test(await text(byId(page, "metrics-error"))));
  assert.ok(await byId(page, "lights").isVisible());
  await screenshot(page, "metrics-error");
  const back = await startServer(t, { dataDir: server.dataDir, port: server.port });
  await until("news again", async () => (await text(byId(page, "metrics-error"))) === "");
  await back.stop();
});

// As the server tells of objectives: one that is well, one whose budget burns, one that is used up, one without data.
const SLOS = {
  slos: [
    { name: "Runs end well", objective: "runs_completed", target: 0.99, window_seconds: 2_592_000, good: 1_995, total: 2_000, attained: 0.9975,
      budget_remaining: 0.75, burn: [{ window_seconds: 3_600, rate: 0.2 }, { window_seconds: 21_600, rate: 0.4 }], alert: "none" },
    { name: "Steps are valid", objective: "svr", target: 0.95, window_seconds: 604_800, good: 960, total: 1_000, attained: 0.96,
      budget_remaining: 0.2, burn: [{ window_seconds: 3_600, rate: 15.1 }], alert: "fast" },
    { name: "Answers within a minute", objective: "latency", target: 0.9, window_seconds: 86_400, good: 80, total: 100, attained: 0.8,
      budget_remaining: -1, burn: [{ window_seconds: 3_600, rate: 6.2 }], alert: "slow" },
    { name: "Replays succeed", objective: "rsr", target: 0.99, window_seconds: 86_400, good: 0, total: 0, attained: null,
      budget_remaining: null, burn: [{ window_seconds: 3_600, rate: null }], alert: "none" },
  ],
};

// What a browser can be set to.
const LOOKS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  contrast: { contrast: "more" },
  forced: { forcedColors: "active" },
  still: { reducedMotion: "reduce" },
};
const LIGHT_AND_DARK = ["light", "dark"];

test("the page fits every width, light and dark, and tells by more than colour", async (t) => {
  const server = await serverWithPast(t);
  const browser = await launch(t);
  const looks = [...[360, 768, 1600].flatMap((width) => LIGHT_AND_DARK.map((look) => [width, look])), [360, "contrast"], [1600, "forced"], [1600, "still"]];
  for (const [width, look] of looks) {
    const page = await openPage(browser, "about:blank", { viewport: { width, height: 900 }, ...LOOKS[look] });
    await page.route("**/api/slos", (route) => route.fulfill({ json: SLOS }));
    await page.goto(`${server.url}/#/metrics?window=7d&by=hour`);
    await settled(page);
    await byId(page, "slo").first().waitFor();
    assert.ok((await overflow(page)) <= 0, `${look} ${width}: wider than the window`);
    assert.deepEqual(await violations(page), [], `${look} ${width}`);
    await screenshot(page, `metrics-${width}-${look}`);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  }
});

test("objectives show their budget in words, and where there is none it is said how to set one", async (t) => {
  const server = await startServer(t);
  const browser = await launch(t);
  const id = await startRun(server.url, "short");
  const page = await openPage(browser, `${server.url}/#/runs/${id}`);
  await ended(page);
  for (const [status, body] of [[404, {}], [200, { slos: [] }]]) {
    await page.unrouteAll();
    await page.route("**/api/slos", (route) => route.fulfill({ status, json: body }));
    await page.goto(`${server.url}/#/`);
    await page.goto(`${server.url}/#/metrics`);
    await byId(page, "slos-none").waitFor();
  }
  await page.unrouteAll();
  await page.route("**/api/slos", (route) => route.fulfill({ json: SLOS }));
  await page.goto(`${server.url}/#/`);
  await page.goto(`${server.url}/#/metrics`);
  await byId(page, "slo").first().waitFor();
  const told = await Promise.all((await byId(page, "slo").all()).map(async (slo) => [await slo.getAttribute("data-light"), await text(slo)]));
  assert.deepEqual(told.map(([light]) => light), ["met", "met", "missed", "no-data"]);
  assert.match(told[0][1], /99\.8 %.*of at least 99 %.*Budget 75 % left/);
  assert.match(told[1][1], /Budget 20 % left\s*burning fast/);
  assert.match(told[2][1], /used up, 100 % over\s*burning slowly/);
  assert.match(told[3][1], /no data.*Budget no data/);
  assert.deepEqual(page.problems, []);
});
