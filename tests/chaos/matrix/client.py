"""The other side: a platform that numbers its messages, redelivers what was not acknowledged, and counts what comes back."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from types import TracebackType
from typing import Any

WINDOW = 16
"""Updates that may wait for their acknowledgement."""

OUTSTANDING = 512
"""Messages without an answer at full speed: below what the lanes hold, for a full lane drops by design and says so."""


@dataclass(frozen=True)
class Count:
    """What an outsider saw. Seconds for `quiet`: the longest time without any reply while some were due."""

    messages: int
    lost: int
    repeated: int
    out_of_order: int
    quiet: float


@dataclass
class Client:
    """Serves one adapter at a time, the newest one; `port` is free to dial once entered."""

    lanes: int = 8
    port: int = 0
    replies: list[tuple[str, int]] = field(default_factory=list)
    _answered: set[int] = field(default_factory=set)
    _queue: deque[dict[str, Any]] = field(default_factory=deque)
    _unacknowledged: dict[int, dict[str, Any]] = field(default_factory=dict)
    _said: int = 0
    _writer: asyncio.StreamWriter | None = None
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _last: float = 0.0
    _quiet: float = 0.0

    def say(self) -> None:
        """The next numbered message, in the next lane."""
        if not self._said:
            self._last = time.monotonic()
        self._said += 1
        number = self._said
        self._queue.append({"id": number, "lane": f"lane{number % self.lanes}", "text": str(number)})
        self._send_more()

    def _send_more(self) -> None:
        """As platforms do: so many updates at once, the next ones when these are acknowledged."""
        while self._queue and len(self._unacknowledged) < WINDOW:
            update = self._queue.popleft()
            self._unacknowledged[update["id"]] = update
            self._write(update)

    async def talk(self, messages: int, per_second: float) -> None:
        """Say so many messages; 0 per second is as fast as they are answered, with OUTSTANDING on their way."""
        started = time.monotonic()
        for number in range(messages):
            self.say()
            if per_second:
                await asyncio.sleep(max(0.0, started + (number + 1) / per_second - time.monotonic()))
            while not per_second and self._said - len(self._answered) > OUTSTANDING:
                await self._change()

    async def answered(self, seconds: float) -> bool:
        """Wait until every message has an answer; False when that takes too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while len(self._answered) < self._said:
                    await self._change()
                return True
        return False

    def count(self) -> Count:
        """What was seen."""
        times = Counter(number for _, number in self.replies)
        first: dict[str, list[int]] = {}
        seen: set[int] = set()
        for lane, number in self.replies:
            if number not in seen:
                seen.add(number)
                first.setdefault(lane, []).append(number)
        wrong = sum(late > soon for numbers in first.values() for late, soon in pairwise(numbers))
        return Count(
            self._said,
            self._said - len(times),
            sum(more - 1 for more in times.values()),
            wrong,
            round(self._quiet, 2),
        )

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _write(self, line: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.write(json.dumps(line).encode() + b"\n")

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = writer
        for update in list(self._unacknowledged.values()):
            self._write(update)
        try:
            with suppress(OSError):
                while line := await reader.readline():
                    self._take(json.loads(line))
        finally:
            if self._writer is writer:
                self._writer = None
            writer.close()

    def _take(self, line: dict[str, Any]) -> None:
        if "ack" in line:
            self._unacknowledged.pop(line["ack"], None)
            self._send_more()
        else:
            now = time.monotonic()
            self._quiet, self._last = max(self._quiet, now - self._last), now
            self.replies.append((line["lane"], int(line["send"])))
            self._answered.add(int(line["send"]))
            self._write({"sent": line["number"]})
        self._changed.set()

    async def __aenter__(self) -> Client:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)
