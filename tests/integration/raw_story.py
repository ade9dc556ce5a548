"""What every plugin without an SDK must do, told once for all languages: real processes, a real kernel."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from jackfield.v1 import adapter_message_pb2, admin_pb2, error_pb2

from tests.rig.cut import cuttable
from tests.rig.kernel import Rig, routes, rule, running
from tests.rig.raw import RawPlugin, message_event

NAME = "raw"
ROUTES = routes(b=[rule(NAME)])


async def answered(adapter: RawPlugin, text: str) -> str:
    """What the platform gets when someone writes `text`."""
    before = len(adapter.served)
    await adapter.publish(message_event("b", text))
    async with asyncio.timeout(10):
        while len(adapter.served) == before:
            await asyncio.sleep(0.01)
    request = adapter_message_pb2.ReplyMessageRequest.FromString(adapter.served[-1].body)
    return "".join(segment.text.text for segment in request.message.segments)


async def platform(rig: Rig) -> RawPlugin:
    """An adapter that takes replies."""
    adapter = await rig.adapter()
    answer = adapter_message_pb2.ReplyMessageResponse()
    answer.result.message_id = "m1"
    adapter.answers["ReplyMessage"] = answer.SerializeToString()
    return adapter


async def active(rig: Rig) -> admin_pb2.PluginStatus:
    """The plugin, once it serves."""

    def found(status: admin_pb2.Status) -> bool:
        return any(one.name == NAME and one.state == "ACTIVE" for one in status.plugins)

    status = await rig.until(found)
    return next(one for one in status.plugins if one.name == NAME)


async def supervised(folder: Path, directory: Path) -> None:
    """Started by the kernel: answers, fails in order, comes back after a kill, drains."""
    config = {"plugins": {NAME: {"directory": str(directory)}}, "routes": ROUTES}
    async with running(folder, config=config) as rig:
        adapter = await platform(rig)
        first = await active(rig)
        assert await answered(adapter, "hello") == "hello"

        adapter.answers["ReplyMessage"] = error_pb2.Error(reason="WINDOW_CLOSED", code=9, message="too late")
        await answered(adapter, "late")
        await rig.until(lambda status: status.bus.dead == 1)
        dead = (await rig.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest())).dead_letters[0]
        assert (dead.handler, dead.error.reason) == (NAME, "WINDOW_CLOSED")

        adapter.answers["ReplyMessage"] = b""
        os.kill(first.pid, signal.SIGKILL)
        await rig.until(lambda status: any(one.restarts == 1 for one in status.plugins))
        assert (await active(rig)).pid != first.pid
        assert await answered(adapter, "again") == "again"
        await rig.until(lambda status: status.bus.done == 2)

        stopped = await rig.admin.DisablePlugin(admin_pb2.DisablePluginRequest(name=NAME))
        assert stopped.plugin.state == "STOPPED"
        shown = await rig.admin.GetPlugin(admin_pb2.GetPluginRequest(name=NAME))
        assert "exit code 0" in shown.last_exit


async def reconnecting(folder: Path, manifest: str, command: Sequence[str]) -> None:
    """Started by the test: one process serves on over a second connection, with the resume token."""
    async with running(folder, config={"routes": ROUTES}) as rig, contextlib.AsyncExitStack() as stack:
        adapter = await platform(rig)
        bootstrap = json.loads(Path(await rig.developed(manifest)).read_text())
        # Paths of sockets are short.
        short = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jf-")))
        target = bootstrap["address"].removeprefix("unix:")
        cut = await stack.enter_async_context(cuttable(short / "s", target))
        file = short / "bootstrap.json"
        file.write_text(json.dumps({**bootstrap, "address": f"unix:{short / 's'}"}))
        process = await stack.enter_async_context(started(command, file))

        await active(rig)
        assert await answered(adapter, "one") == "one"
        cut.cut()
        assert await answered(adapter, "two") == "two"
        assert cut.connections == 2
        await rig.until(lambda status: status.bus.done == 2)

        await rig.admin.DisablePlugin(admin_pb2.DisablePluginRequest(name=NAME))
        assert await asyncio.wait_for(process.wait(), 10) == 0


@contextlib.asynccontextmanager
async def started(command: Sequence[str], bootstrap: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process with a bootstrap file; it does not outlive the test."""
    env = {**os.environ, "JACKFIELD_BOOTSTRAP": str(bootstrap)}
    process = await asyncio.create_subprocess_exec(*command, env=env)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
