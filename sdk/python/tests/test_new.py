"""`jackfield new` writes plugins whose own tests pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from jackfield_sdk.commands import new
from typer.testing import CliRunner


def app() -> typer.Typer:
    application = typer.Typer()
    application.command()(new)
    return application


@pytest.mark.slow
@pytest.mark.parametrize("template", ["handler", "adapter", "raw", "tool", "model"])
def test_a_new_plugin_passes_its_own_test(tmp_path: Path, template: str) -> None:
    target = tmp_path / "shy-echo"
    result = CliRunner().invoke(app(), [template, "shy-echo", "--folder", str(target)])
    assert result.exit_code == 0, result.output
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(target)],
        cwd=target,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_bad_names_and_existing_folders_are_refused(tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app(), ["handler", "Bad_Name", "--folder", str(tmp_path / "x")]).exit_code == 2
    assert runner.invoke(app(), ["handler", "fine", "--folder", str(tmp_path)]).exit_code == 2
    assert runner.invoke(app(), ["zzz", "fine", "--folder", str(tmp_path / "y")]).exit_code == 2
