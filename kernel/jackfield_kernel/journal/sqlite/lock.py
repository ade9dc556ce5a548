"""The lock of a journal: one kernel at a time. Runs in the writer process: light imports only."""

from __future__ import annotations

import fcntl
import os
import time

POLL_SECONDS = 0.01


class Locked(Exception):
    """Another kernel holds the journal: (pid), 0 when it cannot be read."""


def acquire(path: str, kernel_pid: int, live_wait: float, dead_wait: float) -> int:
    """Lock `path` for the kernel `kernel_pid` and return the descriptor that holds the lock until it is
    closed.

    The lock belongs to the writer process, which outlives its kernel for a moment: the next kernel waits
    `dead_wait` seconds for it. When the kernel that the file names is alive and not this one, only
    `live_wait` seconds. Raises Locked, OSError.
    """
    started = time.monotonic()
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read_pid(descriptor)
            os.close(descriptor)
            wait = live_wait if holder != kernel_pid and _is_alive(holder) else dead_wait
            if time.monotonic() - started >= wait:
                raise Locked(holder) from None
            time.sleep(POLL_SECONDS)
            continue
        if _is_same_file(descriptor, path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{kernel_pid}\n".encode(), 0)
            return descriptor
        os.close(
            descriptor
        )  # somebody removed the file between open and lock; lock the one that others will see


def _read_pid(descriptor: int) -> int:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else 0


def _is_alive(pid: int) -> bool:
    if pid == 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_same_file(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
