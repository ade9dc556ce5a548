"""The kernel's figures, read when somebody asks, so that the hot path pays nothing for them."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Container, Iterator

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from .figures import Blobs, Broker, Bus, Driver, Journal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LAG_INTERVAL = 0.5
"""Seconds between two looks at the event loop."""

MAX_METHODS = 500
"""Call methods with a series of their own; method names come from plugins and may not grow without bound."""

_OTHER = "other"
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_EVENTS = {"accepted": "accepted", "duplicate": "duplicates", "unrouted": "unrouted"}
_DELIVERIES = ("done", "nacked", "dead", "dropped", "interrupted", "merged")


class Timings:
    """How long something took, as counts per upper bound. An `add` is one binary search and two additions."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bounds with the cumulative counts that the exposition format wants."""
        total, found = 0, []
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Metrics(Collector):
    """All metrics of one kernel, in a registry of their own. Runs on the event loop. `known`: methods of the contract."""

    def __init__(
        self,
        bus: Bus,
        broker: Broker,
        journal: Journal,
        driver: Driver,
        blobs: Blobs,
        known: Container[str] = (),
    ) -> None:
        self._blobs = blobs
        self._bus = bus
        self._known = known
        self._journal = journal
        self._driver = driver
        self._calls: dict[tuple[str, bool], Timings] = {}
        self._commits = Timings()
        self.calls = 0
        """Calls that ended."""
        self._lag = Timings()
        self.last_lag = 0.0
        """How late the event loop ran what was due, at the last look."""
        self._process = psutil.Process()
        self._registry = CollectorRegistry()
        self._registry.register(self)
        broker.on_finished = self._call_finished
        journal.on_committed = self._commits.add

    def add(self, collector: Collector) -> None:
        """Also render what another collector yields."""
        self._registry.register(collector)

    def render(self) -> bytes:
        """The figures of this moment in Prometheus' text format, see CONTENT_TYPE."""
        return generate_latest(self._registry)

    async def loop_lag(self) -> None:
        """Measure for ever how late the event loop runs what is due."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_INTERVAL
            await asyncio.sleep(LAG_INTERVAL)
            self.last_lag = max(0.0, loop.time() - due)
            self._lag.add(self.last_lag)

    def describe(self) -> list[Metric]:
        """Nothing beforehand: the registry has no other collector that could clash."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield from self._bus_families()
        yield from self._journal_families()
        yield from self._call_families()
        yield from self._process_families()

    def _call_finished(self, method: str, seconds: float, failed: bool) -> None:
        self.calls += 1
        timings = self._calls.get((method, failed))
        if timings is None:
            # A name that nobody knows fails: callers cannot invent series.
            if (failed and method not in self._known) or len(self._calls) >= MAX_METHODS:
                method = _OTHER
            timings = self._calls.setdefault((method, failed), Timings())
        timings.add(seconds)

    def _bus_families(self) -> Iterator[Metric]:
        bus, counters = self._bus, self._bus.counters
        events = CounterMetricFamily(
            "jackfield_events", "Events published, by what became of them.", labels=["outcome"]
        )
        for outcome, name in _EVENTS.items():
            events.add_metric([outcome], getattr(counters, name))
        yield events
        ended = CounterMetricFamily(
            "jackfield_deliveries", "Deliveries, by how an attempt ended.", labels=["outcome"]
        )
        for name in _DELIVERIES:
            ended.add_metric([name], getattr(counters, name))
        yield ended
        dead = CounterMetricFamily("jackfield_dead_letters", "Dead letters, by reason.", labels=["reason"])
        for reason, count in sorted(counters.dead_reasons.items()):
            dead.add_metric([reason], count)
        yield dead
        yield _gauge("jackfield_events_waiting", "Events that wait for their rules.", bus.waiting.count)
        yield _gauge("jackfield_events_open", "Events whose deliveries are not all terminal.", len(bus.runs))
        yield _gauge(
            "jackfield_bots_pushed_back", "Bots above their share of open events.", len(bus.shares.paused)
        )
        yield _gauge("jackfield_deliveries_ready", "Deliveries that wait for their turn.", bus.ready())
        yield _gauge("jackfield_deliveries_leased", "Deliveries at their handlers.", bus.turns.leased)
        yield _gauge("jackfield_oldest_event_seconds", "Age of the oldest open event.", bus.oldest())

    def _journal_families(self) -> Iterator[Metric]:
        journal, pending = self._journal, self._driver.pending()
        yield CounterMetricFamily("jackfield_journal_groups", "Groups committed.", value=journal.groups)
        yield CounterMetricFamily("jackfield_journal_units", "Units committed in them.", value=journal.units)
        yield _gauge("jackfield_journal_backlog", "Units that wait for their group.", journal.backlog)
        failing = "1 while the journal cannot be written."
        yield _gauge("jackfield_journal_failing", failing, journal.failure is not None)
        yield _gauge("jackfield_journal_groups_pending", "Groups sent and not answered.", pending.groups)
        oldest = "Age of the oldest unanswered group: grows while the disk is stuck."
        yield _gauge("jackfield_journal_pending_seconds", oldest, pending.oldest_seconds)
        text = "What the storage itself needed for a group."
        commits = HistogramMetricFamily("jackfield_journal_commit_seconds", text)
        commits.add_metric([], self._commits.buckets(), self._commits.sum)
        yield commits
        yield _gauge("jackfield_journal_commit_last_seconds", "The last of these.", pending.commit_seconds)
        yield _gauge("jackfield_journal_bytes", "Size of the journal on disk.", self._driver.size())
        blobs = self._blobs
        yield _gauge("jackfield_blobs", "Blobs stored.", blobs.count)
        yield _gauge("jackfield_blob_bytes", "Bytes of all blobs.", blobs.bytes)
        yield CounterMetricFamily(
            "jackfield_blobs_collected", "Blobs removed because nothing names them.", value=blobs.collected
        )

    def _call_families(self) -> Iterator[Metric]:
        calls = HistogramMetricFamily(
            "jackfield_call_seconds", "Calls between plugins.", labels=["method", "failed"]
        )
        for (method, failed), timings in self._calls.items():
            calls.add_metric([method, str(failed).lower()], timings.buckets(), timings.sum)
        yield calls
        lag = HistogramMetricFamily("jackfield_loop_lag_seconds", "How late the event loop ran what was due.")
        lag.add_metric([], self._lag.buckets(), self._lag.sum)
        yield lag
        yield _gauge("jackfield_loop_lag_last_seconds", "The last of these.", self.last_lag)

    def _process_families(self) -> Iterator[Metric]:
        with self._process.oneshot():
            cpu, memory = self._process.cpu_times(), self._process.memory_info()
            started, files = self._process.create_time(), self._process.num_fds()
        yield CounterMetricFamily(
            "process_cpu_seconds", "CPU time of the kernel itself.", value=cpu.user + cpu.system
        )
        yield _gauge("process_resident_memory_bytes", "Resident memory of the kernel itself.", memory.rss)
        yield _gauge("process_open_fds", "Open file descriptors.", files)
        yield _gauge("process_start_time_seconds", "When the kernel started, Unix time.", started)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
