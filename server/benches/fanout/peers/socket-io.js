// Socket.IO: one room a run.
'use strict';
const http = require('http');
const { Server } = require('socket.io');
const { obey } = require('./producer.js');

const server = http.createServer();
const io = new Server(server, { transports: ['websocket'], perMessageDeflate: false });
io.on('connection', (socket) => {
  socket.on('join', (run) => {
    socket.join(run);
    socket.emit('joined');
  });
});

obey(server, (run, event) => io.to(run).emit('event', event));
