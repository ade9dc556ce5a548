"""`jackfield dev` and `jackfield chat` as people run them: as processes, against a running kernel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from jackfield.v1 import adapter_message_pb2, admin_pb2
from jackfield_sdk.commands.new import write_plugin

from tests.rig.kernel import Rig, running
from tests.rig.raw import RawPlugin, message_event

JACKFIELD = [sys.executable, "-u", "-c", "from jackfield_kernel.cli.main import main; main()"]
PIPE = asyncio.subprocess.PIPE

pytestmark = [pytest.mark.integration, pytest.mark.slow]


class Command:
    """A running command; `lines` is what it said so far on both streams."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def says(self, words: str) -> str:
        """Read on to the next line with these words; fails the test when none comes."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(15):
                while line := (await self.process.stdout.readline()).decode():
                    self.lines.append(line)
                    if words in line:
                        return line
        except TimeoutError:
            pass
        raise AssertionError(f"it never said {words!r}:\n{''.join(self.lines)}")

    async def interrupted(self) -> int:
        """Press Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        await asyncio.wait_for(self.process.communicate(), 15)
        assert self.process.returncode is not None
        return self.process.returncode


@contextlib.asynccontextmanager
async def command(rig: Rig, *arguments: str) -> AsyncIterator[Command]:
    """A command on the rig's kernel; it does not outlive the test."""
    env = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    env["JACKFIELD_DATA"] = str(rig.data.root)
    process = await asyncio.create_subprocess_exec(
        *JACKFIELD, *arguments, env=env, stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        yield Command(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[Rig, RawPlugin]]:
    """A kernel with router and echo as processes, and an adapter with bot b."""
    async with running(folder / "kernel", config={"plugins": {"router": {}, "echo": {}}}) as rig:
        adapter = await rig.adapter()
        answer = adapter_message_pb2.ReplyMessageResponse()
        answer.result.message_id = "m1"
        adapter.answers["ReplyMessage"] = answer.SerializeToString()
        await rig.until(lambda status: all(one.state == "ACTIVE" for one in status.plugins))
        yield rig, adapter


async def answerer(adapter: RawPlugin, text: str) -> str:
    """Who answers when someone writes `text`."""
    before = len(adapter.served)
    await adapter.publish(message_event("b", text))
    async with asyncio.timeout(10):
        while len(adapter.served) == before:
            await asyncio.sleep(0.01)
    return adapter.served[-1].caller.plugin


async def test_a_plugin_is_written_broken_and_mended_under_dev(tmp_path: Path) -> None:
    place = tmp_path / "hello"
    write_plugin("hello", "handler", place)
    code = place / "jackfield_hello" / "__init__.py"
    manifest = code.with_name("jackfield-plugin.yaml")
    good, sound = code.read_text(), manifest.read_text()
    async with house(tmp_path) as (rig, adapter):
        assert await answerer(adapter, "before") == "echo"
        async with command(rig, "dev", str(place), "--bot", "b") as dev:
            await dev.says("message.received of bot b goes to hello first.")
            assert await answerer(adapter, "hi") == "hello"

            code.write_text(good.replace("event.text", "event.txt"))
            await dev.says("__init__.py saved")
            await dev.says("hello 0.1.0 is ACTIVE")
            await adapter.publish(message_event("b", "oops"))
            await dev.says("await ctx.reply(event.txt)")
            await dev.says("hello could not handle message.received 'oops': AttributeError")

            code.write_text("def (\n")
            await dev.says("SyntaxError")
            await dev.says("hello FAILED: It ended before it was ready, with exit code 1.")

            code.write_text(good)
            await dev.says("hello 0.1.0 is ACTIVE")
            manifest.write_text(sound.replace("kind: handler", "kind: hander"))
            assert str(manifest) in await dev.says("kind: expected one of")
            await dev.says("Fix: Did you mean handler?")
            assert await answerer(adapter, "still") == "hello"
            manifest.write_text(sound.replace("0.1.0", "0.2.0"))
            await dev.says("hello 0.2.0 is ACTIVE")
            assert await dev.interrupted() == 0
        status = await rig.until(lambda status: all(one.name != "hello" for one in status.plugins))
        assert not status.bus.leased
        tables = (await rig.admin.ListRoutes(admin_pb2.ListRoutesRequest(bot="b"))).tables
        assert [rule.handler for rule in tables[0].rules] == ["echo"]
        assert await answerer(adapter, "after") == "echo"


async def test_dev_waits_for_a_manifest_that_can_be_read(tmp_path: Path) -> None:
    place = tmp_path / "hello"
    write_plugin("hello", "handler", place)
    manifest = place / "jackfield_hello" / "jackfield-plugin.yaml"
    sound = manifest.read_text()
    manifest.write_text(sound.replace("contract: 1", "contract: one"))
    async with running(tmp_path / "kernel") as rig, command(rig, "dev", str(place)) as dev:
        await dev.says("jackfield-plugin.yaml: contract: expected")
        await dev.says("Waiting for the next save")
        manifest.write_text(sound)
        await dev.says("hello 0.1.0 is ACTIVE")
        assert await dev.interrupted() == 0


async def test_a_plugin_is_started_from_an_ide(tmp_path: Path) -> None:
    place = tmp_path / "hello"
    write_plugin("hello", "handler", place)
    async with house(tmp_path) as (rig, _):
        async with command(rig, "dev", str(place), "--bot", "b", "--debugger") as dev:
            variable, _, path = (await dev.says("JACKFIELD_BOOTSTRAP=")).strip().partition("=")
            ide = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "jackfield_hello", cwd=place, env={**os.environ, variable: path}
            )
            try:
                await rig.until(
                    lambda status: any(
                        one.name == "hello" and one.state == "ACTIVE" for one in status.plugins
                    )
                )
                await dev.says("hello 0.1.0 is ACTIVE")
                assert await dev.interrupted() == 0
                assert await asyncio.wait_for(ide.wait(), 15) == 0
            finally:
                if ide.returncode is None:
                    ide.kill()
                    await ide.wait()


async def test_dev_names_what_is_missing(tmp_path: Path) -> None:
    place = tmp_path / "hello"
    write_plugin("hello", "handler", place)
    async with running(tmp_path / "kernel") as rig, command(rig, "dev", str(place)) as dev:
        await dev.says(
            "No event of bot web reaches it: rules are changed by a router plugin; installed: none"
        )
        async with command(rig, "dev", str(place)) as second:
            await second.says("a plugin hello is being developed already")
            assert await asyncio.wait_for(second.process.wait(), 10) == 1
        assert await dev.interrupted() == 0


async def test_a_pipe_gets_its_answers(tmp_path: Path) -> None:
    async with house(tmp_path) as (rig, _), command(rig, "chat") as chat:
        output, _ = await asyncio.wait_for(chat.process.communicate(b"hello\n\nworld\n"), 15)
        assert output.decode() == "hello\nworld\n"
        assert chat.process.returncode == 0
        status = await rig.until(lambda status: all(one.name != "terminal" for one in status.bots))
        assert "chat-terminal" not in [one.name for one in status.plugins]


async def test_chat_says_when_no_rule_takes_a_message(tmp_path: Path) -> None:
    config = {"plugins": {"router": {}}}
    async with running(tmp_path / "kernel", config=config) as rig, command(rig, "chat") as chat:
        output, _ = await asyncio.wait_for(chat.process.communicate(b"hello\n"), 15)
        assert "no rule takes 'hello' [UNROUTED]" in output.decode()
        assert chat.process.returncode == 1


async def test_without_a_kernel_the_commands_say_so(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *JACKFIELD, "chat", "--data", str(tmp_path / "nowhere"), stdout=PIPE, stderr=PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 3
    assert b"No kernel runs on" in errors
