"""State as Admin shows it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from jackfield.v1 import admin_pb2, error_pb2, event_pb2, frame_pb2, journal_pb2

from ..bus.bus import Bus
from ..bus.ledger import DEAD_BUCKET
from ..errors import problem, to_wire
from ..journal.clock import JournalClock
from ..journal.journal import Journal
from ..journal.log import JournalInfo, LogDriver
from ..routing.tables import RouteTables
from ..session.bots import Bot, Bots
from ..session.hub import Hub
from ..session.registry import Registry, source_of
from ..state.blobs import Blobs
from ..supervisor import PluginSnapshot, Reason, State, Supervisor

TEXT_LIMIT = 120
STUCK_SECONDS = 5.0
UNWANTED = {"DISABLED", "NOT_CONFIGURED", "NO_BOTS"}
"""Reasons of a plugin that nobody wants to run."""
SKEWED_SECONDS = 5.0
HOLD_REMEDIES = {
    "LOST_TAIL": "Stop the kernel and put the newer journal back, or accept the loss: `jackfield resume LOST_TAIL`.",
    "RESTART_LOOP": "Look at the log for why it ended; it goes on by itself after a minute, or at `jackfield resume RESTART_LOOP`.",
}
GOOD = {State.ACTIVE, State.STARTING, State.DRAINING}


class Listener(Protocol):
    """The kernel's HTTP listener."""

    host: str
    port: int
    problem: error_pb2.Error | None


@dataclass(frozen=True)
class View:
    """Everything that listings read from."""

    version: str
    pid: int
    started: float
    data_dir: str
    info: JournalInfo
    hub: Hub
    bus: Bus
    journal: Journal
    driver: LogDriver
    routes: RouteTables
    registry: Registry
    bots: Bots
    supervisor: Supervisor
    listener: Listener
    clock: JournalClock
    blobs: Blobs

    def plugin(self, snapshot: PluginSnapshot) -> admin_pb2.PluginStatus:
        """One plugin."""
        now = time.time()
        installed = self.registry.plugins.get(snapshot.name)
        session = self.hub.sessions.serving(snapshot.name)
        status = admin_pb2.PluginStatus(
            name=snapshot.name,
            version=snapshot.version,
            kind=snapshot.kind,
            state=snapshot.state.value,
            pid=snapshot.pid or 0,
            since=_time(now - snapshot.since),
            restarts=max(0, snapshot.starts - 1),
            addresses=[frame_pb2.Address(label=label, url=url) for label, url in snapshot.addresses],
            boundary=snapshot.boundary,
            launcher=snapshot.launcher,
            leased=len(session.leases) if session is not None else 0,
            source=snapshot.origin,
            title=str(installed.manifest.title) if installed else "",
        )
        if snapshot.state is not State.ACTIVE or not snapshot.ready:
            status.reason.CopyFrom(reason_error(snapshot.reason))
        return status

    def bot(self, bot: Bot) -> admin_pb2.BotStatus:
        """One bot."""
        return admin_pb2.BotStatus(
            name=bot.spec.name,
            adapter=bot.spec.adapter,
            platform=bot.spec.platform,
            enabled=bot.spec.enabled,
            state=bot.state,
            reason=bot.reason,
            source=source_of(bot.spec.source),
            addresses=[address for said in bot.addresses.values() for address in said],
        )

    async def status(self) -> admin_pb2.Status:
        """Everything."""
        snapshots = self.supervisor.snapshot()
        bus, counters = self.bus, self.bus.counters
        figures = admin_pb2.BusStatus(
            accepted=counters.accepted,
            done=counters.done,
            unrouted=counters.unrouted,
            duplicates=counters.duplicates,
            ready=bus.ready(),
            leased=bus.turns.leased,
            dead=len(await self.driver.entries(DEAD_BUCKET, limit=10_000)),
            dropped=counters.dropped,
            lanes=sum(len(queue.lanes) for queue in bus.turns.queues.values()),
            waiting=bus.waiting.count,
        )
        figures.oldest.FromMilliseconds(int(bus.oldest() * 1000))
        return admin_pb2.Status(
            kernel_version=self.version,
            pid=self.pid,
            start_time=_time(self.started),
            data_dir=self.data_dir,
            plugins=[self.plugin(snapshot) for snapshot in snapshots],
            bots=[self.bot(bot) for _, bot in sorted(self.bots.bots.items())],
            bus=figures,
            problems=self.problems(snapshots, figures),
            journal=self.info.identity,
            boot=self.info.boot,
            settled=settled(snapshots),
            addresses=self.addresses(),
            storage=admin_pb2.StorageStatus(
                journal_bytes=self.driver.size(),
                blobs=self.blobs.count,
                blob_bytes=self.blobs.bytes,
                max_blob_bytes=self.blobs.max_bytes,
            ),
        )

    def addresses(self) -> list[frame_pb2.Address]:
        """Addresses of the kernel itself."""
        port = self.listener.port
        if not port:
            return []
        return [
            frame_pb2.Address(label="Metrics and health", url=f"http://{self.listener.host}:{port}/metrics")
        ]

    def problems(
        self, snapshots: list[PluginSnapshot], figures: admin_pb2.BusStatus
    ) -> list[error_pb2.Error]:
        """What needs attention, each with cause and remedy."""
        found: list[error_pb2.Error] = []
        for reason, text in self.bus.turns.holds.items():
            found.append(problem(reason, f"nothing is leased: {text}", remedy=HOLD_REMEDIES[reason]))
        if self.clock.skewed > SKEWED_SECONDS:
            text = (
                f"the machine's clock stands {self.clock.skewed:.0f} s behind the last write of the journal"
            )
            remedy = "Set the clock; ages and retention go on from the journal's own time meanwhile."
            found.append(problem("CLOCK_BEHIND", text, remedy=remedy, seconds=f"{self.clock.skewed:.0f}"))
        if self.blobs.max_bytes and self.blobs.bytes > 0.9 * self.blobs.max_bytes:
            text = f"blobs take {self.blobs.bytes} bytes of at most {self.blobs.max_bytes}"
            remedy = "Raise blobs.max_bytes, or shorten journal.retention."
            found.append(problem("QUOTA_EXCEEDED", text, remedy=remedy))
        pending = self.driver.pending()
        if pending.oldest_seconds > STUCK_SECONDS:
            remedy = "Look at the disk of the data directory; nothing is acknowledged until it writes again."
            text = f"a commit of the journal has taken {pending.oldest_seconds:.0f} s so far"
            found.append(problem("JOURNAL_FAILED", text, remedy=remedy))
        if self.journal.failure is not None:
            found.append(to_wire(self.journal.failure))
        if self.listener.problem is not None:
            found.append(self.listener.problem)
        for snapshot in snapshots:
            if snapshot.state not in GOOD and snapshot.reason.name not in UNWANTED:
                error = reason_error(snapshot.reason)
                error.message = f"plugin {snapshot.name} is {snapshot.state}: {error.message}"
                error.remedy = error.remedy or f"jackfield plugin logs {snapshot.name}"
                found.append(error)
            session = self.hub.sessions.serving(snapshot.name)
            for warning in session.warnings if session is not None else ():
                error = error_pb2.Error()
                error.CopyFrom(warning)
                error.message = f"{snapshot.name}: {warning.message}"
                found.append(error)
        for name, bot in sorted(self.bots.bots.items()):
            if bot.state == frame_pb2.BOT_STATE_FAILED and bot.reason is not None:
                error = error_pb2.Error()
                error.CopyFrom(bot.reason)
                error.message = f"bot {name}: {error.message}"
                found.append(error)
        for reason in self.routes.waiting_reasons() if figures.waiting else ():
            remedy = "Install a router plugin, declare `routes` in jackfield.yaml, or push the set."
            found.append(problem("UNAVAILABLE", f"events wait: {reason}", remedy=remedy))
        for name in sorted(self.bus.shares.paused):
            held = self.bus.shares.held[name]
            text = (
                f"bot {name} is pushed back: {held.events} of its events ({held.bytes} bytes) are not settled"
            )
            remedy = "See which handler does not keep up: `jackfield top`. The bot goes on by itself; `limits.open_events` is the bound."
            found.append(problem("OVERLOADED", text, remedy=remedy, bot=name))
        handlers = {queue.handler for queue in self.bus.turns.queues.values() if queue.lanes}
        for handler in sorted(handlers - self.registry.names()):
            remedy = "Install it, or change the rule: `jackfield route list`."
            found.append(
                problem(
                    "NO_PROVIDER", f"events wait for handler {handler}, which is not installed", remedy=remedy
                )
            )
        return found


def settled(snapshots: list[PluginSnapshot]) -> bool:
    """Whether every plugin that is wanted is ready or has failed."""
    return all(
        snapshot.ready if snapshot.state is State.ACTIVE else snapshot.state is not State.STARTING
        for snapshot in snapshots
    )


def reason_error(reason: Reason) -> error_pb2.Error:
    """A reason of the supervisor."""
    return error_pb2.Error(reason=reason.name, message=reason.text, remedy=reason.remedy)


def summary(sequence: int, record: journal_pb2.AcceptedRecord) -> admin_pb2.EventSummary:
    """An event on one line."""
    event = record.event
    return admin_pb2.EventSummary(
        id=event.id,
        type=event.type,
        bot=event.bot,
        lane=record.lane,
        time=record.time,
        text=text_of(event),
        sender=event.sender.nickname or event.sender.id,
        sequence=sequence,
    )


def text_of(event: event_pb2.Event) -> str:
    """What an event says, at most 120 characters."""
    kind = event.WhichOneof("payload")
    if kind in ("message_received", "message_edited"):
        segments = getattr(event, kind).message.segments
        parts = [
            segment.text.text
            if segment.WhichOneof("content") == "text"
            else f"[{segment.WhichOneof('content')}]"
            for segment in segments
        ]
        return "".join(parts)[:TEXT_LIMIT]
    if kind == "platform_event":
        return event.platform_event.action[:TEXT_LIMIT]
    return ""


def struct(values: Mapping[str, Any]) -> Struct:
    """A mapping as a protobuf object."""
    message = Struct()
    message.update(values)
    return message


def _time(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromMilliseconds(int(seconds * 1000))
    return stamp
