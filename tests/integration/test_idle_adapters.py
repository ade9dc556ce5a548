"""An adapter without a bot costs no process; its first bot wakes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from jackfield.v1 import admin_pb2

from tests.rig.kernel import adapter_manifest, declared, running

pytestmark = pytest.mark.integration


async def test_an_adapter_waits_for_its_first_bot_and_says_how_to_add_one(tmp_path: Path) -> None:
    plugins = declared(tmp_path, adapter_manifest(bots=()))
    async with running(tmp_path, config={"plugins": plugins}) as rig:
        status = await rig.until(lambda status: status.settled)
        (plugin,) = status.plugins
        assert (plugin.state, plugin.reason.reason) == ("STOPPED", "NO_BOTS")
        assert "jackfield bot add" in plugin.reason.remedy
        await rig.admin.AddBot(admin_pb2.AddBotRequest(name="mine", adapter="a"))
        await rig.declared("a")
        await rig.until_bots("mine")
    # The next kernel knows that somebody needs it.
    async with running(tmp_path, config={"plugins": plugins}) as rig:
        await rig.declared("a")
        await rig.until_bots("mine")
        await rig.admin.SetBotEnabled(admin_pb2.SetBotEnabledRequest(name="mine", enabled=False))
    async with running(tmp_path, config={"plugins": plugins}) as rig:
        status = await rig.until(lambda status: status.settled)
        assert status.plugins[0].reason.reason == "NO_BOTS"
        await rig.admin.SetBotEnabled(admin_pb2.SetBotEnabledRequest(name="mine", enabled=True))
        await rig.declared("a")
        await rig.until_bots("mine")
