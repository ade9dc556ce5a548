"""What bad plugins and bad manifests get: a state, a reason, last words; and nobody else is disturbed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from jackfield.v1 import admin_pb2, admin_pb2_grpc
from jackfield_kernel.paths import runtime_paths

from tests.rig.kernel import Rig, handler_manifest, routes, rule, running
from tests.rig.raw import RawPlugin, message_event

PROGRAM = Path(__file__).with_name("misbehaving.py")
RUN = [sys.executable, "-c", "from jackfield_kernel.cli.main import main; main()", "run"]
NEVER = {"backoff": "1h", "backoff_max": "1h"}
AT_ONCE = {"backoff": "10ms", "backoff_max": "10ms"}

pytestmark = pytest.mark.integration


def plugin_folder(folder: Path, name: str, restart: dict[str, str], **changes: Any) -> Path:
    """A folder with a plugin that has the fault of its name."""
    place = folder / name
    place.mkdir(parents=True)
    content = {
        "manifest": 1,
        "name": name,
        "version": "0.1.0",
        "contract": 1,
        "kind": "handler",
        "title": name,
        "description": "A plugin of a test.",
        "run": {"exec": [sys.executable, str(PROGRAM), name]},
        "provides": {"services": ["jackfield.v1.Handler"]},
        "grants": ["reply"],
        "restart": restart,
        **changes,
    }
    (place / "jackfield-plugin.yaml").write_text(json.dumps(content))
    return place


@contextlib.asynccontextmanager
async def house(folder: Path, **places: Path) -> AsyncIterator[tuple[Rig, RawPlugin, RawPlugin]]:
    """A kernel with these plugins beside an adapter and a handler that behave."""
    plugins = {name: {"directory": str(place)} for name, place in places.items()}
    config = {"plugins": plugins, "routes": routes(b=[rule()]), "limits": {"register_deadline": "1s"}}
    async with running(folder / "kernel", config=config) as rig:
        adapter = await rig.adapter()
        yield rig, adapter, await rig.plugin(handler_manifest())


async def undisturbed(adapter: RawPlugin, handler: RawPlugin) -> None:
    """An event still goes from the adapter to the handler."""
    event = message_event("b", "hello")
    await adapter.publish(event)
    await adapter.durable()
    delivery = await handler.delivery()
    assert delivery.event.id == event.id
    await handler.done(delivery)


async def ended(rig: Rig, name: str, state: str) -> admin_pb2.GetPluginResponse:
    """The plugin in full, once it is in a state."""
    await rig.until(lambda status: any(one.name == name and one.state == state for one in status.plugins))
    return await rig.admin.GetPlugin(admin_pb2.GetPluginRequest(name=name))


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("silent", "NEVER_REGISTERED", "did not register within 1 s"),
        ("impostor", "UNAUTHENTICATED", "secret"),
        ("newer", "CONTRACT_MISMATCH", "99"),
        ("hasty", "EXITED_EARLY", "exit code 3"),
    ],
)
async def test_a_plugin_that_cannot_start_says_why(
    tmp_path: Path, name: str, reason: str, words: str
) -> None:
    async with house(tmp_path, **{name: plugin_folder(tmp_path, name, NEVER)}) as (rig, adapter, handler):
        shown = await ended(rig, name, "FAILED")
        assert shown.plugin.reason.reason == reason
        assert words in shown.plugin.reason.message
        assert shown.plugin.reason.remedy
        assert shown.last_lines[0] == f"about to be {name}"
        assert shown.last_exit
        await undisturbed(adapter, handler)
        problems = (await rig.status()).problems
        assert [one.reason for one in problems] == [reason]


async def test_a_plugin_that_fails_again_and_again_is_parked(tmp_path: Path) -> None:
    places = {"hasty": plugin_folder(tmp_path, "hasty", AT_ONCE)}
    async with house(tmp_path, **places) as (rig, adapter, handler):
        shown = await ended(rig, "hasty", "PARKED")
        assert shown.plugin.restarts == 4
        assert shown.plugin.reason.reason == "EXITED_EARLY"
        assert list(shown.last_lines) == ["about to be hasty"] * 5
        await undisturbed(adapter, handler)


async def test_a_flood_of_output_is_bounded_and_disturbs_nobody(tmp_path: Path) -> None:
    async with house(tmp_path, loud=plugin_folder(tmp_path, "loud", NEVER)) as (rig, adapter, handler):
        await undisturbed(adapter, handler)
        shown = await ended(rig, "loud", "FAILED")
        assert shown.plugin.reason.reason == "NEVER_REGISTERED"
        assert len(shown.last_lines) == 50
        assert all(line.startswith("noise") for line in shown.last_lines[:-1])
        older = rig.data.plugin_log("loud").with_name("loud.log.1")
        assert not older.exists() or older.stat().st_size <= 8 << 20
        await undisturbed(adapter, handler)


async def test_a_broken_manifest_is_explained_and_the_others_start(tmp_path: Path) -> None:
    places = {
        "broken": plugin_folder(tmp_path, "broken", NEVER, kind="hander"),
        "silent": plugin_folder(tmp_path, "silent", NEVER),
    }
    async with house(tmp_path, **places) as (rig, adapter, handler):
        shown = await ended(rig, "broken", "FAILED")
        reason = shown.plugin.reason
        assert reason.reason == "MANIFEST_INVALID"
        assert reason.message.startswith(
            f"{places['broken'] / 'jackfield-plugin.yaml'}: kind: expected one of"
        )
        assert reason.remedy == "Did you mean handler?"
        status = await rig.status()
        assert next(one for one in status.plugins if one.name == "silent").pid
        assert reason.message in next(one for one in status.problems).message
        await undisturbed(adapter, handler)


async def test_a_second_kernel_on_a_data_directory_names_the_first(tmp_path: Path) -> None:
    data = tmp_path / "data"
    config = tmp_path / "jackfield.yaml"
    config.write_text(json.dumps({"discover": False, "metrics": {"enabled": False}}))
    command = [*RUN, "--data", str(data), "--config", str(config)]
    pipe = asyncio.subprocess.PIPE
    env = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    first = await asyncio.create_subprocess_exec(*command, env=env, stdout=pipe, stderr=pipe)
    try:
        await _serving(data)
        second = await asyncio.create_subprocess_exec(*command, env=env, stdout=pipe, stderr=pipe)
        _, errors = await asyncio.wait_for(second.communicate(), 15)
        assert second.returncode == 1
        assert f"Another kernel, pid {first.pid}, runs on {data}." in errors.decode()
        assert "--data" in errors.decode()
        await _serving(data)
    finally:
        first.send_signal(signal.SIGTERM)
        await asyncio.wait_for(first.communicate(), 15)
    assert first.returncode == 0


async def _serving(data: Path) -> None:
    socket = runtime_paths(data, {}).admin_socket
    options = (("grpc.default_authority", "localhost"), ("grpc.use_local_subchannel_pool", 1))
    async with asyncio.timeout(10):
        while not socket.exists():
            await asyncio.sleep(0.02)
    async with grpc.aio.insecure_channel(f"unix:{socket}", options=options) as channel:
        await admin_pb2_grpc.AdminStub(channel).GetStatus(
            admin_pb2.GetStatusRequest(), timeout=10, wait_for_ready=True
        )
