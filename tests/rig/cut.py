"""A unix socket in front of a kernel's, whose connections a test can cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path


class Cut:
    """Carries bytes both ways; `cut` breaks every connection, and new ones are taken again."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0

    def cut(self) -> None:
        """Break what is connected now."""
        for task in self._tasks:
            task.cancel()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until an end or a cut."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        other_reader, other_writer = await asyncio.open_unix_connection(self._target)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, other_writer))
                group.create_task(_copy(other_reader, writer))
        except (asyncio.CancelledError, ConnectionError, BaseExceptionGroup):
            pass  # A cut is what this is for.
        finally:
            self._tasks.discard(task)
            for one in (writer, other_writer):
                one.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def cuttable(place: Path, target: str) -> AsyncIterator[Cut]:
    """A socket at `place` that leads to the socket `target`."""
    cut = Cut(target)
    server = await asyncio.start_unix_server(cut.carry, place)
    try:
        yield cut
    finally:
        server.close()
        cut.cut()
        await server.wait_closed()
