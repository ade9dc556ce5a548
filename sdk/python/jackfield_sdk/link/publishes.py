"""Publishes that are not acknowledged yet, and the sequence that keeps a resend from being stored twice."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from jackfield.v1 import event_pb2, frame_pb2

from jackfield_sdk.errors import JackfieldError, Unavailable, error_to_plain
from jackfield_sdk.link.gates import Gates
from jackfield_sdk.link.windows import Window

DEFAULT_WINDOW = 1024
Send = Callable[[frame_pb2.Frame], None]


class Publishes:
    """The plugin's own stream of publishes. Survives reconnects; the process's end loses what was not
    acknowledged."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._window = Window(DEFAULT_WINDOW)
        self._gates = Gates()
        self._waiting: deque[tuple[frame_pb2.Frame, asyncio.Future[None]]] = deque()
        self._next = 0
        self._attached = asyncio.Event()
        self.acknowledged = 0

    def __len__(self) -> int:
        """How many are not acknowledged."""
        return len(self._waiting)

    async def publish(
        self, event: event_pb2.Event, dedup_key: str = "", checkpoint: bytes = b""
    ) -> asyncio.Future[None]:
        """Queues one event, in order, and returns a future that is done when the event is durable.

        Waits while the window is full, the bot is pushed back or the kernel was never reached. The future raises the kernel's
        refusal.
        """
        await self._attached.wait()
        await self._gates.enter(event.bot)
        await self._window.enter()
        publish = frame_pb2.Publish(
            sequence=self._next, event=event, dedup_key=dedup_key, checkpoint=checkpoint
        )
        frame = frame_pb2.Frame(publish=publish)
        try:
            self._send(frame)
        except JackfieldError:
            # Refused here: the sequence stays without a gap.
            self._window.leave()
            raise
        self._next += 1
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        durable.add_done_callback(_seen)
        self._waiting.append((frame, durable))
        return durable

    def attached(self, attached: frame_pb2.Attached) -> None:
        """Forgets what the journal holds and sends the rest again."""
        committed = attached.committed_sequence
        self.credit(attached.credit)
        if not self._attached.is_set():
            self._next = committed + 1
            self.acknowledged = committed
            self._attached.set()
            return
        self._confirm(committed, {})
        for frame, _ in self._waiting:
            self._send(frame)

    def credit(self, credit: frame_pb2.Credit) -> None:
        """A new window, or other bots that have to wait."""
        if credit.HasField("publishes"):
            self._window.resize(credit.publishes)
        if credit.HasField("paused"):
            self._gates.close(credit.paused.bots)

    def ack(self, ack: frame_pb2.Ack) -> None:
        """Ends publishes up to a sequence."""
        refused = {refusal.sequence: error_to_plain(refusal.error) for refusal in ack.refused}
        self._confirm(ack.sequence, refused)

    def close(self) -> None:
        """Ends everybody who still waits, because the process ends."""
        while self._waiting:
            _, durable = self._waiting.popleft()
            if not durable.done():
                durable.set_exception(Unavailable("the plugin ends before the event is durable"))

    def _confirm(self, sequence: int, refused: dict[int, JackfieldError]) -> None:
        waiting = self._waiting
        self.acknowledged = max(self.acknowledged, sequence)
        while waiting and waiting[0][0].publish.sequence <= sequence:
            frame, durable = waiting.popleft()
            self._window.leave()
            if durable.done():
                continue
            error = refused.get(frame.publish.sequence) if refused else None
            if error is None:
                durable.set_result(None)
            else:
                durable.set_exception(error)


def _seen(durable: asyncio.Future[None]) -> None:
    """An author may drop the future; its error is not lost to them but to nobody else's log either."""
    if not durable.cancelled():
        durable.exception()
