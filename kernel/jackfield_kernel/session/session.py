"""One session: a plugin's stream as the rest of the kernel sees it. Sending never waits."""

from __future__ import annotations

import asyncio
import logging

from jackfield.v1 import error_pb2, event_pb2, frame_pb2

from ..broker.call import Call
from ..broker.grants import Grants
from ..bus.model import Delivery
from ..errors import problem
from ..supervisor.spec import plugin_of
from .framing import FrameTooLarge, Outgoing
from .publishing import PublishStream

log = logging.getLogger(__name__)

MAX_QUEUED_BYTES = 64 * 1024 * 1024
"""Bytes that may wait for a plugin that does not read; beyond it the session ends."""

NEWS_SECONDS = 0.002
"""How long an acknowledgement or a confirmation may wait for a batch to leave with."""

DEFAULTS = frame_pb2.Credit(deliveries=64, bypass_deliveries=16, calls=256, bytes=16 * 1024 * 1024)


class Session:
    """An attached plugin. Implements the bus's `Sink` and the broker's `Peer`.

    Attributes:
        plugin: its id.
        instance: which of its generations this is, see `supervisor.spec.PluginSpec.slot`.
        ready: whether the plugin reported that it can work; deliveries and calls wait until then.
        open_bots: bots whose events the plugin may publish.
        warnings: what it wants the operator to know although it works.
        ending: goaway was sent: what it still holds comes back uncounted.
    """

    def __init__(self, instance: str, session_id: str, grants: Grants, publishes: PublishStream) -> None:
        self.instance = instance
        self.plugin = plugin_of(instance)
        self.id = session_id
        self.grants = grants
        self.publishes = publishes
        self.leases: dict[int, Delivery] = {}
        self.bypassing = 0
        self.leased_bytes = 0
        self.provides: dict[int, Call] = {}
        self.opened: dict[int, Call] = {}
        self.open_bots: set[str] = set()
        self.ready = False
        self.warnings: tuple[error_pb2.Error, ...] = ()
        self.ending = False
        self.closed = asyncio.Event()
        self.close_error: error_pb2.Error | None = None
        self._credit = frame_pb2.Credit()
        self._credit.CopyFrom(DEFAULTS)
        self._outgoing = Outgoing()
        self._ack_due = False
        self._settled: list[int] = []
        self._recorded: list[int] = []
        self._unsettled: list[frame_pb2.SettleRefusal] = []
        self._call_id = 0
        self._wake = asyncio.Event()
        self._news: asyncio.TimerHandle | None = None
        publishes.on_progress = self._progress

    # Windows --------------------------------------------------------------------------------------------------------

    def window(self) -> frame_pb2.Credit:
        """How much the plugin takes at once."""
        return self._credit

    def credit(self, credit: frame_pb2.Credit) -> None:
        """The plugin changed its windows; absent fields stay."""
        self._credit.MergeFrom(credit)

    def next_call_id(self) -> int:
        """Even, ascending."""
        self._call_id += 2
        return self._call_id

    @property
    def under_way(self) -> int:
        """Deliveries, calls and publishes that are not finished."""
        publishes = self.publishes
        unfinished = publishes.received - publishes.committed
        return len(self.leases) + len(self.provides) + len(self.opened) + unfinished

    # Sending --------------------------------------------------------------------------------------------------------

    def send(self, frame: frame_pb2.Frame) -> None:
        """Queue a frame. One above the limit is dropped with a log record: its other end runs into its deadline."""
        if self.closed.is_set():
            return
        try:
            self._outgoing.add(frame)
        except FrameTooLarge as error:
            log.error("frame to %s dropped: %s", self.plugin, error, extra={"kind": frame.WhichOneof("kind")})
            self._refuse_large(frame, str(error))
            return
        if self._outgoing.bytes > MAX_QUEUED_BYTES:
            self.close(
                problem("OVERLOADED", f"{self._outgoing.bytes} bytes wait for a plugin that does not read")
            )
            return
        self._wake.set()

    def _refuse_large(self, frame: frame_pb2.Frame, message: str) -> None:
        error = problem("FRAME_TOO_LARGE", message, remedy="Carry large content as a blob.")
        kind = frame.WhichOneof("kind")
        if kind == "call_end":
            self.send(
                frame_pb2.Frame(call_end=frame_pb2.CallEnd(call_id=frame.call_end.call_id, error=error))
            )
        else:
            self.send(frame_pb2.Frame(fault=frame_pb2.Fault(error=error, kind=kind or "")))

    def deliver(self, frame: frame_pb2.Delivery) -> None:
        """Send a delivery."""
        self.send(frame_pb2.Frame(delivery=frame))

    def cancel(self, fence: int, error: error_pb2.Error, *, confirm: bool) -> None:
        """Tell the plugin to stop a delivery."""
        self.send(frame_pb2.Frame(cancel=frame_pb2.Cancel(fence=fence, error=error, confirm=confirm)))

    def feed(self, fence: int, event: event_pb2.Event) -> None:
        """Send a further event to a running delivery."""
        self.send(frame_pb2.Frame(input=frame_pb2.Input(fence=fence, event=event)))

    def fault(self, reason: str, message: str, kind: str) -> None:
        """Refuse a frame; the stream goes on."""
        self.send(
            frame_pb2.Frame(fault=frame_pb2.Fault(error=problem(reason, message, frame=kind), kind=kind))
        )

    def settled(self, fence: int, error: error_pb2.Error | None) -> None:
        """A settle is committed or refused; told with the next batch."""
        if error is None:
            self._settled.append(fence)
        else:
            self._unsettled.append(frame_pb2.SettleRefusal(fence=fence, error=error))
        self._wake_soon()

    def recorded(self, call_id: int) -> None:
        """The provider may forget a result; told with the next batch that leaves anyway."""
        self._recorded.append(call_id)

    def _progress(self) -> None:
        self._ack_due = True
        self._wake_soon()

    def _wake_soon(self) -> None:
        """Nobody waits for these frames to go on: they leave with the next batch, or soon."""
        if self._news is None:
            self._news = asyncio.get_running_loop().call_later(NEWS_SECONDS, self._wake.set)

    async def batches(self) -> None:
        """Wait until there is something to send."""
        await self._wake.wait()
        self._wake.clear()

    def take(self) -> bytes:
        """The next batch to write; empty when there is none."""
        if self._news is not None:
            self._news.cancel()
            self._news = None
        if self._ack_due:
            self._ack_due = False
            self._outgoing.add(frame_pb2.Frame(ack=self.publishes.take_ack()))
        if self._recorded:
            self._outgoing.add(frame_pb2.Frame(recorded=frame_pb2.Recorded(call_ids=self._recorded)))
            self._recorded = []
        if self._settled or self._unsettled:
            settled = frame_pb2.Settled(fences=self._settled, refused=self._unsettled)
            self._settled, self._unsettled = [], []
            self._outgoing.add(frame_pb2.Frame(settled=settled))
        return self._outgoing.take() if self._outgoing else b""

    # Ending ---------------------------------------------------------------------------------------------------------

    def goaway(self, reason: str, deadline: float) -> None:
        """Ask the plugin to finish within `deadline` seconds and to end. Implements the supervisor's link."""
        self.ending = True
        frame = frame_pb2.Goaway(reason=reason)
        frame.deadline.FromMilliseconds(int(deadline * 1000))
        self.send(frame_pb2.Frame(goaway=frame))

    def close(self, error: error_pb2.Error | None = None) -> None:
        """End the stream."""
        if not self.closed.is_set():
            self.close_error = error
            self.closed.set()
            self._wake.set()
