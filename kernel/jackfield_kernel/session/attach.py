"""The control stream: what each frame of a plugin causes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Protocol

from google.protobuf.message import DecodeError
from jackfield.v1 import error_pb2, frame_pb2

from ..broker.broker import Broker
from ..bus.bus import Bus
from ..errors import problem
from ..telemetry.plugin_metrics import Traffic
from .framing import parse, too_large
from .intake import Intake
from .pacing import Pace
from .session import Session
from .settling import Admit, wrong

log = logging.getLogger(__name__)


class Stream(Protocol):
    """The server's side of one Attach call."""

    async def write(self, message: bytes) -> None:
        """Send one message; returns when the transport took it."""
        ...


class Observing(Protocol):
    """Cursors of observers."""

    def settled(self, session: Session, sequence: int) -> None:
        """An observer is done with everything up to `sequence`."""
        ...


class Watch(Protocol):
    """The supervisor and the bots, as the stream needs them."""

    def heartbeat(self, session: Session, ping: frame_pb2.Ping) -> None: ...

    def report(self, session: Session, report: frame_pb2.Report) -> None: ...

    def leaving(self, session: Session, goaway: frame_pb2.Goaway) -> None: ...


class FrameLoop:
    """Handles the frames of all sessions. One frame never disturbs another: what is wrong is refused by itself."""

    def __init__(
        self, bus: Bus, broker: Broker, intake: Intake, observing: Observing, watch: Watch, admit: Admit
    ) -> None:
        self._bus = bus
        self._broker = broker
        self._intake = intake
        self._observing = observing
        self._watch = watch
        self.traffic = Traffic()
        self._admit = admit
        self._handlers: dict[str, Callable[[Session, frame_pb2.Frame], None]] = {
            "publish": self._publish,
            "settle": self._settle,
            "call_open": self._call_open,
            "call_message": self._call_message,
            "call_half_close": self._call_half_close,
            "call_end": self._call_end,
            "cancel": self._cancel,
            "input": self._input,
            "credit": self._credit,
            "ping": self._ping,
            "goaway": self._goaway,
            "report": self._report,
            "fault": self._fault,
        }

    async def run(self, session: Session, batches: AsyncIterator[bytes], stream: Stream) -> None:
        """Serve the stream until either side ends it."""
        reader = asyncio.create_task(self._read(session, batches), name=f"read {session.plugin}")
        writer = asyncio.create_task(self._write(session, stream), name=f"write {session.plugin}")
        closed = asyncio.create_task(session.closed.wait(), name=f"closed {session.plugin}")
        tasks = (reader, writer, closed)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            session.close()
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _read(self, session: Session, batches: AsyncIterator[bytes]) -> None:
        async for batch in batches:
            self.batch(session, batch)

    async def _write(self, session: Session, stream: Stream) -> None:
        pace = Pace()
        while True:
            await session.batches()
            await pace.turn(session.under_way)
            while batch := session.take():
                self.traffic.batches_out += 1
                self.traffic.bytes_out += len(batch)
                await stream.write(batch)

    def batch(self, session: Session, data: bytes) -> None:
        """Handle one stream message, then lease what became possible."""
        try:
            frames = parse(data)
        except DecodeError:
            session.fault("PROTOCOL_VIOLATION", "a stream message that is no FrameBatch", "")
            return
        size = len(data)
        traffic = self.traffic
        traffic.batches_in += 1
        traffic.bytes_in += size
        traffic.frames_in += len(frames)
        handlers = self._handlers
        for frame in frames:
            kind = frame.WhichOneof("kind") or ""
            handler = handlers.get(kind)
            if handler is None:
                reason = "PROTOCOL_VIOLATION" if kind else "UNSUPPORTED_FRAME"
                session.fault(reason, f"frame {kind or 'of an unknown kind'} is not expected here", kind)
            elif too_large(frame, size):
                self._refuse_large(session, frame, kind)
            else:
                handler(session, frame)
        self._bus.turns.flush()

    def _refuse_large(self, session: Session, frame: frame_pb2.Frame, kind: str) -> None:
        error = problem(
            "FRAME_TOO_LARGE", f"frame {kind} is above 512 KiB", remedy="Carry large content as a blob."
        )
        if kind == "publish":
            self._intake.refuse(session, frame.publish.sequence, error)
        elif kind == "call_open":
            session.send(
                frame_pb2.Frame(call_end=frame_pb2.CallEnd(call_id=frame.call_open.call_id, error=error))
            )
        elif kind == "call_end":
            frame.call_end.body = b""
            frame.call_end.error.CopyFrom(error)
            self._call_end(session, frame)
        else:
            session.send(frame_pb2.Frame(fault=frame_pb2.Fault(error=error, kind=kind)))

    def _publish(self, session: Session, frame: frame_pb2.Frame) -> None:
        self._intake.publish(session, frame.publish)

    def _settle(self, session: Session, frame: frame_pb2.Frame) -> None:
        settle = frame.settle
        if settle.WhichOneof("outcome") == "observed_sequence":
            self._observing.settled(session, settle.observed_sequence)
            return
        if (
            settle.WhichOneof("outcome") == "done"
            and (error := wrong(session, settle.done, self._admit)) is not None
        ):
            session.settled(settle.fence, error)
            return
        self._bus.settle(session, settle, partial(session.settled, settle.fence))

    def _call_open(self, session: Session, frame: frame_pb2.Frame) -> None:
        self._broker.open(session, frame.call_open)

    def _call_message(self, session: Session, frame: frame_pb2.Frame) -> None:
        call_id = frame.call_message.call_id
        if call_id % 2:
            self._broker.from_caller(session, call_id, frame)
        else:
            self._broker.from_provider(session, call_id, frame)

    def _call_half_close(self, session: Session, frame: frame_pb2.Frame) -> None:
        self._broker.from_caller(session, frame.call_half_close.call_id, frame)

    def _call_end(self, session: Session, frame: frame_pb2.Frame) -> None:
        # An answer to a call that is over (cancelled, late) is no fault of the provider.
        self._broker.ended(session, frame.call_end)

    def _cancel(self, session: Session, frame: frame_pb2.Frame) -> None:
        if frame.cancel.WhichOneof("what") == "call_id":
            self._broker.cancel(session, frame.cancel.call_id, frame.cancel.error)
        else:
            session.fault("PROTOCOL_VIOLATION", "a plugin ends its delivery by settle", "cancel")

    def _input(self, session: Session, frame: frame_pb2.Frame) -> None:
        message = frame.input
        delivery = session.leases.get(message.fence)
        if delivery is None:
            session.fault("LEASE_LOST", "this delivery is not leased to this session", "input")
            return
        if message.read_event_id:
            self._bus.interrupts.read_input(session, message.fence, message.read_event_id)
        else:
            delivery.asks = message.ask_sender_id

    def _credit(self, session: Session, frame: frame_pb2.Frame) -> None:
        credit = frame.credit
        if credit.call_messages:
            if credit.call_id % 2:
                self._broker.from_caller(session, credit.call_id, frame)
            else:
                self._broker.from_provider(session, credit.call_id, frame)
            return
        session.credit(credit)
        self._bus.turns.touch(session.plugin)
        self._broker.provider_ready(session.plugin)

    def _ping(self, session: Session, frame: frame_pb2.Frame) -> None:
        self._watch.heartbeat(session, frame.ping)
        session.send(frame_pb2.Frame(ping=frame_pb2.Ping(number=frame.ping.number, reply=True)))

    def _goaway(self, session: Session, frame: frame_pb2.Frame) -> None:
        session.ending = True
        self._watch.leaving(session, frame.goaway)

    def _report(self, session: Session, frame: frame_pb2.Frame) -> None:
        self._watch.report(session, frame.report)

    def _fault(self, session: Session, frame: frame_pb2.Frame) -> None:
        error: error_pb2.Error = frame.fault.error
        log.warning(
            "plugin %s refused a %s frame: %s: %s",
            session.plugin,
            frame.fault.kind,
            error.reason,
            error.message,
        )
