"""Which process listens on a TCP port: the answer to "address already in use"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Holder:
    """A process that listens on a port; `pid` 0 when the operating system does not tell us."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})" if self.pid else "a process of another user"


def port_holder(port: int) -> Holder | None:
    """Return who listens on TCP `port` of any address, None when nobody seems to.

    Reads the connections of the whole machine: some milliseconds, call in a thread. Only the caller's own
    processes have names unless it is root.
    """
    for pid, local in _listening():
        if local == port:
            return _holder(pid)
    return None


def _listening() -> Iterator[tuple[int, int]]:
    """Every listening TCP socket that we may see, as pid and port."""
    try:
        for item in psutil.net_connections("tcp"):
            if item.status == psutil.CONN_LISTEN and item.laddr:
                yield item.pid or 0, item.laddr[1]
    except psutil.AccessDenied:
        # macOS shows the whole table to root alone, and our own processes one by one.
        for process in psutil.process_iter():
            try:
                for own in process.net_connections("tcp"):
                    if own.status == psutil.CONN_LISTEN and own.laddr:
                        yield process.pid, own.laddr[1]
            except (psutil.AccessDenied, psutil.NoSuchProcess):
                continue


def _holder(pid: int) -> Holder:
    try:
        return Holder(pid, psutil.Process(pid).name()) if pid else Holder(0, "")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return Holder(pid, "process")
