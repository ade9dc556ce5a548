"""The kernel's end of the writer process: start it, send requests, resolve replies in order, notice its
death."""

from __future__ import annotations

import asyncio
import marshal
import os
import socket
import struct
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

from jackfield_kernel.journal.errors import (
    Fenced,
    GroupRefused,
    JournalError,
    JournalFailed,
    JournalLocked,
    JournalTooNew,
)
from jackfield_kernel.journal.log import MAX_GROUP_BYTES, Pending

START = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from jackfield_kernel.journal.sqlite.writer import main; main()  # jackfield journal"
)
PACKAGES = Path(__file__).resolve().parents[3]
EXIT_SECONDS = 10.0

LENGTH = struct.Struct("<I")
MARSHAL_VERSION = 2


class _Waiting(NamedTuple):
    reply: asyncio.Future[Any]
    epoch: int
    since: float


class WriterProcess(asyncio.Protocol):
    """One writer process and the socket to it. Made by `start`, used on one event loop, gone after `stop`."""

    def __init__(self, process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._process = process
        self._loop = loop
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = bytearray()
        self._waiting: deque[_Waiting] = deque()
        self._epoch = 0
        self._commit_seconds = 0.0
        self._lost: JournalError | None = None
        self._ended = loop.create_future()

    @classmethod
    async def start(cls, path: Path, max_bytes: int, boot: int = 0) -> tuple[WriterProcess, tuple[Any, ...]]:
        """Start the process and wait for the state that it found; `boot` continues that start of the kernel.

        Raises the error by which opening failed.
        """
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            process = _spawn(theirs, path, max_bytes, boot)
        writer = cls(process, loop)
        opened = writer._expect()
        await loop.create_connection(lambda: writer, sock=ours)
        try:
            return writer, await opened
        except BaseException:
            await writer.stop()
            raise

    def request(self, operation: str, *details: object) -> asyncio.Future[Any]:
        """Send at once, without waiting; the future resolves with the result or raises a `JournalError`."""
        if self._lost is not None or self._transport is None:
            raise self._lost or JournalFailed("CLOSED", "the journal is closed")
        try:
            payload = marshal.dumps((operation, self._epoch, *details), MARSHAL_VERSION)  # type: ignore[arg-type]
        except ValueError as error:
            raise GroupRefused(f"a value cannot be stored: {error}") from error
        if len(payload) > MAX_GROUP_BYTES:
            raise GroupRefused(f"a group of {len(payload)} bytes is above {MAX_GROUP_BYTES}")
        reply = self._expect()
        self._transport.write(LENGTH.pack(len(payload)) + payload)
        return reply

    @property
    def lost(self) -> JournalError | None:
        """Why every request fails; None while the process serves."""
        return self._lost

    def pending(self) -> Pending:
        """See `LogDriver.pending`."""
        oldest = self._loop.time() - self._waiting[0].since if self._waiting else 0.0
        return Pending(len(self._waiting), oldest, self._commit_seconds)

    async def stop(self) -> None:
        """Hang up after all that was sent, and reap the process; a stuck one is killed after EXIT_SECONDS.

        Raises: JournalFailed (IO_ERROR) when even the killed process does not end.
        """
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        try:
            async with asyncio.timeout(EXIT_SECONDS):
                await asyncio.shield(self._ended)
        except TimeoutError:
            self._process.kill()
        if self._transport is not None:
            self._transport.close()
        self._lose(JournalFailed("CLOSED", "the journal was closed"))
        try:
            await asyncio.to_thread(self._process.wait, EXIT_SECONDS)
        except (
            subprocess.TimeoutExpired
        ) as error:  # not even a kill ends a process that waits for a dead disk
            raise JournalFailed(
                "IO_ERROR", f"the journal's writer (pid {self._process.pid}) hangs"
            ) from error

    def _expect(self) -> asyncio.Future[Any]:
        reply: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append(_Waiting(reply, self._epoch, self._loop.time()))
        return reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by the loop with any part of the replies."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(buffer)[0]
            if len(buffer) < end:
                return
            ok, result, seconds = marshal.loads(memoryview(buffer)[LENGTH.size : end])
            del buffer[:end]
            self._resolve(ok, result, seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop when the process hung up, whatever the reason."""
        code = self._process.poll()
        told = "it is ending" if code is None else f"exit code {code}"
        self._lose(JournalFailed("WRITER_LOST", f"the journal's writer process ended ({told})"))
        if not self._ended.done():
            self._ended.set_result(None)

    def _resolve(self, ok: bool, result: Any, seconds: float) -> None:
        reply, epoch, _ = self._waiting.popleft()
        if ok:
            self._commit_seconds = seconds
            if not reply.done():  # cancelled: the group stands all the same
                reply.set_result(result)
            return
        error = error_of(result)
        if epoch == self._epoch:
            self._epoch += 1  # what was sent before this moment fails too; see the writer
        if not isinstance(error, GroupRefused) and not error.retryable:
            self._lost = error
        if not reply.done():
            reply.set_exception(error)

    def _lose(self, error: JournalError) -> None:
        """Fail what waits, and every later request; the first reason known stays."""
        self._lost = self._lost or error
        while self._waiting:
            reply = self._waiting.popleft().reply
            if not reply.done():
                reply.set_exception(self._lost)
                reply.exception()  # seen: nobody may be left to await it


def _spawn(theirs: socket.socket, path: Path, max_bytes: int, boot: int) -> subprocess.Popen[bytes]:
    """Fork and exec, which takes about a millisecond; asyncio's way would keep a thread to await the exit.

    -I -S: neither the environment, the working directory nor site-packages can slow the start or shadow a
    module.
    """
    arguments = [str(PACKAGES), str(path), str(os.getpid()), str(max_bytes), str(boot)]
    command = [sys.executable, "-I", "-S", "-c", START, *arguments]
    return subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL)


def error_of(failure: tuple[Any, ...]) -> JournalError:
    """The typed error for a failure as the writer tells it."""
    match failure:
        case ("locked", pid):
            return JournalLocked(pid)
        case ("too_new", found, supported):
            return JournalTooNew(found, supported)
        case ("fenced",):
            return Fenced()
        case ("refused", message):
            return GroupRefused(message)
        case ("failed", reason, message):
            return JournalFailed(reason, message)
        case _:
            return JournalFailed("WRITER_LOST", f"the journal's writer process said {failure!r}")
