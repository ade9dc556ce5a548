"""Launchers and limits in a whole kernel, as far as they need no Debian package."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest
from jackfield.v1 import admin_pb2
from jackfield_kernel.forkserver import PACKAGE, SERVER

from tests.rig.kernel import Rig, manifest, running

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="forking needs Linux"),
]


async def active(rig: Rig, name: str, *, other_than: int = 0) -> admin_pb2.PluginStatus:
    """Wait until the plugin runs and is ready."""

    def found(status: admin_pb2.Status) -> bool:
        one = next(one for one in status.plugins if one.name == name)
        return one.state == "ACTIVE" and not one.HasField("reason") and one.pid != other_than

    return next(one for one in (await rig.until(found)).plugins if one.name == name)


def servers() -> list[psutil.Process]:
    """The fork servers of this process."""
    living = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    return [one for one in living if f"{PACKAGE}.{SERVER}" in one.cmdline()]


async def test_a_packaged_plugin_is_forked_and_its_server_may_be_killed(tmp_path: Path) -> None:
    config = {"plugins": {"echo": {}, "command": {}}}
    async with running(tmp_path, config=config) as rig:
        echo, command = await active(rig, "echo"), await active(rig, "command")
        assert (echo.launcher, echo.boundary) == ("preloaded", "trusted process")
        assert "-m jackfield_echo" in " ".join(psutil.Process(echo.pid).cmdline())
        (server,) = servers()
        server.kill()
        await rig.admin.RestartPlugin(admin_pb2.RestartPluginRequest(name="echo"))
        again = await active(rig, "echo", other_than=echo.pid)
        (other,) = servers()
        assert other.pid != server.pid
        assert (await active(rig, "command")).pid == command.pid, "nobody else was restarted"
        assert "-m jackfield_echo" in " ".join(psutil.Process(again.pid).cmdline())
        shown = await rig.admin.GetPlugin(admin_pb2.GetPluginRequest(name="echo"))
        assert list(shown.not_enforced) == ["network and files: a trusted process may use both"]
    assert servers() == []


async def test_the_next_kernel_takes_over_what_was_forked(tmp_path: Path) -> None:
    config = {"plugins": {"echo": {}}}
    async with running(tmp_path, config=config) as first:
        before = await active(first, "echo")
        await first.hand_over()
    async with running(tmp_path, config=config) as second:
        assert (await active(second, "echo")).pid == before.pid


async def test_the_operators_limit_ends_a_plugin_and_says_so(tmp_path: Path) -> None:
    place = tmp_path / "greedy"
    place.mkdir()
    text = manifest("greedy", "handler", run={"python": "greedy"}, limits={"memory": "1GiB", "cpu": 4})
    (place / "jackfield-plugin.yaml").write_text(text)
    script = "import time\nheld = bytearray(b'x') * (200 << 20)\ntime.sleep(600)\n"
    (place / "__main__.py").write_text(script)
    config = {"plugins": {"greedy": {"directory": str(place), "limits": {"memory": "64MiB"}}}}
    async with running(tmp_path / "kernel", config=config) as rig:
        status = await rig.until(lambda now: now.plugins[0].state in ("FAILED", "PARKED"))
        assert (status.plugins[0].launcher, status.plugins[0].reason.reason) == ("process", "MEMORY_LIMIT")
        assert "64 are allowed" in status.plugins[0].reason.message
        assert "plugins.greedy" in status.plugins[0].reason.remedy
        gaps = list((await rig.admin.GetPlugin(admin_pb2.GetPluginRequest(name="greedy"))).not_enforced)
        # Where a control group was delegated to the tests, nothing is missing.
        assert gaps[1:] in ([], [
            "limit of memory: looked at every 1 s",
            "limit of CPU: not throttled, ended when above it for 30 s",
        ])  # fmt: skip
