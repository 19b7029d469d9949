"""The stack of the streaming plan: FastAPI on uvicorn, sse-starlette and websockets, a queue for each follower."""

import asyncio
import json
import os
import socket
import sys
import threading
import time

import uvicorn
from fastapi import FastAPI, WebSocket
from sse_starlette.sse import EventSourceResponse

SIZE, KIND = int(sys.argv[1]), sys.argv[2]
# what a follower may lag behind before events are dropped
CAPACITY = 1000

app = FastAPI()
followers: dict[str, set[asyncio.Queue]] = {}
emitted: dict[str, int] = {}


def event(run: str, n: int, text: str) -> str:
    data = {"kind": KIND, "n": n, "at": time.time_ns() // 1000, "text": text}
    whole = {
        "event_type": "step_progress",
        "execution_id": run,
        "step_id": "answer",
        "seq": n,
        "timestamp": "2026-01-01T00:00:00.000Z",
        "data": data,
    }
    return json.dumps(whole, separators=(",", ":"))


TEXT = "x" * max(0, SIZE - len(event("run-100", 10_000, "")))


def emit(run: str) -> None:
    n = emitted[run] = emitted.get(run, 0) + 1
    text = event(run, n, TEXT)
    for queue in followers.get(run, ()):
        try:
            queue.put_nowait(text)
        except asyncio.QueueFull:
            pass


@app.get("/stream/{run}")
async def stream(run: str) -> EventSourceResponse:
    queue: asyncio.Queue = asyncio.Queue(CAPACITY)
    followers.setdefault(run, set()).add(queue)

    async def events():
        try:
            yield {"event": "control", "data": "hello"}
            while True:
                yield {"event": "step_progress", "data": await queue.get()}
        finally:
            followers[run].discard(queue)

    return EventSourceResponse(events())


@app.websocket("/ws/{run}")
async def follow(websocket: WebSocket, run: str) -> None:
    queue: asyncio.Queue = asyncio.Queue(CAPACITY)
    followers.setdefault(run, set()).add(queue)
    try:
        await websocket.accept()
        await websocket.send_text("hello")
        while True:
            await websocket.send_text(await queue.get())
    except Exception:
        # the follower has gone
        pass
    finally:
        followers[run].discard(queue)


async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        words = line.split()
        if words[0] != b"emit":
            writer.write(b"null\n")
            continue
        for _ in range(int(words[2])):
            emit(f"run-{int(words[1])}")


def end_with_the_parent() -> None:
    sys.stdin.read()
    os._exit(0)


async def main() -> None:
    threading.Thread(target=end_with_the_parent, daemon=True).start()
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(app, log_level="critical", access_log=False, ws="websockets", ws_per_message_deflate=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    control = await asyncio.start_server(obey, "127.0.0.1", 0)
    at = [f"127.0.0.1:{it.getsockname()[1]}" for it in (listener, control.sockets[0])]
    print(json.dumps({"http": at[0], "control": at[1], "cursor_prefix": ""}), flush=True)
    await serving


asyncio.run(main())
