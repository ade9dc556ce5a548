"""What a tree of processes uses now."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """`memory` in bytes, `tasks` processes and threads, `cpu` seconds by process since it started."""

    memory: int
    tasks: int
    cpu: dict[int, float]


def measure(leaders: Iterable[int], precise_above: dict[int, int]) -> dict[int, Usage]:
    """Return the usage of each leader's tree: its descendants and its session. Blocks for some milliseconds.

    Memory is the sum of what each process has resident, which counts shared pages many times; where that is above the
    number of bytes in `precise_above`, each process is asked for its true share, which is slow.
    """
    trees = _trees(set(leaders))
    return {leader: _usage(members, precise_above.get(leader)) for leader, members in trees.items()}


def _trees(leaders: set[int]) -> dict[int, list[psutil.Process]]:
    children: dict[int, list[psutil.Process]] = defaultdict(list)
    found: dict[int, dict[int, psutil.Process]] = {leader: {} for leader in leaders}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            children[process.ppid()].append(process)
            leader = process.pid if process.pid in leaders else os.getsid(process.pid)
            if leader in found:
                found[leader][process.pid] = process
    for members in found.values():
        unseen = list(members)
        while unseen:
            for child in children.get(unseen.pop(), ()):
                if child.pid not in members:
                    members[child.pid] = child
                    unseen.append(child.pid)
    return {leader: list(members.values()) for leader, members in found.items()}


def _usage(members: list[psutil.Process], precise_above: int | None) -> Usage:
    memory, tasks, cpu = 0, 0, {}
    for process in members:
        with suppress(psutil.Error, OSError), process.oneshot():
            times = process.cpu_times()
            cpu[process.pid] = times.user + times.system
            memory += process.memory_info().rss
            tasks += process.num_threads()
    if precise_above is not None and memory > precise_above:
        memory = sum(_share(process) for process in members)
    return Usage(memory, tasks, cpu)


def _share(process: psutil.Process) -> int:
    with suppress(psutil.Error, OSError):
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    return 0
