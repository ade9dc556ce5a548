"""A stranger's plugin in a whole kernel: its sandbox, the operator's trust, the network, and a kernel that is replaced."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from jackfield.v1 import admin_pb2

from ..rig.kernel import Rig, manifest, running

pytestmark = [
    pytest.mark.debian,
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("bwrap"), reason="needs the Debian package bubblewrap"),
]

PLUGIN = """\
import os
from jackfield_sdk import Plugin
plugin = Plugin()
print("uid", os.getuid(), "sees", sorted(os.listdir("/")), flush=True)
plugin.run()
"""


def written(folder: Path, name: str = "stranger", **fields: Any) -> Path:
    """A plugin's folder."""
    place = folder / name
    place.mkdir()
    text = manifest(name, "handler", grants=["reply", "network"], run={"python": name}, **fields)
    (place / "jackfield-plugin.yaml").write_text(text)
    (place / "__main__.py").write_text(PLUGIN)
    return place


async def enabled(rig: Rig, place: Path) -> admin_pb2.PluginStatus:
    await rig.admin.InstallPlugin(admin_pb2.InstallPluginRequest(path=str(place)))
    await rig.admin.EnablePlugin(admin_pb2.EnablePluginRequest(name=place.name, approve=True))
    return await active(rig, place.name)


async def active(rig: Rig, name: str, *, other_than: int = 0) -> admin_pb2.PluginStatus:
    """Wait until the plugin runs and is ready."""

    def found(status: admin_pb2.Status) -> bool:
        one = next(one for one in status.plugins if one.name == name)
        return one.state == "ACTIVE" and not one.HasField("reason") and one.pid != other_than

    status = await rig.until(found)
    return next(one for one in status.plugins if one.name == name)


async def shown(rig: Rig, name: str) -> admin_pb2.GetPluginResponse:
    return await rig.admin.GetPlugin(admin_pb2.GetPluginRequest(name=name))


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with running(tmp_path) as one:
        yield one


async def test_a_stranger_runs_in_a_sandbox_until_the_operator_trusts_it(rig: Rig, tmp_path: Path) -> None:
    first = await enabled(rig, written(tmp_path))
    assert (first.boundary, first.launcher) == ("isolated", "isolated")
    assert "uid 1000 sees" in rig.data.plugin_log("stranger").read_text()
    gaps = list((await shown(rig, "stranger")).not_enforced)
    assert "disk: its own folder may grow" in gaps
    assert not any("a trusted process may use both" in gap for gap in gaps)

    await rig.admin.TrustPlugin(admin_pb2.TrustPluginRequest(name="stranger"))
    trusted = await active(rig, "stranger", other_than=first.pid)
    assert (trusted.boundary, trusted.launcher) == ("trusted process", "process")
    assert not psutil.pid_exists(first.pid)

    await rig.admin.TrustPlugin(admin_pb2.TrustPluginRequest(name="stranger", revoke=True))
    again = await active(rig, "stranger", other_than=trusted.pid)
    assert again.boundary == "isolated"


async def test_trust_does_not_start_what_nobody_approved(rig: Rig, tmp_path: Path) -> None:
    await rig.admin.InstallPlugin(admin_pb2.InstallPluginRequest(path=str(written(tmp_path))))
    answer = await rig.admin.TrustPlugin(admin_pb2.TrustPluginRequest(name="stranger"))
    assert (answer.plugin.state, answer.plugin.reason.reason) == ("STOPPED", "NEEDS_APPROVAL")
    assert answer.plugin.launcher == "process"


async def test_trust_ends_with_the_files_it_was_given_to(rig: Rig, tmp_path: Path) -> None:
    place = written(tmp_path)
    await enabled(rig, place)
    await rig.admin.TrustPlugin(admin_pb2.TrustPluginRequest(name="stranger"))
    await rig.admin.RemovePlugin(admin_pb2.RemovePluginRequest(name="stranger"))
    await rig.admin.InstallPlugin(admin_pb2.InstallPluginRequest(path=str(place)))
    assert (await shown(rig, "stranger")).plugin.launcher == "isolated"


async def test_what_is_trusted_by_its_place_keeps_its_trust(tmp_path: Path) -> None:
    place = written(tmp_path)
    config = {"plugins": {"stranger": {"directory": str(place)}}}
    async with running(tmp_path / "kernel", config=config) as rig:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await rig.admin.TrustPlugin(admin_pb2.TrustPluginRequest(name="stranger", revoke=True))
        assert "CONFIG_PINNED" in (refused.value.details() or "")


async def test_trust_is_remembered(tmp_path: Path) -> None:
    async with running(tmp_path / "kernel") as first:
        place = written(tmp_path)
        await enabled(first, place)
        await first.admin.TrustPlugin(admin_pb2.TrustPluginRequest(name="stranger"))
    async with running(tmp_path / "kernel") as second:
        assert (await active(second, "stranger")).boundary == "trusted process"


async def test_taking_the_network_away_takes_effect_at_once(rig: Rig, tmp_path: Path) -> None:
    first = await enabled(rig, written(tmp_path))
    assert any("network" in gap for gap in (await shown(rig, "stranger")).not_enforced)
    await rig.admin.SetGrants(admin_pb2.SetGrantsRequest(name="stranger", grants=["reply"]))
    second = await active(rig, "stranger", other_than=first.pid)
    assert not psutil.pid_exists(first.pid)
    leader = psutil.Process(second.pid)
    inside = next(one for one in leader.children(recursive=True) if "python" in one.name())
    assert Path(f"/proc/{inside.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    assert not any("network" in gap for gap in (await shown(rig, "stranger")).not_enforced)


async def test_an_isolated_plugin_outlives_its_kernel(tmp_path: Path) -> None:
    async with running(tmp_path / "kernel") as first:
        before = await enabled(first, written(tmp_path))
        await first.hand_over()
    async with running(tmp_path / "kernel") as second:
        after = await active(second, "stranger")
        assert (after.pid, after.boundary) == (before.pid, "isolated")
    assert not psutil.pid_exists(before.pid)


async def test_a_new_version_takes_over_in_a_sandbox_of_its_own(rig: Rig, tmp_path: Path) -> None:
    first = await enabled(rig, written(tmp_path))
    (tmp_path / "2").mkdir()
    place = written(tmp_path / "2")
    (place / "__main__.py").write_text(PLUGIN.replace('"uid"', '"second", os.path.dirname(__file__)'))
    request = admin_pb2.UpgradePluginRequest(name="stranger", path=str(place))
    steps = [response.step async for response in rig.admin.UpgradePlugin(request)]
    assert admin_pb2.UPGRADE_STEP_DONE in steps
    second = await active(rig, "stranger", other_than=first.pid)
    assert second.boundary == "isolated"
    assert f"second {place}" in rig.data.plugin_log("stranger").read_text()
    assert not psutil.pid_exists(first.pid)


async def test_nothing_of_a_sandbox_is_left_when_its_leader_was_killed(rig: Rig, tmp_path: Path) -> None:
    first = await enabled(rig, written(tmp_path))
    inside = psutil.Process(first.pid).children(recursive=True)
    assert len(inside) >= 2
    psutil.Process(first.pid).kill()
    await active(rig, "stranger", other_than=first.pid)
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in inside)


async def test_without_bubblewrap_a_stranger_does_not_start_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    async with running(tmp_path / "kernel") as rig:
        monkeypatch.setenv("PATH", str(empty))
        place = written(tmp_path)
        await rig.admin.InstallPlugin(admin_pb2.InstallPluginRequest(path=str(place)))
        await rig.admin.EnablePlugin(admin_pb2.EnablePluginRequest(name="stranger", approve=True))
        status = await rig.until(lambda now: now.plugins[0].reason.reason == "ISOLATION_UNAVAILABLE")
        assert "bwrap is not installed" in status.plugins[0].reason.message
        assert "jackfield plugin trust stranger" in status.plugins[0].reason.remedy
        # Once it is installed nobody has to do anything: the next start finds it.
        monkeypatch.undo()
        await active(rig, "stranger")


@pytest.mark.skipif(os.getuid() != 0, reason="only below root a sandbox has a user of its own")
async def test_code_that_the_sandboxs_user_may_not_read_is_named(rig: Rig, tmp_path: Path) -> None:
    place = written(tmp_path)
    place.chmod(0o700)
    await rig.admin.InstallPlugin(admin_pb2.InstallPluginRequest(path=str(place)))
    await rig.admin.EnablePlugin(admin_pb2.EnablePluginRequest(name="stranger", approve=True))
    status = await rig.until(lambda now: now.plugins[0].reason.reason == "LAUNCH_FAILED")
    assert f"chmod -R o+rX {place}" in status.plugins[0].reason.remedy


async def test_a_plugin_over_its_memory_is_ended_and_says_so(rig: Rig, tmp_path: Path) -> None:
    place = written(tmp_path, limits={"memory": "64MiB"}, restart={"backoff": "60s", "backoff_max": "60s"})
    script = "import time\nheld = bytearray(b'x') * (200 << 20)\ntime.sleep(600)\n"
    (place / "__main__.py").write_text(script)
    await rig.admin.InstallPlugin(admin_pb2.InstallPluginRequest(path=str(place)))
    await rig.admin.EnablePlugin(admin_pb2.EnablePluginRequest(name="stranger", approve=True))
    status = await rig.until(lambda now: now.plugins[0].state == "FAILED")
    assert status.plugins[0].reason.reason == "MEMORY_LIMIT"
    assert "64 are allowed" in status.plugins[0].reason.message
    assert "plugins.stranger" in status.plugins[0].reason.remedy
