"""Counts words, and lets others watch.

usage: count.py [SERVER]
"""

import collections
import sys
import time

from stepcast_producer import Producer

TEXT = "the sea is calm the night is fair the moon upon the straits"

run = Producer(
    sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8400",
    "Count words",
    steps=["read", "count"],
    paths=[{"from": "read", "to": "count"}],
    input={"text": TEXT},
)
print(run.id, flush=True)

run.emit("step_start", "read")
words = []
for word in TEXT.split():
    words.append(word)
    run.emit("step_progress", "read", kind="token", text=word + " ")
    time.sleep(0.05)
run.emit("step_complete", "read", output={"words": len(words)}, next=["count"])

run.emit("step_start", "count")
most = dict(collections.Counter(words).most_common(3))
run.emit("step_complete", "count", output=most)
run.emit("pipeline_complete", output=most)
