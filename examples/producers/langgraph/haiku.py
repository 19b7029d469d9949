"""A graph of two nodes, followed live. It asks no model: every word is here.

usage: haiku.py [SERVER [SECONDS_A_WORD]]   (needs the package `langgraph`)
"""

import sys
import time
from typing import TypedDict

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph

from follow import follow


class Poem(TypedDict):
    subject: str
    plan: str
    text: str


def plan(state: Poem) -> dict:
    return {"plan": f"three lines about {state['subject']}"}


def write(state: Poem) -> dict:
    say, text = get_stream_writer(), f"Old {state['subject']}. A frog jumps in. The sound of water."
    for word in text.split():
        say({"step": "write", "text": word + " "})
        time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0.1)
    return {"text": text}


graph = StateGraph(Poem)
graph.add_node("plan", plan)
graph.add_node("write", write)
graph.add_edge(START, "plan")
graph.add_edge("plan", "write")
graph.add_edge("write", END)

server = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8400"
follow(graph.compile(), {"subject": "pond"}, server, "Haiku")
