"""``[telemetry]``: a real server exports real calls to a collector on loopback."""

from __future__ import annotations

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from program import Program

pytestmark = pytest.mark.slow

KINDS = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class CollectorHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        message = KINDS[self.path]()
        message.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
        self.server.messages.append((self.path, message))  # type: ignore[attr-defined]  # of the class below
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()


class Collector(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CollectorHandler)
        self.messages: list[tuple[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> dict[str, Any]:
        """Return the attributes of every span, with the span itself, by execution."""
        found = {}
        for path, message in self.messages:
            if path == "/v1/traces":
                for span in message.resource_spans[0].scope_spans[0].spans:
                    attributes = {pair.key: pair.value for pair in span.attributes}
                    found[attributes["aexl.execution"].string_value] = (span, attributes)
        return found


@pytest.fixture
def collector():
    with Collector() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def ask(program: Program, token: str, model: str, **more: Any) -> str:
    """Return the execution id of a call."""
    place = urlsplit(program.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "traceparent": TRACEPARENT}
    body = {"model": model, "messages": [{"role": "user", "content": "a secret word"}], **more}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return str(response.getheader("x-aexl-execution-id"))


def test_calls_are_exported_at_the_latest_when_the_server_stops(program: Program, collector: Collector) -> None:
    program.configure(f'[telemetry]\nendpoint = "{collector.url}"\ninterval = 60.0\n')
    program.start()
    token = program.agent("alice", "5")
    good, streamed = ask(program, token, "gpt.plain"), ask(program, token, "gpt.plain", stream=True)
    refused = ask(program, token, "gpt.status-500")
    unknown = ask(program, token, "gpt.unknown")
    program.stop()
    spans = collector.spans()
    span, attributes = spans[streamed]

    assert set(spans) == {good, streamed, refused, unknown}
    assert span.name == "chat gpt.plain"
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert attributes["aexl.agent"].string_value == "alice"
    assert attributes["gen_ai.usage.output_tokens"].int_value == 20
    assert [value.string_value for value in attributes["gen_ai.response.finish_reasons"].array_value.values] == ["stop"]
    assert attributes["aexl.cost.nano_usd"].int_value == spans[good][1]["aexl.cost.nano_usd"].int_value > 0
    assert spans[refused][1]["error.type"].string_value == "500"
    assert spans[unknown][1]["error.type"].string_value == "model_not_found"
    assert b"a secret word" not in b"".join(message.SerializeToString() for _, message in collector.messages)
    assert [path for path, _ in collector.messages].count("/v1/metrics") == 1


def test_the_standard_variables_switch_it_on_and_a_collector_that_is_away_holds_nothing_up(
    program: Program, collector: Collector
) -> None:
    program.environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SERVICE_NAME": "gate"}
    program.start("--port", "0", "--set", "telemetry.interval=0.05")
    token = program.agent("alice", "5")
    ask(program, token, "gpt.plain")
    assert program.stop() == 0

    assert "could not be reached" in "".join(program.log)


def test_its_numbers_are_on_metrics(program: Program, collector: Collector) -> None:
    program.configure(f'[telemetry]\nendpoint = "{collector.url}"\n')
    program.start()

    assert 'aexl_telemetry_exported_total{signal="traces"} 0' in program.run("metrics").stdout
