"""The example on generated Python stubs alone, as a real process under a real kernel."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.rig.kernel import handler_manifest

from .raw_story import NAME, reconnecting, supervised

PROGRAM = Path(__file__).parents[2] / "sdk" / "examples" / "raw-python" / "raw_echo.py"

pytestmark = pytest.mark.integration


async def test_it_answers_fails_comes_back_and_drains(tmp_path: Path) -> None:
    directory = tmp_path / "plugin"
    directory.mkdir()
    run = {"exec": [sys.executable, str(PROGRAM)]}
    (directory / "jackfield-plugin.yaml").write_text(json.dumps(_manifest(run)))
    await supervised(tmp_path / "kernel", directory)


async def test_it_serves_on_after_its_connection_broke(tmp_path: Path) -> None:
    await reconnecting(tmp_path, handler_manifest(NAME), [sys.executable, str(PROGRAM)])


def _manifest(run: dict[str, object]) -> dict[str, object]:
    return {
        "manifest": 1,
        "name": NAME,
        "version": "0.1.0",
        "contract": 1,
        "kind": "handler",
        "title": NAME,
        "description": "A plugin of a test.",
        "run": run,
        "provides": {"services": ["jackfield.v1.Handler"]},
        "grants": ["reply"],
    }
