// Node alone for server-sent events, and `ws` for WebSockets: a set of responses and a loop over it.
'use strict';
const http = require('http');
const { WebSocketServer } = require('ws');
const { obey } = require('./producer.js');

const followers = new Map();

function follow(run, send, closed) {
  if (!followers.has(run)) followers.set(run, new Set());
  followers.get(run).add(send);
  closed.on('close', () => followers.get(run).delete(send));
}

const server = http.createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.flushHeaders();
  response.socket.setNoDelay(true);
  follow(request.url.slice(1), (json) => response.write(`event: step_progress\ndata: ${json}\n\n`), response);
});

const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on('connection', (socket, request) => follow(request.url.slice(1), (json) => socket.send(json), socket));

obey(server, (run, event) => {
  const json = JSON.stringify(event);
  for (const send of followers.get(run) || []) send(json);
});
