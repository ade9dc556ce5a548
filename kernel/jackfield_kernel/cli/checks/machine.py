"""Operating system, Python, SQLite, clock, limits."""

from __future__ import annotations

import os
import platform
import resource
import sqlite3
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from ...paths import DataPaths
from ...supervisor.limits import delegated_group
from ..client import kernel_pid
from .finding import Finding, Surroundings

MIN_PYTHON = (3, 11)
MIN_SQLITE = (3, 37, 0)
"""The first with STRICT tables."""

MIN_FILES = 1024
_OLDEST_TIME = datetime(2024, 1, 1).timestamp()
_CLOCK_TOLERANCE = 60.0
_CGROUP = Path("/sys/fs/cgroup")


def operating_system(around: Surroundings) -> Iterator[Finding]:
    """Linux and macOS work; Windows by WSL2."""
    system, release = platform.system(), platform.release()
    if system == "Windows":
        yield Finding(
            "system",
            "fail",
            f"Windows {release}",
            "Run Jackfield in WSL2: `wsl --install`, then start there.",
        )
    elif "microsoft" in release.lower() and "wsl2" not in release.lower():
        yield Finding(
            "system", "fail", f"WSL1 ({release})", "Move to WSL2: `wsl --set-version DISTRIBUTION 2`."
        )
    elif system in ("Linux", "Darwin"):
        yield Finding("system", "ok", f"{system} {release}, {platform.machine()}")
    else:
        yield Finding("system", "warn", f"{system} {release}", "Untested: Linux and macOS are supported.")


def python(around: Surroundings) -> Iterator[Finding]:
    """New enough."""
    good = sys.version_info >= MIN_PYTHON
    wanted = ".".join(map(str, MIN_PYTHON))
    remedy = "" if good else f"Use Python {wanted} or newer."
    yield Finding(
        "python", "ok" if good else "fail", f"{platform.python_version()}, {sys.executable}", remedy
    )


def sqlite(around: Surroundings) -> Iterator[Finding]:
    """New enough for the journal."""
    good = sqlite3.sqlite_version_info >= MIN_SQLITE
    wanted = ".".join(map(str, MIN_SQLITE))
    remedy = "" if good else f"Use a Python that was built with SQLite {wanted} or newer."
    yield Finding("sqlite", "ok" if good else "fail", sqlite3.sqlite_version, remedy)


def clock(around: Surroundings) -> Iterator[Finding]:
    """Not before this program was written, nor before the journal was."""
    now = time.time()
    shown = datetime.fromtimestamp(now).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    remedy = "Set the clock, best by a time service such as chrony or systemd-timesyncd."
    journal = DataPaths(around.data).journal
    try:
        written = journal.stat().st_mtime
    except OSError:
        written = 0.0
    if now < _OLDEST_TIME:
        yield Finding("clock", "fail", f"{shown} is long past", remedy)
    elif written > now + _CLOCK_TOLERANCE:
        yield Finding(
            "clock", "warn", f"{shown}, but the journal was written {written - now:.0f} s later", remedy
        )
    else:
        yield Finding("clock", "ok", shown)


def limits(around: Surroundings) -> Iterator[Finding]:
    """Who we are, and what bounds plugins."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < MIN_FILES:
        yield Finding("open files", "warn", f"at most {soft}", f"Raise it: `ulimit -n {MIN_FILES * 4}`.")
    else:
        yield Finding("open files", "ok", f"at most {soft}")
    if os.getuid() == 0:
        yield Finding(
            "user", "warn", "root", "Run it as a user of its own: a plugin has the kernel's rights."
        )
    else:
        yield Finding("user", "ok", f"uid {os.getuid()}")
    if platform.system() == "Linux":
        yield _cgroup(kernel_pid(DataPaths(around.data).lock) or "self")


def _cgroup(pid: str) -> Finding:
    weaker = "memory and processes of plugins are bounded by rlimits and a watchdog"
    if not (_CGROUP / "cgroup.controllers").exists():
        return Finding("cgroup", "warn", f"no cgroup v2: {weaker}", "Boot with the unified cgroup hierarchy.")
    if (group := delegated_group(Path(f"/proc/{pid}/cgroup"))) is not None:
        return Finding("cgroup", "ok", f"v2, delegated: {group}")
    return Finding(
        "cgroup",
        "ok",
        f"v2, not delegated: {weaker}",
        "`jackfield service install` on systemd 254 or newer gives more.",
    )
