"""`jackfield service`: the unit as systemd reads it, and clear words where there is no systemd."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .conftest import Shell


def values(unit: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))


def test_the_unit_leaves_plugins_alone_and_watches_the_kernel(shell: Shell, tmp_path: Path) -> None:
    shown = shell("service", "install", "--print", "--data", str(tmp_path / "my data"))
    assert shown.code == 0
    unit = values(shown.out)
    assert (unit["KillMode"], unit["Delegate"], unit["Type"]) == ("process", "yes", "notify")
    assert (unit["Restart"], unit["WatchdogSec"], unit["WantedBy"]) == ("always", "30", "default.target")
    assert unit["ExecStart"].startswith(f"{sys.executable} -m jackfield_kernel run --data ")
    assert f'"{tmp_path / "my data"}"' in unit["ExecStart"]
    assert "User" not in unit


def test_a_service_of_the_machine_names_its_user(shell: Shell, tmp_path: Path) -> None:
    arguments = ("--system", "--user", "bots", "--data", str(tmp_path / "100%$HOME"))
    unit = values(shell("service", "install", "--print", *arguments).out)
    assert (unit["User"], unit["WantedBy"]) == ("bots", "multi-user.target")
    assert unit["ExecStart"].split(" --data ")[1].startswith(f"{tmp_path}/100%%$$HOME")


def test_a_user_without_system_is_refused_with_the_reason(shell: Shell) -> None:
    shown = shell("service", "install", "--print", "--user", "bots")
    assert shown.code == 1
    assert "--user goes with --system" in shown.err


def test_without_systemd_the_command_says_what_to_do(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    shown = shell("service", "install")
    assert shown.code == 1
    assert "systemd does not run" in shown.err
    assert "--print" in shown.err
