"""Publishes of plugins: checked, stamped, and given to the bus."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from jackfield.v1 import error_pb2, frame_pb2, kernel_pb2

from ..bus.bus import Answer, Bus
from ..errors import problem
from ..journal.log import Put, Unit
from ..telemetry.tracing import NoTracing, Tracing
from .checkpoints import Checkpoints
from .session import Session

MAX_EVENT_BYTES = 256 * 1024
MAX_CHECKPOINT_BYTES = 4 * 1024
MAX_UNACKNOWLEDGED = 1_024

STREAM_BUCKET = "stream"


class Platforms(Protocol):
    """What the manifests of adapters say about intake."""

    def platform_of(self, plugin: str) -> str:
        """Platform of an adapter; empty for other plugins."""
        ...

    def adapter_of(self, bot: str) -> str | None:
        """Plugin id of a bot's adapter; None where there is no such bot."""
        ...

    def dedup_horizon(self, plugin: str) -> float:
        """Seconds for which its platform may deliver an update again."""
        ...


class Intake:
    """Takes publish frames of all sessions."""

    def __init__(self, bus: Bus, platforms: Platforms, checkpoints: Checkpoints) -> None:
        self._bus = bus
        self._platforms = platforms
        self._checkpoints = checkpoints
        self.refused = 0
        self.tracing: Tracing = NoTracing()

    def publish(self, session: Session, publish: frame_pb2.Publish) -> None:
        """One publish. Its fate is told by the stream's next ack."""
        stream, sequence = session.publishes, publish.sequence
        if sequence > stream.received + 1:
            session.fault(
                "PROTOCOL_VIOLATION", f"publish {sequence} leaves a gap after {stream.received}", "publish"
            )
            return
        if not stream.take(sequence):
            return
        error = self._wrong(session, publish)
        if error is not None:
            self._refuse(session, sequence, error)
            return
        marks = [Put(STREAM_BUCKET, session.instance, str(sequence).encode())]
        self._store(session, publish, marks, partial(stream.finished, sequence))

    def _store(self, session: Session, publish: frame_pb2.Publish, marks: list[Put], answer: Answer) -> None:
        event = publish.event
        event.plugin = session.plugin
        adapter = session.plugin if event.bot in session.open_bots else self._platforms.adapter_of(event.bot)
        event.platform = self._platforms.platform_of(adapter) if adapter else ""
        event.depth = 0
        answer = self.tracing.accept(event, answer)
        if publish.checkpoint:
            marks.append(self._checkpoints.mark(event.bot, publish.checkpoint))
        self._bus.publish(
            session.plugin,
            event,
            dedup_key=publish.dedup_key,
            horizon=self._platforms.dedup_horizon(session.plugin),
            marks=tuple(marks),
            answer=answer,
        )

    def publish_once(self, session: Session, request: kernel_pb2.PublishRequest, answer: Answer) -> None:
        """A publish by RPC: outside the numbered stream, known by its event id and key alone."""
        publish = frame_pb2.Publish(
            event=request.event, dedup_key=request.dedup_key, checkpoint=request.checkpoint
        )
        error = self._wrong(session, publish)
        if error is not None:
            answer(error)
            return
        self._store(session, publish, [], answer)

    def refuse(self, session: Session, sequence: int, error: error_pb2.Error) -> None:
        """A publish that was refused before it was looked at."""
        if session.publishes.take(sequence):
            self._refuse(session, sequence, error)

    def _refuse(self, session: Session, sequence: int, error: error_pb2.Error) -> None:
        """The number is used up, and that is committed too: a kernel that held less would have to say LOST_TAIL."""
        self.refused += 1
        mark = Put(STREAM_BUCKET, session.instance, str(sequence).encode())
        done = partial(session.publishes.finished, sequence, error)
        self._bus.journal.submit(Unit(), lambda _: done(), (mark,))

    def _wrong(self, session: Session, publish: frame_pb2.Publish) -> error_pb2.Error | None:
        event = publish.event
        if not event.id or len(event.id) > 128 or not event.type:
            return problem(
                "INVALID_ARGUMENT", "an event needs an id of at most 128 characters and a type", field="event"
            )
        if event.bot not in session.open_bots and (error := self._not_own(session, publish)) is not None:
            return error
        size = event.ByteSize()
        if size > MAX_EVENT_BYTES:
            return problem(
                "CONTENT_TOO_LARGE",
                f"an event of {size} bytes; at most {MAX_EVENT_BYTES} are allowed",
                remedy="Carry media as blobs and the raw object as `raw_blob_id`.",
                limit=str(MAX_EVENT_BYTES),
                unit="bytes",
            )
        if self._bus.shares.refuses(event.bot):
            return problem(
                "OVERLOADED",
                f"bot {event.bot} has more open events than its share, and was told to wait",
                remedy="See `jackfield status` for the handler that does not keep up.",
            )
        if len(publish.checkpoint) > MAX_CHECKPOINT_BYTES:
            return problem("CONTENT_TOO_LARGE", "a checkpoint is at most 4 KiB", limit="4096", unit="bytes")
        unacknowledged = session.publishes.received - session.publishes.committed
        if unacknowledged > 2 * MAX_UNACKNOWLEDGED:
            return problem("OVERLOADED", f"{unacknowledged} publishes wait for their commit")
        return None

    def _not_own(self, session: Session, publish: frame_pb2.Publish) -> error_pb2.Error | None:
        """An event of a plugin that does not carry the bot: of its own type alone, about any bot with the grant `send`."""
        event = publish.event
        own = event.type.startswith(f"{session.plugin}.")
        if own and not event.bot:
            return None
        if not own or publish.checkpoint or self._platforms.adapter_of(event.bot) is None:
            return problem(
                "UNKNOWN_BOT",
                f"bot {event.bot!r} is not open on this session",
                remedy="Publish for bots that OpenBot opened; events of your own without a bot or about one that exists.",
                bot=event.bot,
            )
        # Who answers such an event writes into the chat that it names.
        if not session.grants.has("send"):
            return problem(
                "GRANT_MISSING",
                f"{session.plugin} may not publish events about the bot {event.bot!r}",
                remedy="Ask for the grant `send` in the manifest.",
                grant="send",
            )
        return None
