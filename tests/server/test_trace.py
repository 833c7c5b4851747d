"""Requests as spans, sent to a collector of our own."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from duihua.server.exchange import Exchange
from duihua.server.trace import Tracer
from server.asgi import asked, serving

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector():
    bodies: Queue[bytes] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.put(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing: the tests have a log of their own."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces", bodies
    server.shutdown()
    thread.join()
    server.server_close()


def exchange_with(headers: dict[str, str]) -> Exchange:
    async def silent(*_: Any) -> Any:
        await asyncio.Event().wait()

    rows = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Exchange({"method": "POST", "path": "/v1/chat/completions", "headers": rows}, silent, silent)


def test_a_request_becomes_a_span_under_its_callers_trace(collector: tuple[str, "Queue[bytes]"]):
    endpoint, bodies = collector
    tracer = Tracer(endpoint)
    exchange = exchange_with({"traceparent": PARENT})
    exchange.status = 200
    exchange.notes |= {"model": "demo", "prompt_tokens": 6, "completion_tokens": 20, "streamed": True}
    tracer.record(exchange, "/v1/chat/completions")
    tracer.close()
    message = ExportTraceServiceRequest.FromString(bodies.get(timeout=10))
    (span,) = message.resource_spans[0].scope_spans[0].spans
    assert span.name == "POST /v1/chat/completions"
    assert span.trace_id.hex() == PARENT.split("-")[1]
    assert span.parent_span_id.hex() == PARENT.split("-")[2]
    attributes = {row.key: row.value.string_value or row.value.int_value for row in span.attributes}
    assert attributes["gen_ai.usage.output_tokens"] == 20
    assert attributes["http.response.status_code"] == 200
    assert span.end_time_unix_nano >= span.start_time_unix_nano


def test_a_request_of_no_trace_begins_one(collector: tuple[str, "Queue[bytes]"]):
    endpoint, bodies = collector
    tracer = Tracer(endpoint)
    tracer.record(exchange_with({}), "other")
    tracer.close()
    (span,) = ExportTraceServiceRequest.FromString(bodies.get(timeout=10)).resource_spans[0].scope_spans[0].spans
    assert span.parent_span_id == b""
    assert any(span.trace_id)


def test_an_error_is_named_in_the_span_of_its_request(collector: tuple[str, "Queue[bytes]"]):
    endpoint, bodies = collector
    server = serving(trace_endpoint=endpoint)
    asked(server, strange=1)
    (span,) = ExportTraceServiceRequest.FromString(bodies.get(timeout=10)).resource_spans[0].scope_spans[0].spans
    assert {row.key: row.value.string_value for row in span.attributes}["error.type"] == "invalid_value"
