// Draws a JSON Schema as a list of members; what it refers to opens in its place.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// A text with `code` in it.
export function words(text) {
  return text.split("`").map((part, at) => (at % 2 ? element("code", {}, part) : part)).filter((part) => part !== "");
}

const last = (reference) => reference.split("/").at(-1);

function lookUp(reference, root) {
  return reference.replace(/^#\//, "").split("/").reduce((it, name) => it?.[name], root);
}

// A schema in a few words: its type and its limits.
function brief(it) {
  const parts = [];
  if (it.const !== undefined) parts.push(JSON.stringify(it.const));
  else if (it.enum) parts.push(it.enum.map((one) => JSON.stringify(one)).join(" | "));
  else if (it.$ref) parts.push(last(it.$ref));
  else if (it.type === "array" || it.type?.includes?.("array")) parts.push(`list of ${it.items ? brief(it.items) || "anything" : "anything"}`);
  else if (it.type) parts.push([it.type].flat().join(" | "));
  if (it.format) parts.push(it.format);
  if (it.minimum !== undefined) parts.push(`from ${it.minimum}`);
  if (it.maximum !== undefined) parts.push(`to ${it.maximum}`);
  if (it.minLength !== undefined) parts.push(`at least ${it.minLength} long`);
  if (it.maxLength !== undefined) parts.push(`at most ${it.maxLength} long`);
  if (it.pattern) parts.push(it.pattern);
  if (it.default !== undefined && it.default !== null) parts.push(`default ${JSON.stringify(it.default)}`);
  return parts.join(", ");
}

// What opens in its place; drawn when it does, so that a schema may name itself.
function nested(title, draw) {
  const made = element("details", { class: "nested" }, element("summary", {}, title));
  made.addEventListener("toggle", () => {
    if (made.open && made.childElementCount === 1) made.append(draw());
  });
  return made;
}

function member(name, it, needed, root) {
  const item = element("li", {}, element("code", {}, name), element("span", { class: "type" }, ` ${brief(it)}`));
  if (needed) item.append(element("span", { class: "needed" }, " required"));
  const note = it.description ?? (it.$ref && lookUp(it.$ref, root)?.description);
  if (note) item.append(element("span", { class: "note" }, ...words(note)));
  const inner = deeper(it, root);
  if (inner) item.append(inner);
  return item;
}

// What of a schema is more than a few words; none where there is no more.
function deeper(it, root) {
  if (it.$ref) {
    const found = lookUp(it.$ref, root) ?? {};
    const plain = !found.properties && !found.oneOf && !found.anyOf && !found.allOf && !found.items;
    return plain ? (brief(found) ? element("span", { class: "note type" }, brief(found)) : null) : nested(last(it.$ref), () => schema(found, root));
  }
  if (it.items) return deeper(it.items, root);
  if (it.properties || it.oneOf || it.anyOf || it.allOf) return nested("members", () => schema(it, root));
  return null;
}

export function schema(it, root) {
  if (it.$ref) {
    const made = element("div", {});
    made.append(deeper(it, root) ?? element("span", { class: "type" }, brief(it)));
    return made;
  }
  const made = element("div", {});
  const ways = it.oneOf ?? it.anyOf;
  if (ways?.every((way) => way.const !== undefined)) {
    const list = element("ul", { class: "members" });
    for (const way of ways) list.append(element("li", {}, element("code", {}, String(way.const)), " ", ...words(way.description ?? "")));
    made.append(list);
    return made;
  }
  if (it.properties) {
    const list = element("ul", { class: "members" });
    for (const [name, one] of Object.entries(it.properties)) list.append(member(name, one, it.required?.includes(name), root));
    made.append(list);
  } else if (it.items) {
    made.append(element("span", { class: "type" }, brief(it)), deeper(it.items, root) ?? "");
  } else if (!ways && brief(it)) {
    made.append(element("span", { class: "type" }, brief(it)));
  }
  const useful = ways?.filter((way) => way.$ref || way.properties || way.type || way.oneOf) ?? [];
  if (useful.length) {
    made.append(element("span", { class: "type" }, "one of"));
    const list = element("ul", { class: "members" });
    for (const way of useful) {
      const constants = Object.entries(way.properties ?? {}).find(([, one]) => one.const !== undefined);
      const title = way.$ref ? last(way.$ref) : (constants ? `${constants[0]} ${JSON.stringify(constants[1].const)}` : (way.title ?? brief(way)));
      const note = way.description ?? "";
      const item = element("li", {}, way.$ref || way.properties || way.items ? nested(title, () => schema(way.$ref ? (lookUp(way.$ref, root) ?? {}) : way, root)) : element("span", { class: "type" }, title));
      if (note) item.append(element("span", { class: "note" }, ...words(note)));
      list.append(item);
    }
    made.append(list);
  }
  return made;
}
