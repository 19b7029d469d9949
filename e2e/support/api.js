// The HTTP API, as a client of it would write it.

import assert from "node:assert/strict";

export async function json(url, options = {}) {
  const response = await fetch(url, options);
  const body = await response.text();
  assert.ok(response.ok, `${options.method ?? "GET"} ${url}: ${response.status} ${body}`);
  return JSON.parse(body);
}

// Starts a run of a stored pipeline, or of a definition, and gives its id.
export async function startRun(url, pipeline, input = {}) {
  const what = typeof pipeline === "string" ? { pipeline } : { definition: pipeline };
  const created = await json(`${url}/api/executions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...what, input }),
  });
  assert.equal(typeof created.execution_id, "string");
  return created.execution_id;
}

// Repeats a question until the answer is one to keep.
export async function until(what, ask, seconds = 30) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) {
      return answer;
    }
    assert.ok(Date.now() < deadline, `waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
