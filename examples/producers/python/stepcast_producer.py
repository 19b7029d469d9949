"""Posts what a program does to Stepcast, each event exactly once, with nothing but the standard library."""

import json
import time
import urllib.error
import urllib.request
import uuid


class Producer:
    """One execution. What gets lost on the way is sent again under the same number, and counts once."""

    def __init__(self, server, pipeline, **described):
        self.id, self.seq = f"python_{uuid.uuid4().hex}", 0
        self.events = f"{server}/api/executions/{self.id}/events"
        body = {"mode": "external", "pipeline": pipeline, "execution_id": self.id, **described}
        self._post(f"{server}/api/executions", body, {"Producer-Id": self.id})

    def emit(self, event_type, step_id=None, **data):
        event = {"event_type": event_type, "step_id": step_id, "data": data}
        numbers = {"Producer-Id": self.id, "Producer-Epoch": "0", "Producer-Seq": str(self.seq)}
        self._post(self.events, event, numbers)
        self.seq += 1

    def _post(self, url, body, headers):
        headers = {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        for pause in (0.1, 0.3, 1, 3, 10, None):
            try:
                return urllib.request.urlopen(request, timeout=30).close()
            except urllib.error.HTTPError as error:
                if pause is None or (error.code < 500 and error.code != 429):
                    raise RuntimeError(error.read().decode()) from None
            except OSError:
                if pause is None:
                    raise
            time.sleep(pause)
