"""Writes and reads CloudEvents with their own SDK: `write URL ID`, `read URL ID`, `follow URL ID [AFTER]`."""

import json
import sys
from datetime import datetime, timezone

import httpx
import httpx_sse
from cloudevents.core.bindings.http import HTTPMessage, from_http_event, to_binary_event, to_structured_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def event(number, kind, data, **more):
    attributes = {
        "id": f"e{number}",
        "source": "https://shop.example/till",
        "type": kind,
        "time": datetime(2026, 1, 1, 0, 0, number, tzinfo=timezone.utc),
        "traceparent": TRACE,
        **more,
    }
    return CloudEvent(attributes, data)


def write(url, execution):
    ours = "dev.stepcast.{}.v1".format
    one = to_structured_event(event(1, ours("step_start"), {"name": "Till"}, subject="till"))
    two = to_binary_event(
        event(2, ours("step_progress"), {"progress": 0.5, "message": "hälf"}, subject="till", datacontenttype="application/json")
    )
    rest = [
        event(3, "com.example.Order-Created", {"order": 7}, subject="order 7"),
        event(4, ours("step_complete"), {"output": {"sold": 3}}, subject="till"),
        event(5, ours("pipeline_complete"), {"output": {"sold": 3}}),
    ]
    batch = b"[" + b",".join(JSONFormat().write(it) for it in rest) + b"]"
    messages = [one, two, HTTPMessage({"content-type": "application/cloudevents-batch+json"}, batch)]
    for number, message in enumerate(messages):
        headers = {"producer-id": "till", "producer-epoch": "1", "producer-seq": str(number), **message.headers}
        for expected in (200, 204):
            # sent twice, taken once
            answer = httpx.post(f"{url}/api/executions/{execution}/events", headers=headers, content=message.body)
            assert answer.status_code == expected, answer.text


def told(event):
    attributes = dict(event.get_attributes())
    attributes["time"] = attributes["time"].isoformat() if attributes.get("time") else None
    print(json.dumps({**attributes, "data": event.get_data()}), flush=True)


def read(url, execution):
    after = "earliest"
    while True:
        answer = httpx.get(
            f"{url}/api/executions/{execution}/events",
            params={"after": after, "limit": 2},
            headers={"accept": "application/cloudevents-batch+json"},
        )
        answer.raise_for_status()
        assert answer.headers["content-type"] == "application/cloudevents-batch+json"
        for one in answer.json():
            body = json.dumps(one).encode()
            told(from_http_event(HTTPMessage({"content-type": "application/cloudevents+json"}, body)))
        after = answer.headers["stream-next-offset"]
        if answer.headers.get("stream-closed") == "true":
            return


def follow(url, execution, after="earliest"):
    with httpx.Client(timeout=30) as client:
        parameters = {"format": "cloudevents", "after": after}
        with httpx_sse.connect_sse(client, "GET", f"{url}/stream/pipeline/{execution}", params=parameters) as source:
            for sse in source.iter_sse():
                if sse.event != "control":
                    one = from_http_event(HTTPMessage({"content-type": "application/cloudevents+json"}, sse.data.encode()))
                    assert sse.id == one.get_id()
                    told(one)


{"write": write, "read": read, "follow": follow}[sys.argv[1]](*sys.argv[2:])
