// Imports rows, and lets others watch.
//
// usage: node import.js [SERVER]

import { Producer } from "./producer.js";

declare const process: { argv: string[] };

const run = await Producer.create(process.argv[2] ?? "http://127.0.0.1:8400", "Import rows", {
  steps: [{ id: "load", name: "Load rows", kind: "sql" }],
  input: { rows: 10 },
});
console.log(run.id);

await run.emit("step_start", "load");
for (let row = 1; row <= 10; row += 1) {
  await run.emit("step_progress", "load", { progress: row / 10, message: `row ${row}` });
}
await run.emit("step_complete", "load", { output: { rows: 10 } });
await run.emit("pipeline_complete", null, { output: { rows: 10 } });
