"""OpenTelemetry: a span for each request, made when it has ended, so that no token pays for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from duihua.errors import ConfigError
from duihua.server.exchange import Exchange

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ["Tracer"]

# Note of an exchange -> attribute (https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/).
_ATTRIBUTES: Final = {
    "model": "gen_ai.request.model",
    "prompt_tokens": "gen_ai.usage.input_tokens",
    "completion_tokens": "gen_ai.usage.output_tokens",
    "first_token": "gen_ai.server.time_to_first_token",
    "error": "error.type",
}


class Tracer:
    """Sends spans to a collector, over HTTP.

    Args:
        endpoint: of OTLP over HTTP, such as http://localhost:4318/v1/traces.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """

    def __init__(self, endpoint: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise ConfigError("traces need OpenTelemetry: pip install 'duihua[otel]'") from error
        self._provider: TracerProvider = TracerProvider(resource=Resource.create({"service.name": "duihua"}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("duihua.server")

    def record(self, exchange: Exchange, route: str) -> None:
        """A request that has ended, under the trace that its `traceparent` names."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract({"traceparent": exchange.header("traceparent")})
        ended = time.time_ns()
        started = ended - round((time.perf_counter() - exchange.started) * 1e9)
        span = self._tracer.start_span(
            f"{exchange.method[:20]} {route}", context=parent, kind=SpanKind.SERVER, start_time=started
        )
        span.set_attributes(
            {
                "http.request.method": exchange.method[:20],
                "http.route": route,
                "http.response.status_code": exchange.status,
                "duihua.request_id": exchange.request_id,
            }
        )
        for note, name in _ATTRIBUTES.items():
            value = exchange.notes.get(note)
            if isinstance(value, str | int | float):
                span.set_attribute(name, value)
        span.end(end_time=ended)

    def close(self) -> None:
        """Send what is left. Blocks for some seconds where the collector does not answer."""
        self._provider.shutdown()
