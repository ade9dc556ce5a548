"""An adapter without a bot costs no process; its first bot wakes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from jackfield.v1 import admin_pb2

from tests.rig.kernel import adapter_manifest, declared, manifest, running

pytestmark = pytest.mark.integration


async def test_an_adapter_waits_for_its_first_bot_and_says_how_to_add_one(tmp_path: Path) -> None:
    plugins = declared(tmp_path, adapter_manifest(bots=()))
    quick = {"plugins": plugins, "limits": {"drain": 0.2}}
    async with running(tmp_path, config={"plugins": plugins}) as rig:
        status = await rig.until(lambda status: status.settled)
        (plugin,) = status.plugins
        assert (plugin.state, plugin.reason.reason) == ("STOPPED", "NO_BOTS")
        assert "jackfield bot add" in plugin.reason.remedy
        await rig.admin.AddBot(admin_pb2.AddBotRequest(name="mine", adapter="a"))
        await rig.declared("a")
        await rig.until_bots("mine")
    # The next kernel knows that somebody needs it.
    async with running(tmp_path, config=quick) as rig:
        await rig.declared("a")
        await rig.until_bots("mine")
        # Its last bot is switched off: it ends in order, and is there again when somebody needs it.
        await rig.admin.SetBotEnabled(admin_pb2.SetBotEnabledRequest(name="mine", enabled=False))
        await rig.until(lambda status: status.plugins[0].reason.reason == "NO_BOTS")
        await rig.admin.SetBotEnabled(admin_pb2.SetBotEnabledRequest(name="mine", enabled=True))
        await rig.declared("a")
        await rig.until_bots("mine")
        await rig.admin.SetBotEnabled(admin_pb2.SetBotEnabledRequest(name="mine", enabled=False))
        # Asked for again while it is still ending.
        await rig.until(lambda status: status.plugins[0].state != "ACTIVE")
        await rig.admin.SetBotEnabled(admin_pb2.SetBotEnabledRequest(name="mine", enabled=True))
        await rig.until(lambda status: status.plugins[0].state in ("STARTING", "ACTIVE"))
        await rig.admin.SetBotEnabled(admin_pb2.SetBotEnabledRequest(name="mine", enabled=False))
    async with running(tmp_path, config={"plugins": plugins}) as rig:
        status = await rig.until(lambda status: status.settled)
        assert status.plugins[0].reason.reason == "NO_BOTS"
        await rig.admin.SetBotEnabled(admin_pb2.SetBotEnabledRequest(name="mine", enabled=True))
        await rig.declared("a")
        await rig.until_bots("mine")


async def test_who_takes_webhooks_for_others_waits_for_a_bot_that_has_any(tmp_path: Path) -> None:
    plugins = declared(tmp_path, adapter_manifest(bots=()), manifest("door", "service", grants=("ingress",)))
    async with running(tmp_path, config={"plugins": plugins}) as rig:
        status = await rig.until(lambda status: status.settled)
        assert {plugin.reason.reason for plugin in status.plugins} == {"NO_BOTS"}
