"""Follows a run with the package `httpx-sse`; prints each message as one JSON line.

usage: sse.py URL LIMIT [LAST_EVENT_ID]   (the connection is dropped after LIMIT events; 0 for none)
"""

import json
import sys

import httpx
from httpx_sse import connect_sse


def follow(url: str, limit: int, last_event_id: str | None) -> None:
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    events = 0
    with httpx.Client(timeout=60) as client, connect_sse(client, "GET", url, headers=headers) as source:
        if source.response.status_code == 204:
            print(json.dumps({"status": 204}), flush=True)
            return
        for message in source.iter_sse():
            print(json.dumps({"event": message.event, "id": message.id, "data": message.data}), flush=True)
            if "event_type" in json.loads(message.data):
                events += 1
            if limit and events == limit:
                return


follow(sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
