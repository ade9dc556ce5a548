"""Spans by OpenTelemetry, sent over OTLP/HTTP. Needs the extra `otel`; configured by the variables of OpenTelemetry itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from jackfield_sdk.tracing import Kind

_PROPAGATOR = TraceContextTextMapPropagator()
_KEY = "traceparent"
_KINDS = {"consumer": SpanKind.CONSUMER, "client": SpanKind.CLIENT, "server": SpanKind.SERVER}


class OtelSpan:
    """A span that began; see `tracing.Span`."""

    def __init__(self, span: trace.Span) -> None:
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
        self.trace = carrier.get(_KEY, "")
        self._span = span

    def failed(self, reason: str) -> None:
        """It ends with an error."""
        self._span.set_status(Status(StatusCode.ERROR, reason))


class OtelTracer:
    """Spans of one plugin; the author's own spans and instrumented libraries join them."""

    def __init__(self, plugin: str, version: str) -> None:
        resource = Resource.create(
            {"service.name": plugin, "service.namespace": "jackfield", "service.version": version}
        )
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("jackfield_sdk")

    @contextmanager
    def span(
        self, name: str, parent: str, kind: Kind, attributes: Mapping[str, str | int]
    ) -> Iterator[OtelSpan]:
        """A span below the traceparent `parent`."""
        context = _PROPAGATOR.extract({_KEY: parent} if parent else {})
        with self._tracer.start_as_current_span(
            name, context=context, kind=_KINDS[kind], attributes=attributes
        ) as span:
            yield OtelSpan(span)

    def close(self) -> None:
        """Sends what was not sent yet."""
        self._provider.shutdown()
