// Shows the documents under /api/spec/: nothing of the API is written down here.
import { schema, words } from "/api/docs/schema.js";

const $ = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

async function load(file) {
  const answer = await fetch(`/api/spec/${file}`);
  if (!answer.ok) throw new Error(`/api/spec/${file}: ${answer.status}`);
  return answer.json();
}

const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-");

// A section, and its entry in the list of sections.
function section(title, about) {
  const id = slug(title);
  $("nav").append(element("a", { href: `#${id}` }, title));
  const made = element("section", { id, "aria-labelledby": `${id}-title` }, element("h2", { id: `${id}-title` }, title));
  if (about) made.append(element("p", {}, ...words(about)));
  $("main").append(made);
  return made;
}

// What can be opened; filled when it is.
function entry({ id, method, kind, address, summary, text, fill }) {
  const made = element("details", { class: "operation", id, "data-text": text.toLowerCase() });
  made.append(
    element("summary", {}, element("span", { class: `method ${kind}` }, method), element("code", {}, address), element("span", { class: "summary" }, summary ?? "")),
  );
  made.addEventListener("toggle", () => {
    if (made.open && !made.querySelector(".body")) {
      const body = element("div", { class: "body" });
      fill(body);
      made.append(body);
    }
  });
  return made;
}

function heading(text) {
  return element("h3", {}, text);
}

function parameters(body, list, documents) {
  if (!list?.length) return;
  body.append(heading("Parameters"));
  const items = element("ul", { class: "members" });
  for (const it of list) {
    const item = element("li", {}, element("code", {}, it.name), element("span", { class: "type" }, ` in ${it.in}`));
    if (it.required) item.append(element("span", { class: "needed" }, " required"));
    if (it.description) item.append(element("span", { class: "note" }, ...words(it.description)));
    item.append(schema(it.schema ?? {}, documents));
    items.append(item);
  }
  body.append(items);
}

function contents(body, content, documents) {
  for (const [type, it] of Object.entries(content ?? {})) {
    const named = it.schema?.$ref;
    const title = element("h4", {}, element("code", {}, type));
    if (named) title.append(` ${named.split("/").at(-1)}`);
    body.append(title, schema((named ? resolve(named, documents) : it.schema) ?? {}, documents));
  }
}

// A value that could stand there, to begin with.
function sample(it, root, depth = 0) {
  if (it?.$ref) return depth > 3 ? null : sample(resolve(it.$ref, root), root, depth + 1);
  if (it?.examples?.length) return it.examples[0];
  if (it?.const !== undefined) return it.const;
  if (it?.enum?.length) return it.enum[0];
  if (it?.default !== undefined && it.default !== null) return it.default;
  const way = (it?.oneOf ?? it?.anyOf)?.[0];
  if (way && !it.properties) return sample(way, root, depth + 1);
  const type = Array.isArray(it?.type) ? it.type[0] : it?.type;
  if (type === "object" || it?.properties) {
    const wanted = (it.required ?? []).map((name) => [name, sample(it.properties?.[name], root, depth + 1)]);
    return Object.fromEntries(wanted);
  }
  return { string: "…", integer: it?.minimum ?? 1, number: it?.minimum ?? 1, boolean: true, array: [] }[type] ?? null;
}

const resolve = (reference, root) => reference.replace(/^#\//, "").split("/").reduce((it, name) => it?.[name], root);

function curl(method, path, operation, root) {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name) => (name.endsWith("id") && name !== "wait_id" ? "exec_123" : name.toUpperCase()));
  const parts = [`curl${method === "GET" ? "" : ` -X ${method}`} '${location.origin}${filled}'`];
  if (operation.security) parts.push('-H "Authorization: Bearer $TOKEN"');
  const [type, body] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  if (type === "application/json") {
    const value = operation.operationId === "startExecution" ? { pipeline: "hello" } : sample(body.schema, root);
    parts.push(`--json '${JSON.stringify(value).replaceAll("'", "'\\''")}'`);
  } else if (type) {
    parts.push(`-H 'Content-Type: ${type === "*/*" ? "image/png" : type}' --data-binary @FILE`);
  }
  if (operation.responses?.[200]?.content?.["text/event-stream"]) parts.splice(1, 0, "-N");
  return parts.join(" \\\n  ");
}

function example(body, text) {
  const copy = element("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Select it, and copy";
    }
  });
  body.append(heading("With curl"), element("pre", { tabindex: "0" }, element("code", {}, text)), copy);
}

function operation(method, path, it, root) {
  const upper = method.toUpperCase();
  const statuses = Object.keys(it.responses ?? {}).join(" ");
  return entry({
    id: it.operationId,
    method: path.startsWith("/ws/") ? "WS" : upper,
    kind: path.startsWith("/ws/") ? "say" : method,
    address: path,
    summary: it.summary,
    text: `${upper} ${path} ${it.operationId} ${it.summary} ${it.description ?? ""} ${statuses}`,
    fill(body) {
      if (it.description) body.append(element("p", {}, ...words(it.description)));
      const ways = (it.security ?? []).flatMap((way) => Object.keys(way));
      const asks = ways.length ? `On a server with accounts: ${ways.join(", or ")}.` : "For everybody.";
      body.append(element("p", { class: "type" }, asks));
      parameters(body, it.parameters, root);
      if (it.requestBody) {
        body.append(heading("Body"));
        contents(body, it.requestBody.content, root);
      }
      body.append(heading("Answers"));
      const list = element("ul", { class: "members" });
      for (const [status, answer] of Object.entries(it.responses ?? {})) {
        const item = element("li", {}, element("span", { class: "status" }, status), " ", ...words(answer.description));
        // a problem document is the same everywhere
        const own = Object.entries(answer.content ?? {}).filter(([type]) => type !== "application/problem+json");
        contents(item, Object.fromEntries(own), root);
        list.append(item);
      }
      body.append(list);
      if (!path.startsWith("/ws/")) example(body, curl(upper, path, it, root));
    },
  });
}

function operations(root) {
  $("version").textContent = root.info.version;
  $("about").append(...words(root.info.description));
  for (const { name, description } of root.tags) {
    const made = section(name, description);
    for (const [path, item] of Object.entries(root.paths)) {
      for (const [method, it] of Object.entries(item)) {
        if (it.tags?.includes(name)) made.append(operation(method, path, it, root));
      }
    }
  }
}

function channels(root, frames) {
  const made = section("What travels on streams", root.info.description);
  for (const [id, it] of Object.entries(root.channels)) {
    made.append(
      entry({
        id: `channel-${id}`,
        method: it.address.startsWith("/ws/") ? "WS" : "SSE",
        kind: "say",
        address: it.address,
        summary: it.title,
        text: `${it.address} ${it.title} ${Object.keys(it.messages).join(" ")}`,
        fill(body) {
          body.append(element("p", {}, ...words(it.description)));
          for (const does of Object.values(root.operations)) {
            if (does.channel.$ref !== `#/channels/${id}`) continue;
            body.append(heading(does.action === "send" ? "The server says" : "A client says"));
            const list = element("ul", { class: "members" });
            for (const { $ref } of does.messages) {
              const message = root.components.messages[$ref.split("/").at(-1)];
              const payload = message.payload.$ref ? { $ref: message.payload.$ref.split("json").at(-1) } : message.payload;
              list.append(element("li", {}, element("code", {}, message.name), " ", ...words(message.summary ?? ""), schema(payload, frames)));
            }
            body.append(list);
          }
        },
      }),
    );
  }
}

function shapes(root) {
  const made = section("Events and frames", root.description);
  for (const [name, it] of Object.entries(root.$defs)) {
    if (!/(Event|Control|Action)$/.test(name) || !it.properties) continue;
    made.append(
      entry({
        id: `frame-${name}`,
        method: name.match(/(Event|Control|Action)$/)[1].toUpperCase().slice(0, 7),
        kind: "say",
        address: it.properties.event_type?.const ?? it.properties.control?.const ?? it.properties.action?.const ?? name,
        summary: it.description,
        text: `${name} ${JSON.stringify(it)}`,
        fill: (body) => body.append(schema(it, root)),
      }),
    );
  }
}

function filter() {
  const wanted = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const made of document.querySelectorAll("details.operation")) {
    made.hidden = !wanted.every((word) => made.dataset.text.includes(word));
    shown += made.hidden ? 0 : 1;
  }
  for (const made of document.querySelectorAll("main > section")) {
    made.hidden = !made.querySelector("details.operation:not([hidden])");
  }
  $("found").textContent = wanted.length ? `${shown} found` : "";
}

// Opens what the address names.
function open() {
  const named = location.hash && $(decodeURIComponent(location.hash.slice(1)));
  if (named?.tagName === "DETAILS") named.open = true;
  named?.scrollIntoView?.();
}

try {
  const [api, streams, frames] = await Promise.all([load("openapi.json"), load("asyncapi.json"), load("events.schema.json")]);
  operations(api);
  channels(streams, frames);
  shapes(frames);
  $("filter").addEventListener("input", filter);
  addEventListener("hashchange", open);
  open();
  document.documentElement.dataset.ready = "true";
} catch (error) {
  $("main").append(element("p", { class: "wrong", role: "alert" }, `The documents cannot be read: ${error.message}`));
}
