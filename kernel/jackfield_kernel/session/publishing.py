"""The publish stream of one plugin: numbered, acknowledged cumulatively, stored once however often it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jackfield.v1 import error_pb2, frame_pb2


class PublishStream:
    """Outlives the sessions of its plugin.

    Attributes:
        received: highest sequence taken in.
        committed: every sequence up to it is durable or refused.
        refused: refusals that no session was told yet.
    """

    def __init__(self, committed: int) -> None:
        self.received = committed
        self.committed = committed
        self.refused: list[frame_pb2.Refusal] = []
        self.on_progress: Callable[[], None] = lambda: None
        self._ahead: set[int] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()

    def take(self, sequence: int) -> bool:
        """Whether the publish is new. A resend of one that was taken in is ignored: its acknowledgement is on the way."""
        if sequence <= self.received:
            return False
        self.received = sequence
        self._quiet.clear()
        return True

    def finished(self, sequence: int, error: error_pb2.Error | None) -> None:
        """A publish is durable or refused."""
        if error is not None:
            self.refused.append(frame_pb2.Refusal(sequence=sequence, error=error))
        if sequence == self.committed + 1:
            self.committed = sequence
            ahead = self._ahead
            while ahead and self.committed + 1 in ahead:
                self.committed += 1
                ahead.discard(self.committed)
        elif sequence > self.committed:
            self._ahead.add(sequence)
        if self.committed >= self.received:
            self._quiet.set()
        self.on_progress()

    async def quiet(self) -> None:
        """Wait until nothing is between `committed` and `received`: only then may a new stream continue the numbers."""
        await self._quiet.wait()

    def take_ack(self) -> frame_pb2.Ack:
        """The acknowledgement to send now."""
        ack = frame_pb2.Ack(sequence=self.committed, refused=self.refused)
        self.refused = []
        return ack
