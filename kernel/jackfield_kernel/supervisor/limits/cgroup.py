"""Control groups (version 2): one per plugin below the one that was delegated to this kernel."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

import psutil

from ...manifest import Limits

_OWN = Path("/proc/self/cgroup")
_MOUNTS = Path("/proc/self/mountinfo")
_WANTED = ("cpu", "memory", "pids")
_KERNEL = "kernel"
_PERIOD = 100_000
_ROUNDS = 20

_log = logging.getLogger(__name__)


class ControlGroups:
    """The delegated group `base`, with a group `kernel` for ourselves and one for each plugin, called `<label>-<plugin>`:
    another kernel below the same group has another label.

    A file system of its own, but to us plain files: reading and writing them takes some microseconds.
    """

    def __init__(self, base: Path, label: str, controllers: frozenset[str]) -> None:
        self._base = base
        self._label = label
        self.controllers = controllers

    @classmethod
    def delegated(cls, label: str, own: Path = _OWN, mounts: Path = _MOUNTS) -> ControlGroups | None:
        """Take over the group that was delegated to us; None when none was or it cannot be used."""
        base = delegated_group(own, mounts)
        if base is None:
            return None
        try:
            return cls(base, label, _prepared(base))
        except OSError as error:
            _log.warning("the control group %s cannot be used: %s", base, error)
            return None

    def enforces(self, limits: Limits) -> bool:
        """Whether every limit that is set can be enforced here."""
        wanted = {"memory": limits.memory, "cpu": limits.cpu, "pids": limits.pids}
        return all(value is None or name in self.controllers for name, value in wanted.items())

    def group(self, name: str, limits: Limits) -> ControlGroup:
        """Make the group of a plugin with its limits; a group that an earlier kernel made is taken over. Raises OSError."""
        folder = self._base / f"{self._label}-{name}"
        folder.mkdir(exist_ok=True)
        values: dict[str, object] = {}
        if limits.memory:
            # What is over the limit ends the whole plugin: half of one helps nobody.
            values |= {"memory.max": limits.memory, "memory.swap.max": 0, "memory.oom.group": 1}
        if limits.pids:
            values["pids.max"] = limits.pids
        if limits.cpu:
            values["cpu.max"] = f"{max(1000, int(limits.cpu * _PERIOD))} {_PERIOD}"
        for file, value in values.items():
            # Without swap accounting there is no such file, and nothing to bound.
            if file != "memory.swap.max" or (folder / file).exists():
                (folder / file).write_text(str(value))
        return ControlGroup(folder)


class ControlGroup:
    """One plugin's group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kills = self._oom_kills()

    def take(self, pid: int) -> None:
        """Move a process and what it started meanwhile into the group; what these start from now on is in it by birth."""
        moved: set[int] = set()
        for _ in range(_ROUNDS):
            found = {pid} | _children(moved)
            if found <= moved:
                return
            for one in found - moved:
                moved.add(one)
                with suppress(ProcessLookupError):
                    _write(self._folder / "cgroup.procs", one)

    def oom_killed(self) -> bool:
        """Whether the group was over its memory limit since it was made or taken over."""
        return self._oom_kills() > self._kills

    def remove(self) -> None:
        """End what is left in it, and remove it."""
        with suppress(OSError):
            _write(self._folder / "cgroup.kill", 1)
        with suppress(OSError):
            self._folder.rmdir()

    def _oom_kills(self) -> int:
        with suppress(OSError, ValueError):
            for line in (self._folder / "memory.events").read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
        return 0


def delegated_group(own: Path = _OWN, mounts: Path = _MOUNTS) -> Path | None:
    """Return the group that we may divide, or None.

    That is one that systemd delegated and in whose part `kernel` it started us (`DelegateSubgroup=kernel`): once a group is
    divided no process can be started in the group itself, and the next kernel could not start. Or the root, which is
    nobody else's: that of a container.
    """
    try:
        path = next(line[3:] for line in own.read_text().splitlines() if line.startswith("0::"))
        fields = (line.split() for line in mounts.read_text().splitlines())
        mount = next(parts[4] for parts in fields if parts[parts.index("-") + 1] == "cgroup2")
    except (OSError, StopIteration):
        return None
    group = Path(mount, path.lstrip("/"))
    base = group.parent if group.name == _KERNEL else group
    if not (path in ("/", f"/{_KERNEL}") or (base != group and _marked(base))):
        return None
    try:
        available = _available(base)
    except OSError:
        return None
    writable = all(os.access(base / file, os.W_OK) for file in ("cgroup.procs", "cgroup.subtree_control"))
    return base if writable and available else None


def _marked(group: Path) -> bool:
    """Whether systemd gave the group away: dividing one that it keeps for itself would confuse both."""
    for name in ("trusted.delegate", "user.delegate"):
        with suppress(OSError):
            return os.getxattr(group, name) == b"1"
    return False


def _prepared(base: Path) -> frozenset[str]:
    available = _available(base)
    # Only a group without processes of its own may hand controllers down.
    (base / _KERNEL).mkdir(exist_ok=True)
    us = psutil.Process()
    for process in (us, *us.children(recursive=True)):
        with suppress(ProcessLookupError):
            _write(base / _KERNEL / "cgroup.procs", process.pid)
    _write(base / "cgroup.subtree_control", " ".join(f"+{name}" for name in available))
    return frozenset(available)


def _available(base: Path) -> list[str]:
    there = (base / "cgroup.controllers").read_text().split()
    return [name for name in _WANTED if name in there]


def _children(pids: set[int]) -> set[int]:
    found: set[int] = set()
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                found |= {int(one) for one in task.read_text().split()}
    return found


def _write(file: Path, value: object) -> None:
    # Never creates: a file that the kernel did not make is a control that it does not have.
    descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)
