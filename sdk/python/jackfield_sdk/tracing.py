"""What runs now, for logs and traces: a delivery, an observed event or a call that is served.

The trace itself is the kernel's: every event has one. Spans are made only when a `Tracer` is there, see `jackfield_sdk.otel`.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Literal, Protocol, Self

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Variables that name a collector; without one of them no span is made."""

logger = logging.getLogger("jackfield_sdk.tracing")
Kind = Literal["consumer", "client", "server"]


class Span(Protocol):
    """A span that began."""

    trace: str
    """Its W3C `traceparent`, for what belongs below it."""

    def failed(self, reason: str) -> None:
        """It ends with an error."""
        ...


class Tracer(Protocol):
    """Makes spans."""

    def span(
        self, name: str, parent: str, kind: Kind, attributes: Mapping[str, str | int]
    ) -> AbstractContextManager[Span]:
        """A span below the traceparent `parent`, from entering to leaving."""
        ...

    def close(self) -> None:
        """Sends what was not sent yet. May block for seconds: call it in a thread."""
        ...


class Work:
    """Entered around the author's code; everything that is logged or called inside belongs to it."""

    __slots__ = ("_entered", "_span", "_token", "delivery_id", "event_id", "trace", "tracer")

    def __init__(
        self,
        trace: str,
        tracer: Tracer | None = None,
        *,
        event_id: str = "",
        delivery_id: str = "",
        name: str = "",
        kind: Kind = "consumer",
        attributes: Mapping[str, str | int] | None = None,
    ) -> None:
        self.trace = trace
        self.event_id = event_id
        self.delivery_id = delivery_id
        self.tracer = tracer
        self._span = tracer.span(name, trace, kind, attributes or {}) if tracer is not None else None
        self._entered: Span | None = None
        self._token: Token[Work | None] | None = None

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; empty without a trace."""
        return self.trace[3:35]

    def failed(self, reason: str) -> None:
        """It ends with an error."""
        if self._entered is not None:
            self._entered.failed(reason)

    def __enter__(self) -> Self:
        if self._span is not None:
            self._entered = self._span.__enter__()
            self.trace = self._entered.trace
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
        if self._span is not None:
            self._span.__exit__(kind, error, trace)


_current: ContextVar[Work | None] = ContextVar("jackfield_work", default=None)


def current() -> Work | None:
    """What runs now in this task or thread."""
    return _current.get()


def tracer_for(plugin: str, version: str, environ: Mapping[str, str]) -> Tracer | None:
    """The tracer of a process: None unless a collector is configured and the extra `otel` is installed."""
    if not any(environ.get(name) for name in ENDPOINTS) or environ.get("OTEL_SDK_DISABLED") == "true":
        return None
    try:
        # Only here: the libraries are optional, and nobody pays for them unasked.
        otel = importlib.import_module("jackfield_sdk.otel")
    except ImportError as error:
        logger.warning("no spans are made: %s; install jackfield-sdk[otel]", error)
        return None
    tracer: Tracer = otel.OtelTracer(plugin, version)
    return tracer
