import { StreamClient } from "stepcast";
import { define } from "stepcast/monitor";

define();

const asked = new URLSearchParams(location.search);
const show = (id, text) => (document.getElementById(id).textContent = text);
const monitor = document.querySelector("streaming-pipeline-monitor");
monitor.addEventListener("ended", (event) => show("said", event.detail.status));
monitor.src = asked.get("src");
monitor.executionId = asked.get("id");

let count = 0;
for await (const event of new StreamClient({ url: asked.get("src"), executionId: asked.get("id") })) {
  show("count", (count += 1));
  console.debug(event.event_type);
}
