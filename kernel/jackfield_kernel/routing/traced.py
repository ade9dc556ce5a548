"""Routing with a span for each look at the rules. Used only while spans are made."""

from __future__ import annotations

import time

from jackfield.v1 import event_pb2

from ..telemetry.otel import SpanTracing
from .decision import Decider, Decision, Wait


class TracedDecider:
    """Passes on what another decider says."""

    def __init__(self, inner: Decider, tracing: SpanTracing) -> None:
        self._inner = inner
        self._tracing = tracing

    def decide(self, event: event_pb2.Event) -> Decision | Wait:
        """Decide, and make the span `route`."""
        start = time.time_ns()
        decision = self._inner.decide(event)
        if isinstance(decision, Decision):
            rules = [rule.id for rule in decision.rules]
            self._tracing.routed(
                event, start, {"jackfield.rules": rules, "jackfield.table.version": decision.version}
            )
        else:
            self._tracing.routed(event, start, {"jackfield.waiting": decision.reason})
        return decision
