"""Follows a run with the package `websockets`; prints each frame as it came.

usage: websocket.py URL LIMIT   (the connection is dropped after LIMIT events; 0 for none)
"""

import asyncio
import json
import sys

import websockets


async def follow(url: str, limit: int) -> None:
    events = 0
    async with websockets.connect(url) as socket:
        async for frame in socket:
            print(frame, flush=True)
            if "event_type" in json.loads(frame):
                events += 1
            if limit and events == limit:
                socket.transport.abort()
                return
        print(json.dumps({"close": socket.close_code}), flush=True)


asyncio.run(follow(sys.argv[1], int(sys.argv[2])))
