"""What runs now stands in every log line and goes along with calls."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from jackfield_sdk import Context, Event, Plugin, PluginContext
from jackfield_sdk.log import JsonFormatter
from jackfield_sdk.testing import FakeKernel, message
from jackfield_sdk.tracing import Kind, Work, current, tracer_for

TRACE = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"


def line() -> dict[str, object]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    handler.handle(logging.LogRecord("a", logging.INFO, "", 0, "text", (), None))
    found: dict[str, object] = json.loads(stream.getvalue())
    return found


async def test_lines_state_the_delivery_they_are_about_and_no_other() -> None:
    plugin = Plugin("p")
    lines: list[dict[str, object]] = []

    @plugin.on("message.received")
    async def handle(ctx: Context, event: Event) -> None:
        await asyncio.sleep(0)
        lines.append(await asyncio.to_thread(line))

    @plugin.observe("message.*")
    async def observe(ctx: PluginContext, event: Event) -> None:
        lines.append(line())

    async with FakeKernel() as kernel, kernel.running(plugin):
        first, second = message("1"), message("2")
        for event in (first, second):
            object.__setattr__(event, "trace", TRACE)
        one, two = await asyncio.gather(kernel.deliver(first), kernel.deliver(second))
        await asyncio.gather(one.outcome, two.outcome)
        await kernel.observe(first)
    assert {entry["trace_id"] for entry in lines} == {"ab" * 16}
    assert {str(entry["delivery_id"]).partition(".")[0] for entry in lines[:2]} == {first.id, second.id}
    assert {entry["event_id"] for entry in lines} == {first.id, second.id}
    assert "delivery_id" not in lines[2]
    assert "trace_id" not in line()
    assert current() is None


class Tracing:
    """Keeps what a tracer would send."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str, Kind]] = []
        self.failures: list[str] = []
        self.trace = TRACE.replace("cd", "ef")

    @contextmanager
    def span(
        self, name: str, parent: str, kind: Kind, attributes: Mapping[str, str | int]
    ) -> Iterator[Tracing]:
        self.spans.append((name, parent, kind))
        yield self

    def failed(self, reason: str) -> None:
        self.failures.append(reason)

    def close(self) -> None:
        """Nothing."""


def test_work_nests_and_is_left() -> None:
    tracer = Tracing()
    with Work(TRACE, tracer, event_id="e", name="deliver") as outer:
        assert outer.trace == tracer.trace
        with Work(outer.trace, name="inner") as inner:
            assert current() is inner
        assert current() is outer
        outer.failed("POISON")
    assert current() is None
    assert tracer.spans == [("deliver", TRACE, "consumer")]
    assert tracer.failures == ["POISON"]


def test_without_a_collector_there_is_no_tracer() -> None:
    assert tracer_for("p", "1", {}) is None
    disabled = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}
    assert tracer_for("p", "1", disabled) is None
