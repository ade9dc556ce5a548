"""What each process of a plugin may use, as far as the system bounds it by process."""

from __future__ import annotations

from ...manifest import Limits

BURST = 1 << 30
"""Bytes beyond the limit of the tree at which one process is refused more at once; the watchdog looks only every second."""


def rlimits(limits: Limits) -> dict[str, int]:
    """Return bounds by the names of `resource.RLIMIT_*` in small letters, which are those of the `prlimit` program."""
    found = {"nofile": limits.files, "data": limits.memory + BURST if limits.memory else None}
    return {name: value for name, value in found.items() if value is not None}
