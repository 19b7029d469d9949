// esbuild follows no `new URL(…, import.meta.url)`: the wasm is imported as a file, and `init` is told where it is.
import { init, StreamClient } from "stepcast";
import headless from "stepcast/headless.wasm";
import { define, init as initMonitor } from "stepcast/monitor";
import monitorWasm from "stepcast/monitor.wasm";

init(new URL(headless, import.meta.url));
initMonitor(new URL(monitorWasm, import.meta.url));
define();

const asked = new URLSearchParams(location.search);
const show = (id, text) => (document.getElementById(id).textContent = text);
const monitor = document.querySelector("streaming-pipeline-monitor");
monitor.addEventListener("ended", (event) => show("said", event.detail.status));
monitor.src = asked.get("src");
monitor.executionId = asked.get("id");

let count = 0;
const client = new StreamClient({ url: asked.get("src"), executionId: asked.get("id"), onEvent: () => show("count", (count += 1)) });
client.start();
