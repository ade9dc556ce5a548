"""The plugin in Node.js, as a real process under a real kernel."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from jackfield.v1 import admin_pb2

from tests.rig.kernel import handler_manifest, running
from tests.rig.raw import message_event

from .raw_story import NAME, ROUTES, active, platform, reconnecting, supervised

DIRECTORY = Path(__file__).parents[1] / "raw-node"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.node,
    pytest.mark.skipif(NODE is None, reason="Node.js is not installed"),
    pytest.mark.skipif(
        not (DIRECTORY / "node_modules").is_dir(),
        reason="its packages are not installed: npm install --prefix tests/raw-node",
    ),
]


async def test_it_answers_fails_comes_back_and_drains(tmp_path: Path) -> None:
    await supervised(tmp_path, DIRECTORY)


async def test_it_serves_on_after_its_connection_broke(tmp_path: Path) -> None:
    assert NODE is not None
    await reconnecting(tmp_path, handler_manifest(NAME), [NODE, str(DIRECTORY / "raw_echo.mjs")])


async def test_it_refuses_by_itself(tmp_path: Path) -> None:
    config = {"plugins": {NAME: {"directory": str(DIRECTORY)}}, "routes": ROUTES}
    async with running(tmp_path, config=config) as rig:
        adapter = await platform(rig)
        await active(rig)
        await adapter.publish(message_event("b", "nack"))
        await rig.until(lambda status: status.bus.dead == 1)
        dead = (await rig.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest())).dead_letters[0]
        assert (dead.error.reason, dead.error.message) == ("HANDLER_FAILED", "asked to fail")
