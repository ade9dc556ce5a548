"""The writer process: `python -m jackfield_kernel.journal.sqlite.writer ROOT PATH KERNEL_PID MAX_BYTES BOOT`.

Why a process: a thread in the kernel's interpreter stands still while the event loop is busy. It speaks with
the kernel over the socket that is its descriptor 0 and ends when that closes, so it never outlives its
kernel. Imports are counted in milliseconds here.

Both ways: 4 bytes of length (little endian), then a marshalled tuple. Requests, answered in order:

    ("commit", epoch, number, units, puts, time, wall) -> outcomes
    ("keep", epoch, refs, first)                   -> None
    ("trim", epoch, first, before, spare)          -> (next, removed)
    ("erase", epoch, refs, entries)                -> removed

Replies: (True, result, seconds) or (False, failure, seconds), `seconds` being the time that the work took
here. The first message comes unasked: the state after opening, or the failure to open. A failure is (name,
*details): see `failure_of`.

After a failure all requests of that epoch fail alike: they were sent before the kernel knew, and must not
overtake what was lost.
"""

from __future__ import annotations

import errno
import gc
import marshal
import os
import select
import signal
import sqlite3
import struct
import sys
import time

from jackfield_kernel.journal.sqlite import lock, schema, store

Failure = tuple[object, ...]

MARSHAL_VERSION = 2  # newer versions look for shared objects, which costs more than it saves here
LENGTH = struct.Struct("<I")
IDLE_SECONDS = 0.2
LIVE_WAIT_SECONDS = 0.5
DEAD_WAIT_SECONDS = 5.0

REASONS = {
    sqlite3.SQLITE_FULL: "DISK_FULL",
    sqlite3.SQLITE_READONLY: "READ_ONLY",
    sqlite3.SQLITE_PERM: "READ_ONLY",
    sqlite3.SQLITE_CANTOPEN: "CANNOT_OPEN",
    sqlite3.SQLITE_CORRUPT: "CORRUPT",
    sqlite3.SQLITE_NOTADB: "CORRUPT",
}

ERRNO_REASONS = {
    errno.ENOSPC: "DISK_FULL",
    errno.EDQUOT: "DISK_FULL",
    errno.EROFS: "READ_ONLY",
    errno.EACCES: "READ_ONLY",
    errno.EIO: "IO_ERROR",
}


def failure_of(error: Exception) -> Failure:
    """What to tell the kernel. Raises `error` itself when it is none that the storage is known to cause."""
    if isinstance(error, lock.Locked):
        return ("locked", *error.args)
    if isinstance(error, schema.SchemaTooNew):
        return ("too_new", *error.args)
    if isinstance(error, schema.ForeignFile):
        return ("failed", "NOT_A_JOURNAL", str(error))
    if isinstance(error, store.TakenOver):
        return ("fenced",)
    if isinstance(
        error, sqlite3.InterfaceError | sqlite3.ProgrammingError | sqlite3.IntegrityError | sqlite3.DataError
    ):
        return ("refused", repr(error))
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR)
        return ("failed", REASONS.get(code & 0xFF, "IO_ERROR"), f"{error} ({code})")
    if isinstance(error, OSError):
        return ("failed", ERRNO_REASONS.get(error.errno or 0, "CANNOT_OPEN"), str(error))
    if isinstance(error, ValueError | TypeError | OverflowError):
        return ("refused", repr(error))
    raise error


class Channel:
    """Frames on descriptor 0. Blocking: this process does nothing else."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def is_idle(self, seconds: float) -> bool:
        """Whether nothing arrives within `seconds`."""
        return not self._buffer and not select.select([0], [], [], seconds)[0]

    def receive(self) -> tuple[str, int, tuple[object, ...]] | None:
        """The next request; None at the end, when a half-sent one is dropped."""
        header = self._take(LENGTH.size)
        payload = header and self._take(LENGTH.unpack(header)[0])
        if not payload:
            return None
        operation, epoch, *details = marshal.loads(payload)
        return operation, epoch, tuple(details)

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            chunk = os.read(0, max(65_536, size - len(self._buffer)))
            if not chunk:
                return b""
            self._buffer += chunk
        taken = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return taken

    def send(self, ok: bool, result: object, seconds: float) -> None:
        """Raises BrokenPipeError when the kernel is gone."""
        payload = marshal.dumps((ok, result, seconds), MARSHAL_VERSION)  # type: ignore[arg-type]
        left = memoryview(LENGTH.pack(len(payload)) + payload)
        while left:
            left = left[os.write(0, left) :]


def open_store(path: str, kernel_pid: int, max_bytes: int, boot: int) -> tuple[store.Store, int]:
    """Lock, migrate, raise the boot unless one is continued. The lock's descriptor stays open as long as the process lives."""
    lock.acquire(f"{path}.lock", kernel_pid, LIVE_WAIT_SECONDS, DEAD_WAIT_SECONDS)
    connection = store.connect(path, max_bytes)
    version = schema.prepare(connection, path)
    return store.Store(connection, boot), version


def serve(channel: Channel, journal: store.Store) -> None:
    """Answer requests until the kernel hangs up."""
    operations = {
        "commit": journal.commit,
        "keep": journal.keep,
        "trim": journal.trim,
        "erase": journal.erase,
    }
    failed_epoch, failure = -1, ()  # type: tuple[int, Failure]
    dirty = False
    while True:
        if dirty and channel.is_idle(IDLE_SECONDS):
            journal.checkpoint()
            dirty = False
        request = channel.receive()
        if request is None:
            return
        operation, epoch, details = request
        if epoch <= failed_epoch:
            channel.send(False, failure, 0.0)
            continue
        started = time.perf_counter()
        try:
            result = operations[operation](*details)  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - the border of the process; failure_of raises what it does not know
            failed_epoch, failure = epoch, failure_of(error)
            channel.send(False, failure, time.perf_counter() - started)
            if failure[0] != "refused" and failure[1:2] != ("DISK_FULL",):
                return  # after a failed sync nobody knows what the disk holds: only a new start reads it back
        else:
            dirty = True
            channel.send(True, result, time.perf_counter() - started)


def main() -> None:
    """Open, report, serve, close."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(
            number, signal.SIG_IGN
        )  # sent to the whole group; this process ends when its kernel has
    os.umask(0o077)
    gc.disable()  # nothing here makes cycles
    path, (kernel_pid, max_bytes, boot) = sys.argv[-4], map(int, sys.argv[-3:])
    channel = Channel()
    started = time.perf_counter()
    try:
        try:
            journal, version = open_store(path, kernel_pid, max_bytes, boot)
        except Exception as error:  # noqa: BLE001 - as above
            channel.send(False, failure_of(error), time.perf_counter() - started)
            return
        state = (journal.identity, journal.boot, version, journal.sequence, journal.time, journal.wall)
        channel.send(True, state, time.perf_counter() - started)
        try:
            serve(channel, journal)
        finally:
            journal.close()
    except (BrokenPipeError, ConnectionResetError):
        return  # the kernel died; what it did not read was acknowledged to nobody


if __name__ == "__main__":
    main()
