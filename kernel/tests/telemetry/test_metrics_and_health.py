"""Metrics and health over real HTTP, on real ports."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from jackfield_kernel import config
from jackfield_kernel.telemetry import health, metrics
from jackfield_kernel.telemetry.health import Health, HealthServer
from jackfield_kernel.telemetry.metrics import Metrics
from prometheus_client.parser import text_string_to_metric_families


@dataclass
class Counters:
    accepted: int = 7
    duplicates: int = 1
    unrouted: int = 0
    done: int = 5
    nacked: int = 2
    dead: int = 1
    dropped: int = 0
    interrupted: int = 0
    merged: int = 0
    dead_reasons: dict[str, int] = field(default_factory=lambda: {"POISON": 1})


@dataclass
class Waiting:
    count: int = 6


@dataclass
class Turns:
    leased: int = 3


@dataclass
class Shares:
    paused: set[str] = field(default_factory=lambda: {"loud"})


@dataclass
class Bus:
    shares: Shares = field(default_factory=Shares)
    counters: Counters = field(default_factory=Counters)
    turns: Turns = field(default_factory=Turns)
    waiting: Waiting = field(default_factory=Waiting)
    runs: dict[str, int] = field(default_factory=lambda: {"a": 1, "b": 2})

    def ready(self) -> int:
        return 4

    def oldest(self) -> float:
        return 1.5


@dataclass
class Broker:
    on_finished: Callable[[str, float, bool], None] = lambda method, seconds, failed: None


@dataclass
class Journal:
    groups: int = 10
    units: int = 20
    backlog: int = 2
    failure: Exception | None = None
    on_committed: Callable[[float], None] = lambda seconds: None


@dataclass
class Pending:
    groups: int = 1
    oldest_seconds: float = 0.25
    commit_seconds: float = 0.002


class Driver:
    def pending(self) -> Pending:
        return Pending()

    def size(self) -> int:
        return 4096


@dataclass
class Blobs:
    count: int = 2
    bytes: int = 300
    collected: int = 1


@dataclass
class World:
    bus: Bus = field(default_factory=Bus)
    broker: Broker = field(default_factory=Broker)
    journal: Journal = field(default_factory=Journal)

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.bus, self.broker, self.journal, Driver(), Blobs(), {"/a.B/C"})

    def samples(self) -> dict[str, float]:
        found = {}
        for family in text_string_to_metric_families(self.metrics.render().decode()):
            for sample in family.samples:
                labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found


def test_the_figures_are_those_of_the_moment_of_asking() -> None:
    world = World()
    world.bus.counters.accepted = 8
    found = world.samples()
    assert found["jackfield_events_total{outcome=accepted}"] == 8
    assert found["jackfield_deliveries_total{outcome=nacked}"] == 2
    assert found["jackfield_events_open"] == 2
    assert found["jackfield_bots_pushed_back"] == 1
    assert found["jackfield_deliveries_ready"] == 4
    assert found["jackfield_deliveries_leased"] == 3
    assert found["jackfield_oldest_event_seconds"] == 1.5
    assert found["jackfield_dead_letters_total{reason=POISON}"] == 1
    assert found["jackfield_events_waiting"] == 6
    assert found["jackfield_journal_backlog"] == 2
    assert found["jackfield_journal_pending_seconds"] == 0.25
    assert found["process_resident_memory_bytes"] > 1e6


def test_calls_are_counted_by_method_and_failure_in_seconds() -> None:
    world = World()
    world.broker.on_finished("/a.B/C", 0.02, False)
    world.broker.on_finished("/a.B/C", 0.3, False)
    world.broker.on_finished("/a.B/C", 99.0, True)
    found = world.samples()
    assert found["jackfield_call_seconds_bucket{failed=false,le=0.025,method=/a.B/C}"] == 1
    assert found["jackfield_call_seconds_count{failed=false,method=/a.B/C}"] == 2
    assert found["jackfield_call_seconds_sum{failed=false,method=/a.B/C}"] == pytest.approx(0.32)
    assert found["jackfield_call_seconds_bucket{failed=true,le=60.0,method=/a.B/C}"] == 0


def test_invented_method_names_cannot_grow_the_series_without_bound() -> None:
    world = World()
    for number in range(metrics.MAX_METHODS + 50):
        world.broker.on_finished(f"/a.B/M{number}", 0.001, False)
        world.broker.on_finished(f"/a.B/N{number}", 0.001, True)
    series = [name for name in world.samples() if name.startswith("jackfield_call_seconds_count")]
    assert len(series) == metrics.MAX_METHODS + 1
    assert (
        world.samples()["jackfield_call_seconds_count{failed=true,method=other}"] == metrics.MAX_METHODS + 50
    )


async def test_the_loop_lag_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "LAG_INTERVAL", 0.0)
    world = World()
    task = asyncio.create_task(world.metrics.loop_lag())
    while world.samples()["jackfield_loop_lag_seconds_count"] < 3:
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def get(
    port: int, path: str, *, raw: bytes | None = None, host: str = "127.0.0.1"
) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(raw if raw is not None else f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, body


def server(port: int = 0, state: Callable[[], Health] | None = None) -> HealthServer:
    settings = config.Metrics(port=port)
    return HealthServer(settings, World().metrics, state or (lambda: Health(True, True, {"plugins": {}})))


async def test_the_three_pages_answer() -> None:
    async with server() as running:
        code, body = await get(running.port, "/metrics")
        assert (code, b"jackfield_events_total" in body) == (200, True)
        assert await get(running.port, "/healthz?x=1") == (200, b'{"alive": true}\n')
        assert await get(running.port, "/readyz") == (200, b'{"ready": true, "plugins": {}}\n')
        assert (await get(running.port, "/other"))[0] == 404


async def test_ready_only_when_settled_and_alive_only_with_a_journal() -> None:
    state = Health(alive=True, ready=False, detail={"plugins": {"echo": "PARKED"}})
    async with server(state=lambda: state) as running:
        code, body = await get(running.port, "/readyz")
        assert (code, json.loads(body)) == (503, {"ready": False, "plugins": {"echo": "PARKED"}})
        assert (await get(running.port, "/healthz"))[0] == 200
        state = Health(alive=False, ready=True)
        assert (await get(running.port, "/healthz"))[0] == 503
        assert (await get(running.port, "/readyz"))[0] == 503


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 9\r\n\r\n", 405),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / SPDY/3\r\n\r\n", 400),
        (b"GET /" + b"a" * health.MAX_REQUEST * 3, 0),
    ],
)
async def test_other_requests_are_refused_within_bounds(raw: bytes, code: int) -> None:
    async with server() as running:
        try:
            found = (await get(running.port, "", raw=raw))[0]
        except ConnectionResetError:
            found = 0
        assert found == code


async def test_a_client_that_never_ends_its_request_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "REQUEST_SECONDS", 0.05)
    async with server() as running:
        assert await get(running.port, "", raw=b"GET /") == (0, b"")


async def test_head_has_no_body() -> None:
    async with server() as running:
        assert await get(running.port, "", raw=b"HEAD /healthz HTTP/1.1\r\n\r\n") == (200, b"")


async def test_a_taken_port_names_its_holder_and_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "RETRY_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with server(port) as running:
            problem = running.problem
            assert problem is not None
            assert problem.metadata["pid"] == str(os.getpid())
            assert f"(pid {os.getpid()})" in problem.message
            assert "JACKFIELD_METRICS__PORT" in problem.remedy
            taken.close()
            while running.problem is not None:
                await asyncio.sleep(0)
            assert (await get(port, "/healthz"))[0] == 200


async def test_switched_off_it_listens_nowhere() -> None:
    off = HealthServer(config.Metrics(enabled=False), World().metrics, lambda: Health(True, True))
    async with off as running:
        assert (running.port, running.problem) == (0, None)
