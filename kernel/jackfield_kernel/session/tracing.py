"""Chooses how events are traced: by spans when a collector is configured and the extra is there, else by trace ids alone."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping

from ..routing.decision import Decider
from ..telemetry.tracing import ENDPOINTS, NoTracing, Tracing

log = logging.getLogger(__name__)


def traced(environ: Mapping[str, str], routes: Decider, version: str) -> tuple[Tracing, Decider]:
    """What intake and bus use. To be closed, so that the last spans are sent."""
    if not any(environ.get(name) for name in ENDPOINTS) or environ.get("OTEL_SDK_DISABLED") == "true":
        return NoTracing(), routes
    try:
        # Only here: the libraries are optional, and nobody pays for them unasked.
        otel = importlib.import_module("jackfield_kernel.telemetry.otel")
        decider = importlib.import_module("jackfield_kernel.routing.traced")
    except ImportError as error:
        log.warning(
            "no spans are made: %s", error, extra={"remedy": "python -m pip install 'jackfield-kernel[otel]'"}
        )
        return NoTracing(), routes
    tracing = otel.SpanTracing(version)
    return tracing, decider.TracedDecider(routes, tracing)
