"""Finding and ending everything a plugin started, grandchildren and orphans included."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

import psutil

MARK = "JACKFIELD_BOOTSTRAP"
"""The variable whose value is different for each plugin and inherited by all that it starts."""


def members(pid: int, mark: str) -> list[psutil.Process]:
    """Return the living descendants of `pid`, its session and whatever carries `mark`; never `pid` itself.

    Three ways, because each has a hole: a child's parent may be dead, a daemon leaves the session, a program
    may clear its environment. Blocks for some milliseconds: call it in a thread.
    """
    found: dict[int, psutil.Process] = {}
    try:
        for child in psutil.Process(pid).children(recursive=True):
            found[child.pid] = child
    except psutil.NoSuchProcess:
        pass  # The leader is gone; its session and mark still lead to what it left.
    for process in psutil.process_iter():
        if process.pid not in found and process.pid != os.getpid() and _belongs(process, pid, mark):
            found[process.pid] = process
    found.pop(pid, None)
    return [process for process in found.values() if _alive(process)]


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to each; psutil checks the start time, so a reused pid is never hit."""
    for process in processes:
        try:
            process.send_signal(number)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # Gone meanwhile, or changed its user: the next look decides.


def wait_gone(processes: list[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Wait up to `timeout` seconds and return those still alive. Blocks: call it in a thread."""
    _, alive = psutil.wait_procs(processes, timeout=timeout)
    return [process for process in alive if _alive(process)]


def _belongs(process: psutil.Process, session: int, mark: str) -> bool:
    try:
        return os.getsid(process.pid) == session or process.environ().get(MARK) == mark
    except (OSError, psutil.Error):
        return False


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
