// Asks a server one operation: GraphQL over HTTP, and for a subscription graphql-sse in its distinct connections mode.

// The operations of a document: `[{ kind, name }]`. What stands in comments, strings and braces is none.
export function operations(document) {
  const plain = document.replace(/"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*/g, " ");
  const found = [];
  let depth = 0;
  let headed = false;
  for (const [word] of plain.matchAll(/[{}]|\b(?:query|mutation|subscription|fragment)\b[^{}(@]*/g)) {
    if (word === "}") {
      depth = Math.max(0, depth - 1);
    } else if (word === "{") {
      // braces without a head are a query
      if (depth === 0 && !headed) found.push({ kind: "query", name: "" });
      headed = false;
      depth += 1;
    } else if (depth === 0) {
      const [kind, name = ""] = word.trim().split(/\s+/);
      if (kind !== "fragment") found.push({ kind, name });
      headed = true;
    }
  }
  return found;
}

// Calls `told` with each answer, until the last one or until `signal`.
export async function ask({ query, variables, operation, token, signal }, told) {
  const isFollowing = operation?.kind === "subscription";
  const headers = {
    "content-type": "application/json",
    accept: isFollowing ? "text/event-stream" : "application/graphql-response+json, application/problem+json",
  };
  if (token) headers.authorization = `Bearer ${token}`;
  const body = JSON.stringify({ query, variables, operationName: operation?.name || undefined });
  const answer = await fetch("/graphql", { method: "POST", headers, body, signal });
  if (!answer.headers.get("content-type")?.startsWith("text/event-stream")) {
    told(read(await answer.text()) || `${answer.status} ${answer.statusText}`);
    return;
  }
  let rest = "";
  for await (const piece of pieces(answer.body.pipeThrough(new TextDecoderStream()))) {
    const frames = (rest + piece).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const lines = frame.split("\n");
      const data = lines.filter((it) => it.startsWith("data:")).map((it) => it.slice(5).trimStart()).join("\n");
      if (lines.includes("event: next") && data) told(JSON.parse(data));
    }
  }
}

// JSON where it is that, else the text.
function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function* pieces(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}
