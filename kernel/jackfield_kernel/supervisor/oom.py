"""Telling a kill by the OOM killer from a kill by a person."""

from __future__ import annotations

from pathlib import Path

_GLOBAL = Path("/proc/vmstat")
_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


class OomCounter:
    """Counts OOM kills in our cgroup since its creation, or on the machine where no cgroup tells.

    A rise while a plugin died of SIGKILL is taken as its cause; where nothing can be read it never rises.
    """

    def __init__(self) -> None:
        self._sources = [_own_events(), _GLOBAL]
        self._before = self._read()

    def rose(self) -> bool:
        """Return True when an OOM kill happened since creation."""
        return self._read() > self._before

    def _read(self) -> int:
        for source in self._sources:
            try:
                lines = source.read_text().splitlines()
            except OSError:
                continue
            for line in lines:
                name, _, count = line.partition(" ")
                if name == "oom_kill" and count.isdigit():
                    return int(count)
        return 0


def _own_events() -> Path:
    try:
        for line in _OWN.read_text().splitlines():
            if line.startswith("0::"):
                return _CGROUPS / line[3:].lstrip("/") / "memory.events"
    except OSError:
        pass  # Not Linux: no file has that name, and reading it says so.
    return _CGROUPS / "memory.events"
