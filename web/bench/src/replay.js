// The same events for each client, from memory, as fast as the socket takes them: what is measured is the client.
import { once } from "node:events";
import { createServer } from "node:http";

import { WebSocketServer } from "ws";

const PIECE = 64;

// `events` are texts of JSON. The first two speak Stepcast's protocol, the third Centrifugo's.
export async function startReplay(events, id) {
  const frame = (control) => JSON.stringify({ execution_id: id, ...control });
  const hello = frame({ control: "hello", epoch: 1, earliest: 1, last_seq: events.length, heartbeat_ms: 15_000, retry_ms: 1000 });
  const closed = frame({ control: "closed", last_seq: events.length, reason: "complete" });

  const server = createServer(async (request, response) => {
    const plain = request.url.includes("format=message");
    const say = (name, data, seq) => `${plain ? "" : `event: ${name}\n`}data: ${data}\n${seq ? `id: 1.${seq}\n` : ""}\n`;
    response.writeHead(200, { "content-type": "text/event-stream", "access-control-allow-origin": "*" });
    if (!plain) response.write(say("control", hello));
    for (let at = 0; at < events.length; at += PIECE) {
      const piece = events.slice(at, at + PIECE).map((event, place) => say("step_progress", event, at + place + 1));
      if (!response.write(piece.join(""))) await once(response, "drain");
      if (response.destroyed) return;
    }
    if (!plain) response.write(say("control", closed));
    if (!plain) response.end();
  });

  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  const flush = async (socket) => {
    while (socket.bufferedAmount > 1 << 20) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  sockets.on("connection", async (socket, request) => {
    if (request.url.startsWith("/connection")) return centrifugo(socket);
    socket.send(hello);
    for (const [at, event] of events.entries()) {
      socket.send(event);
      if (at % PIECE === 0) await flush(socket);
    }
    socket.send(closed);
  });
  function centrifugo(socket) {
    socket.on("message", async (text) => {
      for (const command of String(text).split("\n").filter(Boolean).map((line) => JSON.parse(line))) {
        if (command.connect) socket.send(JSON.stringify({ id: command.id, connect: { client: "one", version: "6", ping: 25, pong: true } }));
        if (!command.subscribe) continue;
        socket.send(JSON.stringify({ id: command.id, subscribe: {} }));
        for (let at = 0; at < events.length; at += PIECE) {
          // as Centrifugo does, several messages in a frame, a line each
          socket.send(events.slice(at, at + PIECE).map((event) => `{"push":{"channel":"run","pub":{"data":${event}}}}`).join("\n"));
          await flush(socket);
        }
      }
    });
  }
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  return {
    url: `http://127.0.0.1:${port}`,
    centrifugo: `ws://127.0.0.1:${port}/connection/websocket`,
    stop() {
      sockets.close();
      server.closeAllConnections();
      server.close();
    },
  };
}
