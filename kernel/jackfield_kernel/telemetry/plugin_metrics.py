"""Metrics with a series per plugin: states, restarts, queues, outbox, observers; and the traffic of all streams.

Everything is read when somebody asks. Names of handlers come from rules, so their number is bounded here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

MAX_SERIES = 500
"""Plugins with series of their own; the rest is left out."""
STATES = ("STARTING", "ACTIVE", "DRAINING", "STOPPED", "FAILED", "PARKED")


class Snapshot(Protocol):
    """`supervisor.PluginSnapshot`."""

    @property
    def name(self) -> str:
        """Id."""
        ...

    @property
    def state(self) -> str:
        """Its state."""
        ...

    @property
    def starts(self) -> int:
        """How often it was started."""
        ...


class Queue(Protocol):
    """`bus.figures.QueueFigures`."""

    @property
    def waiting(self) -> int:
        """Deliveries that wait."""
        ...

    @property
    def oldest(self) -> float:
        """Age in seconds of the oldest event that waits or is being handled."""
        ...

    @property
    def done(self) -> int:
        """Deliveries handled."""
        ...


class Observers(Protocol):
    """`bus.Observers`."""

    def lag(self) -> dict[str, int]:
        """Records that each observer is behind."""
        ...

    def gaps(self) -> dict[str, int]:
        """Records that each observer never saw, for retention removed them first."""
        ...


@dataclass(slots=True)
class Traffic:
    """What the control streams carried since the kernel started."""

    batches_in: int = 0
    frames_in: int = 0
    bytes_in: int = 0
    batches_out: int = 0
    bytes_out: int = 0


@dataclass(frozen=True, eq=False)
class PluginMetrics(Collector):
    """Reads what the rooms above know; `sessions`: plugins that are attached."""

    snapshots: Callable[[], Iterable[Snapshot]]
    sessions: Callable[[], int]
    queues: Callable[[], Mapping[str, Queue]]
    outbox: Callable[[], Mapping[str, int]]
    observers: Observers
    traffic: Traffic

    def describe(self) -> list[Metric]:
        """Nothing beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield from self._supervised()
        yield from self._queued()
        yield from self._observed()
        yield from self._carried()

    def _supervised(self) -> Iterator[Metric]:
        snapshots = list(self.snapshots())
        states = GaugeMetricFamily("jackfield_plugins", "Plugins by state.", labels=["state"])
        for state in STATES:
            states.add_metric([state], sum(one.state == state for one in snapshots))
        yield states
        restarts = {one.name: max(0, one.starts - 1) for one in snapshots}
        yield _counter("jackfield_plugin_restarts", "Restarts of a plugin.", "plugin", restarts)
        parked = {one.name: int(one.state == "PARKED") for one in snapshots}
        yield _gauge("jackfield_plugin_parked", "1 while a plugin is PARKED.", "plugin", parked)
        yield GaugeMetricFamily("jackfield_sessions", "Plugins that are attached.", value=self.sessions())

    def _queued(self) -> Iterator[Metric]:
        queues = self.queues()
        waiting = {name: one.waiting for name, one in queues.items()}
        yield _gauge("jackfield_queue_deliveries", "Deliveries that wait for a handler.", "handler", waiting)
        oldest = {name: one.oldest for name, one in queues.items()}
        text = "Age of the oldest event that waits for a handler or is at it."
        yield _gauge("jackfield_queue_oldest_seconds", text, "handler", oldest)
        done = {name: one.done for name, one in queues.items()}
        yield _counter("jackfield_queue_done", "Deliveries that a handler has done.", "handler", done)
        text = "Calls that wait for a provider that is away or has all it takes."
        yield _gauge("jackfield_outbox_calls", text, "provider", self.outbox())

    def _observed(self) -> Iterator[Metric]:
        lag = "Records that an observer is behind."
        yield _gauge("jackfield_observer_lag_records", lag, "plugin", self.observers.lag())
        gaps = "Records that an observer never saw, for retention removed them first."
        yield _counter("jackfield_observer_gap_records", gaps, "plugin", self.observers.gaps())

    def _carried(self) -> Iterator[Metric]:
        traffic = self.traffic
        batches = {"in": traffic.batches_in, "out": traffic.batches_out}
        yield _counter("jackfield_stream_batches", "Messages on control streams.", "direction", batches)
        carried = {"in": traffic.bytes_in, "out": traffic.bytes_out}
        yield _counter("jackfield_stream_bytes", "Bytes of these.", "direction", carried)
        frames = "Frames in the messages that came in."
        yield CounterMetricFamily("jackfield_stream_frames_in", frames, value=traffic.frames_in)


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in sorted(values.items())[:MAX_SERIES]:
        family.add_metric([key], value)
    return family


def _counter(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in sorted(values.items())[:MAX_SERIES]:
        family.add_metric([key], value)
    return family
