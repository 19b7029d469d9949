// What both Node servers share: the events, and the control connection that asks for them.
'use strict';
const net = require('net');

const [bytes, kind] = [Number(process.argv[2]), process.argv[3]];
const emitted = new Map();

function event(run, n, text) {
  const at = Math.round((performance.timeOrigin + performance.now()) * 1000);
  return {
    event_type: 'step_progress', execution_id: run, step_id: 'answer', seq: n,
    timestamp: '2026-01-01T00:00:00.000Z', data: { kind, n, at, text },
  };
}

const text = 'x'.repeat(Math.max(0, bytes - JSON.stringify(event('run-100', 10000, '')).length));

// Calls `emit(run, event)` for each event that is asked for, and says where both can be reached.
exports.obey = function (server, emit) {
  const control = net.createServer((socket) => {
    let rest = '';
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      const lines = (rest + data).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        const [word, stream, count] = line.split(' ');
        if (word !== 'emit') {
          socket.write('null\n');
          continue;
        }
        const run = `run-${stream}`;
        for (let left = Number(count); left > 0; left--) {
          const n = (emitted.get(run) || 0) + 1;
          emitted.set(run, n);
          emit(run, event(run, n, text));
        }
      }
    });
  });
  const at = (it) => `127.0.0.1:${it.address().port}`;
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => {
    control.listen(0, '127.0.0.1', () => {
      console.log(JSON.stringify({ http: at(server), control: at(control), cursor_prefix: '' }));
    });
  });
  process.stdin.on('end', () => process.exit(0)).resume();
};
