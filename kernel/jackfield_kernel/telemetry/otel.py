"""Spans by OpenTelemetry: `accept` and `route` of every event, as children of the span that its adapter stated.

Needs the extra `otel`. Import this module only when `wanted` says so: the libraries cost time and memory.
"""

from __future__ import annotations

from collections.abc import Mapping

from jackfield.v1 import error_pb2, event_pb2
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from .tracing import Answer

_PROPAGATOR = TraceContextTextMapPropagator()
_KEY = "traceparent"


class SpanTracing:
    """The kernel's tracer. `close` sends what was not sent yet."""

    def __init__(self, version: str) -> None:
        resource = Resource.create({"service.name": "jackfield-kernel", "service.version": version})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("jackfield_kernel", version)

    def accept(self, event: event_pb2.Event, answer: Answer) -> Answer:
        """Open the span `accept`, which ends when the event is durable; what follows belongs below it."""
        parent = _PROPAGATOR.extract({_KEY: event.trace} if event.trace else {})
        attributes = {
            "jackfield.event.id": event.id,
            "jackfield.event.type": event.type,
            "jackfield.bot": event.bot,
            "jackfield.plugin": event.plugin,
        }
        span = self._tracer.start_span("accept", parent, SpanKind.SERVER, attributes)
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
        event.trace = carrier[_KEY]

        def durable(error: error_pb2.Error | None) -> None:
            if error is not None:
                span.set_status(Status(StatusCode.ERROR, error.reason))
            span.end()
            answer(error)

        return durable

    def routed(self, event: event_pb2.Event, start: int, attributes: Mapping[str, AttributeValue]) -> None:
        """The rules of an event were looked up, beginning at `start` (Unix time in nanoseconds)."""
        parent = _PROPAGATOR.extract({_KEY: event.trace})
        self._tracer.start_span("route", parent, attributes=attributes, start_time=start).end()

    def close(self) -> None:
        """Blocks for the last export: call in a thread."""
        self._provider.shutdown()
