"""Whether plugins outlive their kernel here, as they should."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ...paths import DataPaths
from ..client import kernel_pid
from .finding import Finding, Surroundings

_UNIT = re.compile(r"[^/]+\.service$")
_SECONDS = 5.0


def survival(around: Surroundings) -> Iterator[Finding]:
    """A killed kernel leaves its plugins to the next one, unless something ends them together."""
    pid = kernel_pid(DataPaths(around.data).lock)
    if pid == "1":
        yield Finding(
            "survival",
            "warn",
            "the kernel is process 1 of a container: when it dies the container ends, plugins with it",
            "Start it by an init, such as `docker run --init`. Nothing is lost either way; restarts take longer.",
        )
    unit = _unit_of(pid) if pid else ""
    mode = _kill_mode(unit) if unit else ""
    if mode in ("process", "none"):
        yield Finding("survival", "ok", f"{unit} leaves the plugins of a killed kernel alone")
    elif mode:
        remedy = "Set KillMode=process in it, or use `jackfield service install`."
        yield Finding("survival", "warn", f"{unit} ends the plugins with the kernel: KillMode={mode}", remedy)


def _unit_of(pid: str) -> str:
    """The systemd service that the process stands in; empty when there is none."""
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text().split("\n")
    except OSError:
        return ""
    for group in groups:
        for part in reversed(group.rpartition(":")[2].split("/")):
            if _UNIT.match(part) and not part.startswith("user@"):
                return part
    return ""


def _kill_mode(unit: str) -> str:
    if not shutil.which("systemctl"):
        return ""
    for scope in ([], ["--user"]):
        command = ["systemctl", *scope, "show", "--property=KillMode", "--value", "--", unit]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return ""
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
    return ""
