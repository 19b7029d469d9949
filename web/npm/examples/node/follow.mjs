// node follow.mjs <server> <execution id>
import { StreamClient } from "stepcast";

const [url, executionId] = process.argv.slice(2);
const client = new StreamClient({ url, executionId });
for await (const event of client) {
  console.log(event.seq, event.event_type, event.step_id ?? "");
}
console.log(client.view().status);
