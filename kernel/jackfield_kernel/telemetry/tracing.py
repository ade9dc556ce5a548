"""Trace context: every event belongs to a W3C trace. Spans are made only with the extra `otel` and a collector configured."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Protocol

from jackfield.v1 import error_pb2, event_pb2

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Variables that name a collector; without one of them nothing is traced."""

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


Answer = Callable[[error_pb2.Error | None], None]


class Tracing(Protocol):
    """Where the kernel's spans begin and end."""

    def accept(self, event: event_pb2.Event, answer: Answer) -> Answer:
        """An event came in: give it a trace when it has none that is valid. Returns what is to be called when it is durable."""
        ...

    def close(self) -> None:
        """Send what was not sent yet. May block for seconds: call it in a thread."""
        ...


class NoTracing:
    """Events get a trace id, for logs and for plugins; no span is made."""

    def accept(self, event: event_pb2.Event, answer: Answer) -> Answer:
        """Draw a trace when the event has none that is valid."""
        if not event.trace or not _TRACEPARENT.fullmatch(event.trace):
            drawn = os.urandom(24).hex()
            event.trace = f"00-{drawn[:32]}-{drawn[32:]}-01"
        return answer

    def close(self) -> None:
        """Nothing."""
