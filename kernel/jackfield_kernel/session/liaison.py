"""Keeps supervisor, bots and observers informed of sessions, and the bus of processes that ended."""

from __future__ import annotations

import asyncio
import logging

from jackfield.v1 import frame_pb2

from ..bus.bus import Bus
from ..bus.observers import Observers
from ..errors import Refused
from ..supervisor import Supervisor
from .border import contained
from .bots import Bots
from .evidence import Evidence
from .hub import Hub
from .registry import Registry
from .session import Session

log = logging.getLogger(__name__)

MOST_WARNINGS = 20
"""Of one plugin; more would hide what others say."""


class Link:
    """A session as the supervisor sees it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def goaway(self, reason: str, deadline: float) -> None:
        """Ask the plugin to finish."""
        self._session.goaway(reason.lower(), deadline)

    def closed(self) -> bool:
        """Whether the stream ended."""
        return self._session.closed.is_set()


class Liaison:
    """Implements what the frame loop reports to, and listens to the hub."""

    def __init__(
        self,
        hub: Hub,
        bots: Bots,
        supervisor: Supervisor,
        observers: Observers,
        registry: Registry,
        bus: Bus,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._hub = hub
        self._bots = bots
        self._supervisor = supervisor
        self._observers = observers
        self._registry = registry
        self._bus = bus
        self._tasks = tasks
        self._observing: dict[str, asyncio.Task[None]] = {}
        self._evidence = Evidence(bots, registry.liveness_bound)
        bots.on_stuck = supervisor.stuck
        listener = hub.listener
        listener.registered = supervisor.registered
        listener.refused = self._refused
        listener.attached = self._attached
        listener.detached = self._detached
        supervisor.on_change(lambda name, state, reason: registry.changed())

    # From the hub.

    def _refused(self, instance: str, pid: int, refusal: Refused) -> None:
        """A process that an earlier kernel left is told to end; that says nothing against the one started here."""
        running = self._supervisor.pid(instance)
        if pid and running and pid != running:
            log.info("process %d of plugin %s, left by an earlier kernel, was turned away", pid, instance)
        else:
            self._supervisor.refused(instance, refusal.reason, refusal.message)

    def _attached(self, session: Session) -> None:
        self._supervisor.attached(session.instance, Link(session))

    def _detached(self, session: Session, reason: str) -> None:
        serves = self._hub.sessions.serves(session)
        if serves:
            self._stop_observing(session.plugin)
        self._bots.adapter_gone(session, reason, serves=serves)
        if session.close_error is None or session.close_error.reason != "SESSION_REPLACED":
            self._supervisor.detached(session.instance, reason)

    # From the frame loop.

    def heartbeat(self, session: Session, ping: frame_pb2.Ping) -> None:
        """A ping arrived."""
        self._supervisor.heartbeat(session.instance)
        if ping.evidence:
            self._evidence.heard(session, ping)

    def report(self, session: Session, report: frame_pb2.Report) -> None:
        """The plugin says something about itself."""
        if report.readiness == frame_pb2.READINESS_READY:
            addresses = [(address.label, address.url) for address in report.addresses]
            self._supervisor.ready(session.instance, addresses)
            self._bots.located(session, report.addresses)
            if not session.ready:
                self._hub.ready(session)
                if self._hub.sessions.serves(session):
                    self._bots.adapter_ready(session)
                    self._observe(session)
        elif report.readiness == frame_pb2.READINESS_NOT_READY:
            reason = report.reason
            self._supervisor.not_ready(session.instance, f"{reason.message} {reason.remedy}".strip())
            self._hub.not_ready(session)
        if report.readiness != frame_pb2.READINESS_UNSPECIFIED:
            session.warnings = tuple(report.warnings[:MOST_WARNINGS])
        for bot in report.bots:
            self._bots.reported(session, bot)

    def leaving(self, session: Session, goaway: frame_pb2.Goaway) -> None:
        """The plugin wants to end: nothing new goes to it."""
        self._hub.not_ready(session)

    def settled(self, session: Session, sequence: int) -> None:
        """An observer is done with everything up to `sequence`."""
        if self._hub.sessions.serves(session):
            self._observers.settled(session.plugin, sequence)

    def promoted(self, plugin: str) -> None:
        """Another generation serves: it observes from where the earlier one settled last."""
        self._stop_observing(plugin)
        session = self._hub.sessions.serving(plugin)
        if session is not None and session.ready:
            self._observe(session)

    def _stop_observing(self, plugin: str) -> None:
        task = self._observing.pop(plugin, None)
        if task is not None:
            task.cancel()

    def _observe(self, session: Session) -> None:
        installed = self._registry.plugins.get(session.plugin)
        wanted = installed.manifest.observes if installed else []
        granted = set(session.grants.observes)
        patterns = tuple(pattern for pattern in wanted if pattern in granted or "*" in granted)
        if patterns and session.plugin not in self._observing:
            work = contained(self._observers.serve(session, patterns), f"observer {session.plugin}")
            self._observing[session.plugin] = self._tasks.create_task(work, name=f"observer {session.plugin}")

    def stop(self) -> None:
        """End what runs for observers."""
        for task in self._observing.values():
            task.cancel()
        self._observing.clear()
