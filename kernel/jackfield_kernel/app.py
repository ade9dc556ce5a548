"""The composition root: the only place that builds the parts and says which uses which."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from jackfield.v1 import event_pb2

from . import __version__
from .admin.audit import AuditPart
from .admin.bots import BotsPart, RoutesPart
from .admin.care import CarePart
from .admin.endpoint import AdminEndpoint
from .admin.entries import EntriesPart
from .admin.events import EventsPart
from .admin.figures import FiguresPart
from .admin.kernel import KernelPart
from .admin.logs import LogsPart
from .admin.plugins import PluginsPart
from .admin.secrets import SecretsPart
from .admin.views import View, settled
from .broker.broker import Broker
from .broker.kept import BUCKET as KEPT_BUCKET
from .broker.kept import KeptResults
from .broker.methods import METHODS
from .bus.audit import AuditTrail
from .bus.bus import Bus
from .bus.deadletters import DeadLetters
from .bus.figures import queue_figures
from .bus.forgetting import Forgetting
from .bus.housekeeping import Housekeeping
from .bus.ledger import DEAD_BUCKET
from .bus.observers import Observers
from .bus.replay import Replay
from .bus.starts import Starts
from .bus.turns import Turns
from .config import KernelConfig
from .errors import Refused
from .forkserver import ForkServer
from .hooks import Hooks
from .journal.clock import JournalClock, boottime
from .journal.journal import Journal
from .journal.log import JournalInfo, LogDriver
from .journal.memory import MemoryLog
from .journal.sqlite.driver import SqliteLog
from .journal.sqlite.restored import META_BUCKET, RESTORED_KEY
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
from .state.backup import Backup
from .state.blobs import Blobs
from .state.collector import Collector
from .state.credentials import Credentials, credentials_directory
from .state.keyfile import VARIABLE, KeyFile
from .state.kv import KeyValues
from .state.leases import Leases
from .state.quotas import Quotas
from .state.secrets import EmbeddedSecrets, SecretStore
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
from .telemetry.redaction import Redactor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a kernel runs, and with what. `memory`: nothing survives the process."""

    data: DataPaths
    runtime: RuntimePaths
    config: KernelConfig
    environ: Mapping[str, str]
    memory: bool = False
    redactor: Redactor = field(default_factory=Redactor)


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
            bound = place.config.settings.journal.max_bytes
            driver: LogDriver = (
                MemoryLog() if place.memory else SqliteLog(place.data.journal, max_bytes=bound)
            )
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
            tables = KeptRoutes(driver, journal)
            routes = RouteTables(tables.keep)
            secrets = await open_secrets(place, self._hooks, driver, journal, clock)
            registry = Registry(place.config, place.environ, journal, driver, secrets, place.redactor)
            kv = KeyValues(journal, driver, clock.now, Quotas(driver, registry.quota_of, tasks))
            leases = Leases(journal, driver, clock.now)
            identities, blobs = Identities(journal, driver), Blobs(place.data.blobs, settings.blobs.max_bytes)
            collector = Collector(blobs, driver, (DEAD_BUCKET, KEPT_BUCKET), time.time)
            credentials = Credentials(credentials_directory, str(place.data.root), boottime)

            # Events and calls.
            tracing, decider = traced(place.environ, routes, __version__)
            bus = Bus(journal, decider, clock, Turns(info.boot))
            bus.limits.lane_waiting = settings.limits.lane_ready
            bus.shares.events, bus.shares.size = settings.limits.open_events, settings.limits.open_bytes
            bus.limits.dead_kept = settings.journal.dead_letters
            bus.on_written = kv.written
            observers = Observers(driver, journal, last=info.last_sequence)
            kept_results = KeptResults(journal, driver, clock.now)
            broker = Broker(bus, registry, kept_results, clock.now, tasks)
            metrics = Metrics(bus, broker, journal, driver, blobs, METHODS)
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
                credentials,
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
            endpoints.loop = loop = FrameLoop(bus, broker, intake, liaison, liaison, kv.quotas.check)
            alarms = Alarms(bus, supervisor, bots)
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
                secrets,
                place.redactor,
            )

            # What an earlier kernel left.
            await tables.load(routes, settings.routes)
            for load in (
                identities.load,
                hub.load,
                leases.load,
                registry.load,
                checkpoints.load,
                installation.load,
                blobs.load,
            ):
                await load()
            if (restored := await driver.get(META_BUCKET, RESTORED_KEY)) is not None:
                bus.limits.parked_until = int(restored.value)
            starts = Starts(driver, journal, bus.turns, settings.limits.crash_starts)
            await starts.begin(clock.now())
            if open_events := await Replay(bus, clock.now).run(driver):
                log.info("%d events are open from an earlier run", open_events)
            installation.discover()
            await installation.seal_kept()

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
                clock=clock,
                blobs=blobs,
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
                FiguresPart(view, metrics, blobs, observers, broker.outbox.waiting),
                SecretsPart(view, secrets, installation, place.redactor),
                EntriesPart(view, kv),
                CarePart(
                    view,
                    Backup(place.data, driver, collector, __version__),
                    Forgetting(bus, observers, kv, collector),
                    starts,
                    secrets,
                ),
            )

            def accepted(sequence: int, event: event_pb2.Event) -> None:
                observers.accepted(sequence, event)
                events.accepted(sequence, event)

            bus.on_accepted = accepted
            bus.on_duplicate = events.duplicate

            kept = settings.journal
            housekeeping = Housekeeping(bus, journal, driver, clock, kept.retention, kept.audit)
            housekeeping.on_trimmed = observers.trimmed
            chores = [
                tasks.create_task(housekeeping.ticks(), name="deadlines"),
                tasks.create_task(housekeeping.marks(), name="low mark"),
                tasks.create_task(housekeeping.retention(), name="retention"),
                tasks.create_task(metrics.loop_lag(), name="loop lag"),
                tasks.create_task(trail.flushes(), name="audit trail"),
                tasks.create_task(alarms.looks(driver), name="alarms"),
                tasks.create_task(collector.run(), name="blobs"),
                tasks.create_task(credentials.renew(), name="credentials"),
                tasks.create_task(starts.calm(), name="calm"),
            ]
            manager = ServiceManager(place.environ)
            chores.append(tasks.create_task(manager.beats(), name="service manager"))
            running = tasks.create_task(supervisor.run(), name="supervisor")
            async with (
                AdminEndpoint(place.runtime.admin_socket, parts, place.redactor, trail),
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
            if not self.handing_over:
                await credentials.release_all()
            starts.end()
            for chore in chores:
                chore.cancel()


async def open_secrets(
    place: Place, hooks: Hooks, driver: LogDriver, journal: Journal, clock: JournalClock
) -> SecretStore:
    """The secret store that the configuration names, open. Raises KernelError: then the kernel does not start."""
    settings = place.config.settings.secrets
    key = KeyFile(settings.key_file or place.data.secret_key, place.environ.get(VARIABLE))
    stores = {"embedded": lambda _: EmbeddedSecrets(driver, journal, key, clock.now), **hooks.secret_stores()}
    make = stores.get(settings.store)
    if make is None:
        raise Refused(
            "CONFIG_INVALID",
            f"secrets.store: there is no secret store {settings.store!r}",
            remedy=f"Name one of {', '.join(sorted(stores))}, or install the extension that provides it.",
            key="secrets.store",
        )
    store: SecretStore = make(settings.settings)
    await store.open()
    place.redactor.hold("secrets", [secret.value for secret in store.all().values()])
    return store


def _health(view: View) -> Health:
    snapshots = view.supervisor.snapshot()
    return Health(
        alive=view.journal.failure is None,
        ready=settled(snapshots),
        detail={snapshot.name: snapshot.state.value for snapshot in snapshots},
    )
