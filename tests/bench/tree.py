"""What a process and everything below it uses."""

from __future__ import annotations

import re
from pathlib import Path

import psutil

MODULE = re.compile(r"jackfield_(\w+)")


def members(pid: int) -> list[psutil.Process]:
    """The process and its descendants."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def cpu_seconds(pid: int) -> dict[int, float]:
    """Seconds of CPU by process id, with those of children that ended."""
    used = {}
    for process in members(pid):
        times = process.cpu_times()
        used[process.pid] = times.user + times.system + times.children_user + times.children_system
    return used


def cpu_between(before: dict[int, float], after: dict[int, float]) -> float:
    """Seconds of CPU that the tree used."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def cpu_by_name(pid: int, before: dict[int, float]) -> dict[str, float]:
    """Seconds of CPU since `before`, by member."""
    names = {process.pid: name_of(process, pid) for process in members(pid)}
    spent: dict[str, float] = {}
    for member, seconds in cpu_seconds(pid).items():
        name = names.get(member, "gone")
        spent[name] = spent.get(name, 0.0) + seconds - before.get(member, 0.0)
    return spent


def name_of(process: psutil.Process, root: int) -> str:
    """A short name of a member: the plugin, `kernel`, `fork server`, or `writer` for the kernel's other child."""
    if process.pid == root:
        return "kernel"
    found = MODULE.findall(" ".join(process.cmdline()))
    if found and found[-1] == "sdk":
        return "fork server"
    return found[-1] if found and found[-1] != "kernel" else "writer"


def pss_mib(pid: int) -> dict[str, float]:
    """Proportional set size by member, in MiB; a plugin of several processes is summed."""
    sizes: dict[str, float] = {}
    for process in members(pid):
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        kib = int(text.split("\nPss:", 1)[1].split(None, 1)[0])
        name = name_of(process, pid)
        sizes[name] = sizes.get(name, 0.0) + kib / 1024
    return sizes


def stop(pid: int) -> None:
    """Kills whatever is left of a tree."""
    try:
        left = members(pid)
    except psutil.NoSuchProcess:
        return
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, 5)
