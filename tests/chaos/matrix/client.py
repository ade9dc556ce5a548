"""The other side: a platform that numbers its messages, redelivers what was not acknowledged, and counts what comes back."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Any

from .tally import Tally

WINDOW = 16
"""Updates that may wait for their acknowledgement."""


class Client(Tally):
    """Serves one adapter at a time, the newest one; `port` is free to dial once entered."""

    def __init__(self) -> None:
        super().__init__()
        self.port = 0
        self._queue: deque[dict[str, Any]] = deque()
        self._unacknowledged: dict[int, dict[str, Any]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    def send(self, number: int, lane: str) -> None:
        """Queue it: it goes when there is room, and again until it is acknowledged."""
        self._queue.append({"id": number, "lane": lane, "text": str(number)})
        self._send_more()

    def _send_more(self) -> None:
        """As platforms do: so many updates at once, the next ones when these are acknowledged."""
        while self._queue and len(self._unacknowledged) < WINDOW:
            update = self._queue.popleft()
            self._unacknowledged[update["id"]] = update
            self._write(update)

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
            self.changed()
        else:
            self.heard(line["lane"], int(line["send"]))
            self._write({"sent": line["number"]})

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
