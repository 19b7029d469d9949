// A TCP relay in front of the server: the bad network.

import { once } from "node:events";
import net from "node:net";

// With `loses`, each answer of that many is lost with its connection, though the server has given it.
export async function startRelay(t, targetPort, { loses = 0 } = {}) {
  const pairs = new Set();
  let answers = 0;
  let lost = 0;
  let refusing = false;
  let accepted = 0;
  const relay = net.createServer((near) => {
    if (refusing) {
      near.resetAndDestroy();
      return;
    }
    accepted += 1;
    const far = net.connect(targetPort, "127.0.0.1");
    const pair = [near, far];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) {
      socket.on("error", end);
      socket.on("close", end);
    }
    near.pipe(far);
    if (!loses) {
      far.pipe(near);
      return;
    }
    far.on("data", (data) => {
      answers += 1;
      if (answers % loses === 0) {
        lost += 1;
        near.resetAndDestroy();
        far.destroy();
      } else {
        near.write(data);
      }
    });
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  const cut = () => {
    for (const [near, far] of pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
    pairs.clear();
  };
  t.after(() => {
    cut();
    relay.close();
  });
  return {
    url: `http://127.0.0.1:${relay.address().port}`,
    port: relay.address().port,
    // breaks every connection as a lost network does: no closing words
    cut,
    refuse: (yes) => {
      refusing = yes;
    },
    accepted: () => accepted,
    lost: () => lost,
  };
}
