"""What `doctor` looks at: each check is a function from the surroundings to findings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .commands import commands
from .finding import Finding, Surroundings
from .isolation import isolation
from .machine import clock, limits, operating_system, python, sqlite
from .place import data_directory, disk, journal, running_kernel
from .ports import configuration_and_ports
from .survival import survival

CHECKS = (
    operating_system,
    python,
    sqlite,
    data_directory,
    disk,
    journal,
    running_kernel,
    survival,
    configuration_and_ports,
    commands,
    clock,
    limits,
    isolation,
)


def run_checks(data: Path, environ: Mapping[str, str]) -> list[Finding]:
    """Run every check on the data directory `data`. None of them changes anything."""
    around = Surroundings(data, environ)
    return [finding for check in CHECKS for finding in check(around)]


__all__ = ["CHECKS", "Finding", "Surroundings", "run_checks"]
