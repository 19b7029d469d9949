import { define } from "/dist/monitor.js";

define();
document.querySelector("main").append(document.createElement("streaming-pipeline-monitor"));
document.documentElement.dataset.ready = "";
