"""A step written in Python, with nothing but the standard library.

It is given one JSON line on standard input, and answers with JSON lines on standard output:
a log line, tokens that appear as text, progress, and its output at the end.
"""

import json
import re
import sys
import time


def say(**line):
    print(json.dumps(line), flush=True)


def syllables(word):
    groups = re.findall(r"[aeiouy]+", word.lower().removesuffix("e"))
    return max(1, len(groups))


def main():
    given = json.loads(sys.stdin.readline())
    settings = given["config"]["settings"]
    with open(settings["file"], encoding="utf-8") as file:
        text = file.read()
    sentences = [part.strip() for part in re.split(r"(?<=[.!?])\s+", text) if part.strip()]
    say(log={"level": "info", "message": f"{len(sentences)} sentences, attempt {given['attempt']}"})

    words = 0
    spoken = 0
    for number, sentence in enumerate(sentences, start=1):
        found = re.findall(r"[A-Za-z']+", sentence)
        words += len(found)
        spoken += sum(syllables(word) for word in found)
        for part in f"{number}. {len(found)} words: {sentence[:48]}…\n".split(" "):
            say(token=part if part.endswith("\n") else part + " ")
            time.sleep(settings["pause_seconds"])
        say(progress=number / len(sentences), message=f"sentence {number} of {len(sentences)}")

    if not sentences:
        say(error={"category": "validation", "message": "the text holds no sentence"})
        sys.exit(1)
    ease = 206.835 - 1.015 * words / len(sentences) - 84.6 * spoken / words
    say(output={"sentences": len(sentences), "words": words, "syllables": spoken, "reading_ease": round(ease, 1)})


main()
