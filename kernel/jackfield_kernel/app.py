"""The composition root: the only place that builds the parts and says which uses which."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import __version__
from .admin.endpoint import AdminEndpoint
from .admin.plugins import PluginVerbs
from .admin.service import AdminService
from .broker.broker import Broker
from .bus.bus import Bus
from .bus.deadletters import DeadLetters
from .bus.housekeeping import Housekeeping
from .bus.observers import Observers
from .bus.replay import Replay
from .bus.turns import Turns
from .config import KernelConfig
from .hooks import Hooks
from .journal.clock import JournalClock
from .journal.journal import Journal
from .journal.log import JournalInfo, LogDriver
from .journal.memory import MemoryLog
from .journal.sqlite import SqliteLog
from .paths import DataPaths, KernelLock, RuntimePaths
from .routing.tables import RouteTables
from .session.attach import FrameLoop
from .session.bots import Bots
from .session.endpoint import Endpoints
from .session.hub import Hub
from .session.identity import Identities
from .session.intake import CHECKPOINT_BUCKET, Intake
from .session.methods import KernelMethods
from .session.registry import Registry
from .session.stewards import Stewards
from .session.unary import bulk_handlers, unary_methods
from .state.blobs import Blobs
from .state.kv import KeyValues
from .state.leases import Leases
from .supervisor import ProcessLauncher, Supervisor, Surroundings, Timing
from .telemetry.health import HealthServer
from .telemetry.metrics import Metrics
from .telemetry.plugin_logs import log_line

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a kernel runs."""

    data: DataPaths
    runtime: RuntimePaths
    config: KernelConfig
    environ: Mapping[str, str]
    memory: bool = False


class Kernel:
    """One running kernel. `run` builds it, serves until `stop`, and takes it apart again."""

    def __init__(self, place: Place, hooks: Hooks) -> None:
        self._place = place
        self._hooks = hooks
        self._stop = asyncio.Event()
        self.started = asyncio.Event()
        self.admin: AdminService | None = None

    def stop(self) -> None:
        """Drain the plugins and end."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until stopped. Raises KernelError when the kernel cannot start."""
        place = self._place
        place.data.prepare()
        with KernelLock(place.data.lock):
            driver: LogDriver = MemoryLog() if place.memory else SqliteLog(place.data.journal)
            info = await driver.open()
            try:
                clock = JournalClock(info.journal_time, info.wall_time)
                journal = Journal(driver, clock)
                journal.last_sequence = info.last_sequence
                async with _running(journal):
                    await self._serve(driver, journal, clock, info)
                    await journal.drained()
            finally:
                await driver.close()

    async def _serve(
        self, driver: LogDriver, journal: Journal, clock: JournalClock, info: JournalInfo
    ) -> None:
        place, settings = self._place, self._place.config.settings
        async with asyncio.TaskGroup() as tasks:
            # State that outlives the process.
            routes = RouteTables()
            stewards = Stewards(driver, journal, routes)
            await stewards.load_routes(settings.routes)
            kv, leases = KeyValues(journal, driver, clock.now), Leases(journal, driver, clock.now)
            registry = Registry(place.config, place.environ, journal, driver)
            identities = Identities(journal, driver)
            blobs = Blobs(place.data.blobs)

            # Events and calls.
            bus = Bus(journal, routes, clock, Turns(info.boot), rng=random.Random())
            bus.limits.lane_waiting = settings.limits.lane_ready
            bus.on_written = kv.written
            observers = Observers(driver, journal, last=info.last_sequence)
            bus.on_accepted = observers.accepted
            broker = Broker(bus, registry, clock.now)
            metrics = Metrics(bus, broker, journal, driver)

            # Sessions.
            intake = Intake(bus, registry)
            hub = Hub(bus, broker, identities, driver, info, registry.admit, __version__)
            bots = Bots(
                broker,
                hub.sessions.get,
                lambda name: intake.checkpoints.get(name, b""),
                tasks,
                registry.changed,
            )
            registry.bots, registry.sessions = bots, hub.peer
            methods = KernelMethods(bus, broker, kv, leases, routes, registry, tasks)
            loop = FrameLoop(bus, broker, intake, stewards, stewards)
            unary = unary_methods(hub, methods, bus, broker, intake)
            endpoints = Endpoints(place.runtime, hub, loop, identities, unary, bulk_handlers(hub, blobs))

            # Plugins.
            supervisor = Supervisor(
                Surroundings(
                    paths=place.data,
                    endpoints=endpoints,
                    launchers={"process": ProcessLauncher(), **self._hooks.launchers()},
                    environ=place.environ,
                    clock=time.monotonic,
                    dice=random.random,
                    log=log_line,
                    kernel_version=__version__,
                    timing=Timing(register=settings.limits.register_deadline, drain=settings.limits.drain),
                )
            )
            registry.snapshots = supervisor.snapshot
            stewards.wire(hub, bots, supervisor, observers, registry, bus, tasks)
            verbs = PluginVerbs(place, self._hooks, registry, supervisor, bots, driver, journal)

            for load in (identities.load, hub.load, leases.load, registry.load, verbs.load):
                await load()
            for name, entry in await driver.entries(CHECKPOINT_BUCKET):
                intake.checkpoints[name] = entry.value
            replayed = await Replay(bus, clock.now).run(driver)
            if replayed:
                log.info("%d events are open from an earlier run", replayed)
            verbs.discover()

            admin = AdminService(
                place=place,
                info=info,
                hub=hub,
                bus=bus,
                driver=driver,
                journal=journal,
                routes=routes,
                broker=broker,
                registry=registry,
                bots=bots,
                supervisor=supervisor,
                verbs=verbs,
                dead=DeadLetters(bus, driver),
                stop=self.stop,
            )
            self.admin = admin
            housekeeping = Housekeeping(bus, journal, driver, clock, settings.journal.retention)
            chores = [
                tasks.create_task(housekeeping.ticks(), name="deadlines"),
                tasks.create_task(housekeeping.marks(), name="low mark"),
                tasks.create_task(housekeeping.retention(), name="retention"),
                tasks.create_task(metrics.loop_lag(), name="loop lag"),
            ]
            running = tasks.create_task(supervisor.run(), name="supervisor")
            async with (
                AdminEndpoint(place.runtime.admin_socket, admin),
                HealthServer(settings.metrics, metrics, admin.health),
            ):
                self.started.set()
                await self._stop.wait()
                supervisor.shutdown()
                await running
            await endpoints.close_all()
            for chore in [*chores, *stewards.tasks]:
                chore.cancel()


@contextlib.asynccontextmanager
async def _running(journal: Journal) -> AsyncIterator[None]:
    task = asyncio.create_task(journal.run(), name="journal")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def place_of(data: Path, runtime: RuntimePaths, config: KernelConfig, environ: Mapping[str, str]) -> Place:
    """Where a kernel with this data directory runs."""
    return Place(DataPaths(data), runtime, config, environ)
