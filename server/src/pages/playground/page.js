// What one writes is asked of /graphql, and what comes back is shown. The last query stands in the page's address.
import { ask, operations } from "/graphql/playground/ask.js";
import { EXAMPLES } from "/graphql/playground/examples.js";

const $ = (id) => document.getElementById(id);
const MOST_ANSWERS = 200;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function write(query, variables) {
  $("query").value = query;
  $("variables").value = variables;
  choose();
}

// Offers the operations of the query where there are several.
function choose() {
  const found = operations($("query").value);
  const chosen = $("operation").value;
  $("operation").replaceChildren(...found.map(({ kind, name }, at) => element("option", { value: at }, `${kind} ${name}`)));
  $("operation").value = found[chosen] ? chosen : 0;
  $("operation").closest("label").hidden = found.length < 2;
  return found[$("operation").value || 0];
}

function show(answer) {
  const answers = $("answers");
  const follows = answers.scrollTop + answers.clientHeight >= answers.scrollHeight - 8;
  const text = typeof answer === "string" ? answer : JSON.stringify(answer, null, 2);
  const failed = typeof answer === "string" || answer.errors || answer.status >= 400;
  answers.append(element("li", {}, element("pre", failed ? { class: "wrong" } : {}, text)));
  while (answers.children.length > MOST_ANSWERS) answers.firstElementChild.remove();
  if (follows) answers.scrollTop = answers.scrollHeight;
}

let running;

async function run() {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  $("answers").replaceChildren();
  let variables;
  try {
    variables = JSON.parse($("variables").value || "{}");
  } catch (error) {
    $("state").textContent = `The variables are no JSON: ${error.message}`;
    $("variables").focus();
    return;
  }
  const query = $("query").value;
  history.replaceState(null, "", `#${new URLSearchParams({ query, variables: $("variables").value })}`);
  const operation = choose();
  $("stop").disabled = false;
  $("state").textContent = operation?.kind === "subscription" ? "Following …" : "Asking …";
  const began = performance.now();
  let count = 0;
  let end = "";
  try {
    await ask({ query, variables, operation, token: $("token").value.trim(), signal: mine.signal }, (answer) => {
      if (running !== mine) return;
      count += 1;
      show(answer);
      if (operation?.kind === "subscription") $("state").textContent = `Following: ${count} so far`;
    });
    end = operation?.kind === "subscription" ? `Complete after ${count}` : `Answered in ${Math.round(performance.now() - began)} ms`;
  } catch (error) {
    end = error.name === "AbortError" ? `Stopped after ${count}` : `Broken off after ${count}: ${error.message}`;
  }
  if (running !== mine) return;
  $("state").textContent = end;
  $("stop").disabled = true;
}

async function types() {
  const answer = await fetch("/api/spec/schema.graphql");
  const blocks = (await answer.text()).trim().split(/\n\n(?=\S)/);
  $("types").replaceChildren(...blocks.map((text) => element("pre", {}, text)));
}

$("example").append(element("option", { value: "" }, "…"), ...EXAMPLES.map(({ name }, at) => element("option", { value: at }, name)));
$("example").addEventListener("change", ({ target }) => {
  const example = EXAMPLES[target.value];
  if (example) write(example.query, JSON.stringify(example.variables, null, 2));
});
$("query").addEventListener("input", choose);
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
$("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run();
  }
});
$("stop").addEventListener("click", () => running?.abort());
$("filter").addEventListener("input", ({ target }) => {
  const wanted = target.value.trim().toLowerCase();
  for (const it of $("types").children) it.hidden = !it.textContent.toLowerCase().includes(wanted);
});

const kept = new URLSearchParams(location.hash.slice(1));
write(kept.get("query") ?? EXAMPLES[0].query, kept.get("variables") ?? JSON.stringify(EXAMPLES[0].variables));
types().catch((error) => {
  $("types").textContent = `The schema could not be read: ${error.message}`;
});
