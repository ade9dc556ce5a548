"""Holds each plugin to its limits: by a control group where there is one, else by looking every second."""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ...manifest import Limits
from ..reaper import reap_orphans
from ..state import Reason
from .cgroup import ControlGroup, ControlGroups
from .rlimits import rlimits
from .usage import Usage, measure

SECONDS = 1.0
CPU_WINDOW = 30.0
"""Seconds over which a plugin without a control group may use its CPU limit on average."""

_RAISE = "Raise limits.{key} in plugins.{name} of jackfield.yaml, or mend the plugin."

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Hold:
    """One running plugin that is held to its limits. `end` is called once, with the reason, to have it ended."""

    name: str
    pid: int
    limits: Limits
    end: Callable[[Reason], None]
    group: ControlGroup | None = None
    _cpu: dict[int, float] = field(default_factory=dict)
    _used: float = 0.0
    _history: deque[tuple[float, float]] = field(default_factory=deque)

    def overrun(self) -> Reason | None:
        """Say after its end whether the system ended it for using too much."""
        if self.group is not None and self.group.oom_killed():
            return self._reason("memory", f"It used more than {_mib(self.limits.memory or 0)} MiB of memory.")
        return None

    def judge(self, usage: Usage, now: float) -> None:
        """Have the plugin ended when `usage`, measured at `now`, is over a limit."""
        limits = self.limits
        if limits.memory and usage.memory > limits.memory:
            used, allowed = _mib(usage.memory), _mib(limits.memory)
            self.end(self._reason("memory", f"It used {used} MiB of memory, {allowed} are allowed."))
        elif limits.pids and usage.tasks > limits.pids:
            text = f"It ran {usage.tasks} processes and threads, {limits.pids} are allowed."
            self.end(self._reason("pids", text))
        elif limits.cpu and (cores := self._cores(usage.cpu, now)) > limits.cpu:
            text = f"It used {cores:.2f} cores over {CPU_WINDOW:g} s, {limits.cpu:g} are allowed."
            self.end(self._reason("cpu", text))

    def _cores(self, cpu: dict[int, float], now: float) -> float:
        self._used += sum(max(0.0, used - self._cpu.get(pid, 0.0)) for pid, used in cpu.items())
        self._cpu = cpu
        self._history.append((now, self._used))
        while len(self._history) > 1 and self._history[1][0] <= now - CPU_WINDOW:
            self._history.popleft()
        began, before = self._history[0]
        return (self._used - before) / (now - began) if now - began >= CPU_WINDOW else 0.0

    def _reason(self, key: str, text: str) -> Reason:
        return Reason(f"{key.upper()}_LIMIT", text, _RAISE.format(key=key, name=self.name))


class Limiter:
    """All holds of one kernel. `groups`: where control groups were delegated to it."""

    def __init__(self, groups: ControlGroups | None = None, seconds: float = SECONDS) -> None:
        self._groups = groups
        self._seconds = seconds
        self._holds: set[Hold] = set()

    def hold(self, instance: str, pid: int, limits: Limits, end: Callable[[Reason], None]) -> Hold:
        """Hold a plugin that just started, or was taken over, to its limits until `release`."""
        hold = Hold(instance.partition("~")[0], pid, limits, end)
        self._holds.add(hold)
        if self._enforced(limits):
            assert self._groups is not None
            try:
                hold.group = self._groups.group(instance, limits)
                hold.group.take(pid)
            except OSError as error:
                _log.warning("plugin %s has no control group, the watchdog holds it: %s", instance, error)
                hold.group = None
        if hold.group is None:
            _bound_process(pid, limits)
        return hold

    def release(self, hold: Hold) -> None:
        """The plugin ended: whatever of it is still in its group ends too."""
        self._holds.discard(hold)
        if hold.group is not None:
            hold.group.remove()

    def gaps(self, limits: Limits) -> tuple[str, ...]:
        """What of the limits is not enforced at once, a phrase each."""
        if self._enforced(limits):
            return ()
        named = {"memory": limits.memory, "processes": limits.pids}
        found = [
            f"limit of {name}: looked at every {self._seconds:g} s" for name, value in named.items() if value
        ]
        if limits.cpu:
            found.append(f"limit of CPU: not throttled, ended when above it for {CPU_WINDOW:g} s")
        return tuple(found)

    async def watch(self) -> None:
        """Look at what has no control group, and bury orphans, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._seconds)
            await asyncio.to_thread(reap_orphans)
            watched = {hold.pid: hold for hold in self._holds if hold.group is None and _bounded(hold.limits)}
            if not watched:
                continue
            precise = {pid: hold.limits.memory for pid, hold in watched.items() if hold.limits.memory}
            found = await asyncio.to_thread(measure, watched, precise)
            for pid, usage in found.items():
                if (hold := watched[pid]) in self._holds:
                    hold.judge(usage, clock())

    def _enforced(self, limits: Limits) -> bool:
        return self._groups is not None and self._groups.enforces(limits)


def _bounded(limits: Limits) -> bool:
    return bool(limits.memory or limits.pids or limits.cpu)


def _bound_process(pid: int, limits: Limits) -> None:
    if sys.platform != "linux":
        return
    for name, value in rlimits(limits).items():
        # Gone already, another user's, or a lower hard limit than we would set: it is bounded all the same.
        with suppress(ProcessLookupError, PermissionError, ValueError):
            resource.prlimit(pid, getattr(resource, f"RLIMIT_{name.upper()}"), (value, value))


def _mib(count: int) -> int:
    return count >> 20
