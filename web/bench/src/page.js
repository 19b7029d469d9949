// A page with one monitor, which notes when it could be used and how long its frames took.
import { define } from "stepcast/monitor";

window.frames = [];
window.tasks = [];
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.tasks.push(duration);
}).observe({ type: "longtask", buffered: true });

let last = performance.now();
requestAnimationFrame(function frame(now) {
  window.frames.push(now - last);
  last = now;
  requestAnimationFrame(frame);
});

define();
const asked = new URLSearchParams(location.search);
const monitor = document.querySelector("streaming-pipeline-monitor");
monitor.addEventListener("statuschange", () => (window.shown ??= performance.now()));
monitor.addEventListener("ended", () => (window.ended = performance.now()));
monitor.src = asked.get("src");
monitor.executionId = asked.get("id");
