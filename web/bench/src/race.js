// One client, one run: from its start to the last event. What each gives is the parsed event.
import { Centrifuge } from "centrifuge";
import { EventSource } from "eventsource";
import { StreamClient } from "stepcast";

const clients = {
  stepcast: ({ url, id, transport, view }, take) =>
    new Promise((resolve, reject) => {
      const client = new StreamClient({
        url,
        executionId: id,
        transports: [transport],
        view,
        onEvent: (event) => take(event) && (client.close(), resolve()),
        onState: (state) => state.kind === "refused" && reject(new Error(JSON.stringify(state))),
      });
      client.start();
    }),
  websocket: ({ url, id }, take) =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${url.replace("http", "ws")}/ws/pipeline/${id}`);
      socket.onmessage = ({ data }) => {
        const frame = JSON.parse(data);
        if (frame.event_type && take(frame)) resolve(socket.close());
      };
    }),
  eventsource: ({ url, id }, take) =>
    new Promise((resolve) => {
      const source = new EventSource(`${url}/stream/pipeline/${id}?format=message`);
      source.onmessage = ({ data }) => take(JSON.parse(data)) && (source.close(), resolve());
    }),
  centrifuge: ({ centrifugo }, take) =>
    new Promise((resolve) => {
      const client = new Centrifuge(centrifugo);
      const subscription = client.newSubscription("run");
      subscription.on("publication", ({ data }) => take(data) && (client.disconnect(), resolve()));
      subscription.subscribe();
      client.connect();
    }),
};

// Gives milliseconds.
window.race = async (name, options, count) => {
  let seen = 0;
  let sum = 0;
  const take = (event) => {
    seen += 1;
    sum += event.seq;
    return seen === count;
  };
  const begun = performance.now();
  await clients[name](options, take);
  const took = performance.now() - begun;
  if (sum !== (count * (count + 1)) / 2) throw new Error(`${name} has not seen each event once`);
  return took;
};
window.ready = true;
