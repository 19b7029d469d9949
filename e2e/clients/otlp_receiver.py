"""Receives OTLP over HTTP as a collector does, and tells each message as a line of JSON.

What it reads is decoded by the protobuf messages of the OpenTelemetry project. `otlp_receiver.py [PORT [STATUS]]`
answers with STATUS in place of 200.
"""

import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

SERVICES = {
    "/v1/traces": (traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse),
    "/v1/metrics": (metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse),
}
STATUS = int(sys.argv[2]) if len(sys.argv) > 2 else 200


def hexadecimal(message):
    """Ids as everybody writes them; JSON of protobuf has base64."""
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                told = MessageToDict(span)
                told["traceId"], told["spanId"] = span.trace_id.hex(), span.span_id.hex()
                told["parentSpanId"] = span.parent_span_id.hex()
                yield told


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request, response = SERVICES[self.path]
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        message = request()
        message.ParseFromString(body)
        told = {"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}}
        told["message"] = MessageToDict(message)
        if self.path == "/v1/traces":
            told["spans"] = list(hexadecimal(message))
        print(json.dumps(told), flush=True)
        answer = response().SerializeToString()
        self.send_response(STATUS)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Collector)
print(f"receiving on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
