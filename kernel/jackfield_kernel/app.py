"""The composition root: the only place that builds the parts and says which uses which."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

from jackfield.v1 import event_pb2

from . import __version__
from .admin.audit import AuditPart
from .admin.bots import BotsPart, RoutesPart
from .admin.endpoint import AdminEndpoint
from .admin.events import EventsPart
from .admin.figures import FiguresPart
from .admin.kernel import KernelPart
from .admin.logs import LogsPart
from .admin.plugins import PluginsPart
from .admin.views import View, settled
from .broker.broker import Broker
from .broker.kept import KeptResults
from .broker.methods import METHODS
from .bus.audit import AuditTrail
from .bus.bus import Bus
from .bus.deadletters import DeadLetters
from .bus.figures import queue_figures
from .bus.housekeeping import Housekeeping
from .bus.observers import Observers
from .bus.replay import Replay
from .bus.turns import Turns
from .config import KernelConfig
from .forkserver import ForkServer
from .hooks import Hooks
from .journal.clock import JournalClock
from .journal.journal import Journal
from .journal.log import JournalInfo, LogDriver
from .journal.memory import MemoryLog
from .journal.sqlite.driver import SqliteLog
from .paths import DataPaths, KernelLock, RuntimePaths
from .routing.kept import KeptRoutes
from .routing.tables import RouteTables
from .session.alarms import Alarms
from .session.attach import FrameLoop
from .session.auditing import audit_calls
from .session.bots import Bots
from .session.checkpoints import Checkpoints
from .session.endpoint import Endpoints
from .session.hub import Hub
from .session.identity import Identities
from .session.installation import Installation
from .session.intake import Intake
from .session.liaison import Liaison
from .session.methods import KernelMethods
from .session.registry import Registry
from .session.tracing import traced
from .session.unary import bulk_handlers, unary_methods
from .session.upgrade import Upgrades
from .state.blobs import Blobs
from .state.kv import KeyValues
from .state.leases import Leases
from .supervisor import (
    ControlGroups,
    IsolatedLauncher,
    Limiter,
    PreloadedLauncher,
    ProcessLauncher,
    Supervisor,
    Surroundings,
    Timing,
)
from .telemetry.health import Health, HealthServer
from .telemetry.metrics import Metrics
from .telemetry.notify import READY, STOPPING, ServiceManager
from .telemetry.plugin_logs import log_line
from .telemetry.plugin_metrics import PluginMetrics
from .telemetry.storage_sizes import StorageSizes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a kernel runs, and with what. `memory`: nothing survives the process."""

    data: DataPaths
    runtime: RuntimePaths
    config: KernelConfig
    environ: Mapping[str, str]
    memory: bool = False


class Kernel:
    """One running kernel. `run` builds it, serves until `stop`, and takes it apart again.

    `forks` is a fork server that was started ahead of it; whoever started it ends it, harmlessly also a second time.
    """

    def __init__(self, place: Place, hooks: Hooks, forks: ForkServer | None = None) -> None:
        self._place = place
        self._hooks = hooks
        self._forks = forks
        self._stop = asyncio.Event()
        self.started = asyncio.Event()
        self.handing_over = False
        """The kernel ends, or ended, without its plugins: they wait for the next one."""
        self.starts_again = False
        """Whoever runs the kernel shall start it anew once `run` returned."""

    def stop(self) -> None:
        """Drain the plugins and end."""
        self._stop.set()

    def hand_over(self, *, start_again: bool = False) -> None:
        """End and leave the plugins running, for the next kernel to adopt."""
        self.handing_over, self.starts_again = True, start_again
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
                committing = asyncio.create_task(journal.run(), name="journal")
                committing.add_done_callback(lambda _: self.stop())
                try:
                    await self._serve(driver, journal, clock, info)
                    if not committing.done():
                        await journal.drained()
                finally:
                    committing.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await committing
            finally:
                await driver.close()

    async def _serve(
        self, driver: LogDriver, journal: Journal, clock: JournalClock, info: JournalInfo
    ) -> None:
        place, settings = self._place, self._place.config.settings
        async with asyncio.TaskGroup() as tasks:
            # State that outlives the process.
            kept = KeptRoutes(driver, journal)
            routes = RouteTables(kept.keep)
            kv, leases = KeyValues(journal, driver, clock.now), Leases(journal, driver, clock.now)
            registry = Registry(place.config, place.environ, journal, driver)
            identities, blobs = Identities(journal, driver), Blobs(place.data.blobs)

            # Events and calls.
            tracing, decider = traced(place.environ, routes, __version__)
            bus = Bus(journal, decider, clock, Turns(info.boot))
            bus.limits.lane_waiting = settings.limits.lane_ready
            bus.on_written = kv.written
            observers = Observers(driver, journal, last=info.last_sequence)
            broker = Broker(bus, registry, KeptResults(journal, driver, clock.now), clock.now, tasks)
            metrics = Metrics(bus, broker, journal, driver, METHODS)
            trail = AuditTrail(journal, clock.now)
            audit_calls(broker, trail)

            # Sessions.
            checkpoints = Checkpoints(journal, driver)
            intake = Intake(bus, registry, checkpoints)
            intake.tracing = tracing
            hub = Hub(bus, broker, identities, driver, info, registry.admit, __version__)
            bots = Bots(
                broker,
                hub.sessions.serving,
                checkpoints,
                tasks,
                registry.changed,
            )
            registry.bots, registry.sessions = bots, hub.peer
            methods = KernelMethods(bus, broker, kv, leases, routes, registry, tasks)
            unary = unary_methods(hub, methods, broker, intake)
            endpoints = Endpoints(place.runtime, hub, identities, unary, bulk_handlers(hub, blobs))

            # Plugins.
            plain = ProcessLauncher()
            preloaded = PreloadedLauncher(plain, self._forks)
            supervisor = Supervisor(
                Surroundings(
                    paths=place.data,
                    endpoints=endpoints,
                    launchers={
                        "process": plain,
                        "preloaded": preloaded,
                        "isolated": IsolatedLauncher((place.data.root, place.runtime.root)),
                        **self._hooks.launchers(),
                    },
                    limiter=Limiter(ControlGroups.delegated(place.runtime.root.name)),
                    may_use_network=registry.may_use_network,
                    environ=place.environ,
                    clock=time.monotonic,
                    dice=random.random,
                    log=log_line,
                    kernel_version=__version__,
                    timing=Timing(register=settings.limits.register_deadline, drain=settings.limits.drain),
                )
            )
            registry.snapshots = supervisor.snapshot
            liaison = Liaison(hub, bots, supervisor, observers, registry, bus, tasks)
            endpoints.loop = loop = FrameLoop(bus, broker, intake, liaison, liaison)
            alarms = Alarms(bus, supervisor, bots)
            sizes = StorageSizes(place.data.journal, place.data.blobs)
            metrics.add(sizes)
            metrics.add(
                PluginMetrics(
                    supervisor.snapshot,
                    lambda: sum(1 for _ in hub.sessions),
                    lambda: queue_figures(bus),
                    broker.outbox.waiting,
                    observers,
                    loop.traffic,
                )
            )
            upgrades = Upgrades(supervisor, hub, bots, liaison, registry, journal)
            installation = Installation(
                place.config,
                place.environ,
                self._hooks,
                registry,
                supervisor,
                bots,
                upgrades,
                driver,
                journal,
            )

            # What an earlier kernel left.
            await kept.load(routes, settings.routes)
            for load in (
                identities.load,
                hub.load,
                leases.load,
                registry.load,
                checkpoints.load,
                installation.load,
            ):
                await load()
            if open_events := await Replay(bus, clock.now).run(driver):
                log.info("%d events are open from an earlier run", open_events)
            installation.discover()

            # Admin, metrics and health.
            http = HealthServer(settings.metrics, metrics, lambda: _health(view))
            view = View(
                version=__version__,
                pid=os.getpid(),
                started=time.time(),
                data_dir=str(place.data.root),
                info=info,
                hub=hub,
                bus=bus,
                journal=journal,
                driver=driver,
                routes=routes,
                registry=registry,
                bots=bots,
                supervisor=supervisor,
                listener=http,
            )
            events = EventsPart(view, DeadLetters(bus, driver))
            parts = (
                KernelPart(view, broker, place.config, self),
                PluginsPart(view, installation, place.data, tasks),
                BotsPart(view, installation),
                RoutesPart(view, broker),
                events,
                LogsPart(view, place.data),
                AuditPart(view),
                FiguresPart(view, metrics, sizes, observers, broker.outbox.waiting),
            )

            def accepted(sequence: int, event: event_pb2.Event) -> None:
                observers.accepted(sequence, event)
                events.accepted(sequence, event)

            bus.on_accepted = accepted
            bus.on_duplicate = events.duplicate

            housekeeping = Housekeeping(bus, journal, driver, clock, settings.journal.retention)
            housekeeping.on_trimmed = observers.trimmed
            chores = [
                tasks.create_task(housekeeping.ticks(), name="deadlines"),
                tasks.create_task(housekeeping.marks(), name="low mark"),
                tasks.create_task(housekeeping.retention(), name="retention"),
                tasks.create_task(metrics.loop_lag(), name="loop lag"),
                tasks.create_task(sizes.looks(), name="sizes"),
                tasks.create_task(trail.flushes(), name="audit trail"),
                tasks.create_task(alarms.looks(driver), name="alarms"),
            ]
            manager = ServiceManager(place.environ)
            chores.append(tasks.create_task(manager.beats(), name="service manager"))
            running = tasks.create_task(supervisor.run(), name="supervisor")
            async with (
                AdminEndpoint(place.runtime.admin_socket, parts, trail),
                http,
            ):
                self.started.set()
                manager.say(READY)
                await self._stop.wait()
                if not self.starts_again:
                    manager.say(STOPPING)
                hub.stopping = True
                if self.handing_over:
                    running.cancel()
                    await asyncio.wait({running})
                else:
                    supervisor.shutdown()
                    await running
            await preloaded.close()
            await endpoints.close_all()
            await asyncio.to_thread(tracing.close)
            liaison.stop()
            for chore in chores:
                chore.cancel()


def _health(view: View) -> Health:
    snapshots = view.supervisor.snapshot()
    return Health(
        alive=view.journal.failure is None,
        ready=settled(snapshots),
        detail={snapshot.name: snapshot.state.value for snapshot in snapshots},
    )
