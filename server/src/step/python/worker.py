"""Runs step classes for the server, one request after another.

A request is a line of JSON on standard input, an answer some lines on what was standard output when the process
began. Before any other code runs, that descriptor is put out of reach: what is printed, by Python or by a library in
C, goes to standard error, which the server shows as log lines.
"""

import asyncio
import importlib
import importlib.machinery
import inspect
import json
import logging
import os
import select
import signal
import sys
import threading
import traceback
import types


def main():
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    os.dup2(2, 1)
    sys.stdout = sys.stderr = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace", buffering=1)
    requests = os.fdopen(os.dup(0), "rb")
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    settings = json.loads(requests.readline())
    watch(requests)
    limit(settings["max_memory_bytes"])
    # nothing is written into the folders of pipelines
    sys.dont_write_bytecode = True
    # the pipeline's own folder first, then what the operator named; never the server's own folder
    sys.path[:0] = settings["path"]
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    wire = Wire(answers)
    modules(wire)
    wire.say({"ready": True})
    for request in requests:
        Call(wire, json.loads(request)).run()


def limit(memory):
    """Bounds the address space: a step that wants more gets a MemoryError."""
    if not memory:
        return
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    except (ImportError, OSError, ValueError):
        pass


def watch(requests):
    """Ends this process, and all that it has started, once the server is gone: whatever a step is at."""
    if not hasattr(select, "poll"):
        return

    def wait():
        ends = select.poll()
        # asks for nothing: what is told unasked is that nobody holds the other end any more
        ends.register(requests.fileno(), 0)
        ends.poll()
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


class Wire:
    """Lines to the server; steps may speak from several threads."""

    def __init__(self, answers):
        self.answers = answers
        self.lock = threading.Lock()
        self.execution_id = None
        self.step_id = None
        self.open = False

    def say(self, line, closing=False):
        self.write(written(line), closing)

    def write(self, text, closing=False):
        with self.lock:
            self.answers.write(text + "\n")
            self.answers.flush()
            if closing:
                self.open = False

    def speak(self, line):
        """What a step says. After its end nobody listens."""
        if self.open:
            self.say(line)


class Call:
    """One execution of a step."""

    def __init__(self, wire, request):
        self.wire = wire
        self.request = request

    def run(self):
        wire, request = self.wire, self.request
        wire.execution_id, wire.step_id, wire.open = request["execution_id"], request["step_id"], True
        trace = request.get("trace") or {}
        for name in ("traceparent", "tracestate"):
            # as a program's environment says it; that of the step before is gone
            os.environ.pop(name.upper(), None)
            os.environ.update({name.upper(): trace[name]} if trace.get(name) else {})
        try:
            last = written({"result": self.result()})
        except BaseException as error:  # a step that calls sys.exit() fails like any other
            last = written({"failed": failure(error)})
        self.finish(last)

    def finish(self, last):
        sys.stderr.flush()
        # what was printed before stands before this mark
        os.write(2, ("\n" + self.request["mark"] + "\n").encode())
        self.wire.write(last, closing=True)

    def result(self):
        request = self.request
        made = getattr(importlib.import_module(request["module"]), request["class"])
        step = make(made, request)
        extend(step, self.wire)
        ran = step.run(request["data"])
        if inspect.isasyncgen(ran):
            return asyncio.run(all_of(ran, self.wire))
        if inspect.isawaitable(ran):
            return asyncio.run(awaited(ran))
        return ran


def make(made, request):
    """A step as IA Modules makes it, `Class(name, config)`; or as plain as the class has it."""
    if not inspect.isclass(made):
        raise TypeError(f"{request['module']}.{request['class']} is no class")
    name, config = request["step_id"], request["config"]
    try:
        parameters = inspect.signature(made).parameters.values()
    except (TypeError, ValueError):
        return made()
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind == p.VAR_POSITIONAL for p in parameters) or len(positional) >= 2:
        return made(name, config)
    if [p.name for p in positional] == ["config"]:
        return made(config)
    if len(positional) == 1 and positional[0].default is inspect.Parameter.empty:
        return made(name)
    return made()


def extend(step, wire):
    """Gives a step the ways to speak that the streaming plan names, where it has none of its own."""
    context = StreamingContext(wire.execution_id, wire)
    for name, value in {
        "streaming_context": context,
        "emit_progress": context.emit_progress,
        "emit_token": context.emit_token,
        "emit_log": context.emit_log,
        "emit_output": context.emit_output,
        "emit_artifact": context.emit_artifact,
        "emit_custom": context.emit_custom,
    }.items():
        if getattr(step, name, None) is None:
            try:
                setattr(step, name, value)
            except (AttributeError, TypeError):
                pass  # a class with slots speaks by `import stepcast`


async def awaited(ran):
    return await ran


async def all_of(ran, wire):
    """A step that yields: texts are tokens, anything else is output, the last of which is the result."""
    result = {}
    async for piece in ran:
        if isinstance(piece, str):
            wire.speak({"token": piece})
        else:
            result = piece
            wire.speak({"output": piece})
    return result


class Said:
    """Spoken already; may be awaited, and need not."""

    def __await__(self):
        return iter(())


class StreamingContext:
    """What a step says to those who watch."""

    def __init__(self, execution_id=None, wire=None):
        self.wire = wire or Current.wire
        self.execution_id = execution_id or self.wire.execution_id

    def emit_progress(self, progress, message=None):
        line = {"progress": float(progress)}
        if message is not None:
            line["message"] = str(message)
        self.wire.speak(line)
        return Said()

    def emit_token(self, text):
        self.wire.speak({"token": str(text)})
        return Said()

    def emit_log(self, message, level="info"):
        self.wire.speak({"log": {"level": level, "message": str(message)}})
        return Said()

    def emit_output(self, output):
        self.wire.speak({"output": output})
        return Said()

    def emit_artifact(self, path, name=None, media_type=None):
        given = {"path": str(path), "name": name, "media_type": media_type}
        self.wire.speak({"artifact": {key: value for key, value in given.items() if value is not None}})
        return Said()

    def emit_custom(self, **data):
        self.wire.speak({"custom": data})
        return Said()

    def emit(self, event):
        """Takes a `StreamEvent`, or a dictionary of that shape."""
        kind = getattr(event, "event_type", None) or (event.get("event_type") if isinstance(event, dict) else None)
        data = getattr(event, "data", None) if not isinstance(event, dict) else event.get("data")
        data = data if isinstance(data, dict) else {}
        if kind == "step_progress" and data.get("kind") == "token":
            return self.emit_token(data.get("text", ""))
        if kind == "step_progress" and isinstance(data.get("progress"), (int, float)):
            return self.emit_progress(data["progress"], data.get("message"))
        if kind == "step_output":
            return self.emit_output(data.get("output", data))
        return self.emit_custom(**{**data, "event_type": str(kind)})


class StreamEvent:
    """An event as the streaming plan has it; the server gives it its place and its time."""

    def __init__(self, event_type, execution_id=None, step_id=None, timestamp=None, data=None, metadata=None):
        self.event_type = event_type
        self.execution_id = execution_id
        self.step_id = step_id
        self.timestamp = timestamp
        self.data = data or {}
        self.metadata = metadata


class Current:
    """The one wire of this process."""

    wire = None


def modules(wire):
    """`import stepcast`, and `ia_modules.pipeline.streaming` as the plan names it."""
    Current.wire = wire
    context = StreamingContext(wire=wire)
    stepcast = types.ModuleType("stepcast", "Speaks to those who watch the run.")
    stepcast.StreamingContext, stepcast.StreamEvent = StreamingContext, StreamEvent
    for name in ("emit_progress", "emit_token", "emit_log", "emit_output", "emit_artifact", "emit_custom"):
        setattr(stepcast, name, getattr(context, name))
    sys.modules["stepcast"] = stepcast
    streaming = types.ModuleType("ia_modules.pipeline.streaming", "The streaming of the server that runs this step.")
    streaming.StreamingContext, streaming.StreamEvent = StreamingContext, StreamEvent
    sys.modules["ia_modules.pipeline.streaming"] = streaming
    sys.meta_path.append(StandIn())


class StandIn:
    """`ia_modules.pipeline.core.Step` where the package is not installed: asked last, when nobody else has it."""

    NAMES = ("ia_modules", "ia_modules.pipeline", "ia_modules.pipeline.core")

    def find_spec(self, name, path=None, target=None):
        if name in self.NAMES:
            return importlib.machinery.ModuleSpec(name, self, is_package=name != self.NAMES[-1])
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        if module.__name__ == self.NAMES[-1]:
            module.Step = Step


class Step:
    """What a step class of IA Modules can rely on."""

    def __init__(self, name, config):
        self.name = name
        self.config = config
        self.logger = logging.getLogger(f"Step.{name}")
        self.services = None

    async def run(self, data):
        raise NotImplementedError(f"{type(self).__name__} has no run()")


def failure(error):
    """What went wrong, in the server's words; IA Modules' own errors name their category."""
    category = getattr(getattr(error, "category", None), "value", None)
    if not isinstance(category, str):
        category = next((name for kinds, name in CATEGORIES if isinstance(error, kinds)), "logic")
    named = traceback.format_exception_only(type(error), error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != "<string>"]
    where = "".join(traceback.format_list(own[-8:]))
    return {"category": category, "message": named, "traceback": where}


CATEGORIES = (
    (TimeoutError, "timeout"),
    (asyncio.TimeoutError, "timeout"),
    (MemoryError, "resource"),
    (ConnectionError, "network"),
    (ImportError, "configuration"),
    (NotImplementedError, "configuration"),
    ((FileNotFoundError, PermissionError), "resource"),
)


def written(line):
    return json.dumps(line, default=plain, ensure_ascii=False, allow_nan=False)


def plain(value):
    """Values that JSON does not know, in the form nearest to what they mean."""
    for name in ("model_dump", "to_dict", "_asdict", "isoformat", "tolist"):
        method = getattr(value, name, None)
        if callable(method):
            return method()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if hasattr(value, "__dict__") and not isinstance(value, type):
        return vars(value)
    return str(value)


if __name__ == "__main__":
    main()
