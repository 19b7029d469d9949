// What a program in TypeScript sees: checked by `tsc`, never run.
import { StreamClient, StreamError, StreamRefusedError, type RunView, type StreamEvent } from "stepcast";
import { define, StreamingPipelineMonitor } from "stepcast/monitor";

define();

const client = new StreamClient({
  executionId: "hello-1",
  transports: ["websocket", "sse"],
  onState(state) {
    if (state.kind === "waiting") console.log(state.delay_ms.toFixed(), state.reason satisfies "broken" | string);
    // @ts-expect-error only a wait has a delay
    if (state.kind === "live") console.log(state.delay_ms);
  },
});

const seen: StreamEvent[] = [];
try {
  for await (const event of client) seen.push(event);
} catch (error) {
  if (error instanceof StreamRefusedError) console.log(error.status.toFixed());
  else if (error instanceof StreamError) console.log(error.code satisfies "options" | "load" | "refused" | "cancel");
}
const view: RunView | undefined = client.view();
const texts: string[] | undefined = view?.steps.map((step) => step.text);
const unsubscribe: () => void = client.subscribe(() => console.log(texts));
unsubscribe();
for await (const snapshot of client.views()) console.log(snapshot.progress.toFixed(2));

const monitor: StreamingPipelineMonitor = document.createElement("streaming-pipeline-monitor");
monitor.executionId = "hello-1";
monitor.token = "secret";
monitor.addEventListener("ended", (event) => console.log(event.detail.status, event.detail.percent.toFixed()));
monitor.addEventListener("error", (event) => console.log(event.detail.code, event.detail.status));
// @ts-expect-error there is no such option
new StreamClient({ executionId: "hello-1", transport: "sse" });
