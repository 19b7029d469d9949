"""Runs a LangGraph graph and lets others watch it."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parent.parent / "python"))
from stepcast_producer import Producer


def follow(graph, inputs, server, name):
    nodes = [node for node in graph.get_graph().nodes if not node.startswith("__")]
    run = Producer(server, name, steps=nodes, input=inputs, lease_ms=600_000)
    print(run.id, flush=True)
    output = {}
    try:
        for mode, part in graph.stream(inputs, stream_mode=["tasks", "custom", "values"]):
            if mode == "values":
                output = part
            elif mode == "custom":
                run.emit("step_progress", part["step"], kind="token", text=part["text"])
            elif "result" not in part:
                run.emit("step_start", part["name"], kind="langgraph")
            elif part["error"] is None:
                run.emit("step_complete", part["name"], output=dict(part["result"]))
            else:
                run.emit("step_error", part["name"], error=str(part["error"]))
        run.emit("pipeline_complete", output=output)
    except Exception as error:
        run.emit("pipeline_error", reason="failed", error=repr(error))
        raise
    return output
