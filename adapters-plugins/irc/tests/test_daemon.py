"""The real adapter under a real kernel, on a real IRC daemon."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jackfield_echo
import jackfield_irc
import pytest
from jackfield_irc.line import Line, encoded, parse

from tests.rig.command import free_port
from tests.rig.kernel import rule, running

DAEMON = shutil.which("ngircd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.debian,
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(not DAEMON, reason="needs the Debian package ngircd"),
]


class Person:
    """Somebody on the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def arrives(cls, port: int, nick: str, channel: str) -> Person:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        person = cls(reader, writer)
        person.say("NICK", nick)
        person.say("USER", nick, "0", "*", nick)
        await person.hears("001")
        person.say("JOIN", channel)
        await person.hears("366")
        return person

    def say(self, *line: str) -> None:
        self._writer.write(encoded(*line))

    async def hears(self, command: str, text: str = "") -> Line:
        """The next line of this command whose last parameter holds the text."""
        async with asyncio.timeout(20):
            while True:
                line = parse((await self._reader.readline()).rstrip(b"\r\n"))
                if line.command == "PING":
                    self.say("PONG", *line.params)
                if line.command == command and text in line.params[-1]:
                    return line

    def leaves(self) -> None:
        self._writer.close()


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """A daemon on this port."""
    port = free_port()
    settings = f"""
[Global]
Name = irc.local
Info = test
Listen = 127.0.0.1
Ports = {port}
[Limits]
MaxConnectionsIP = 0
MaxJoins = 0
[Options]
DNS = no
Ident = no
PAM = no
"""
    (tmp_path / "ngircd.conf").write_text(settings)
    assert DAEMON
    daemon = await asyncio.create_subprocess_exec(
        DAEMON, "-n", "-f", str(tmp_path / "ngircd.conf"), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.01)
                    continue
                writer.close()
                break
        yield port
    finally:
        daemon.terminate()
        await daemon.wait()


def config(port: int) -> dict[str, Any]:
    plugins = {
        module.__name__.removeprefix("jackfield_"): {"directory": str(Path(module.__file__ or "").parent)}
        for module in (jackfield_echo, jackfield_irc)
    }
    settings = {
        "server": "127.0.0.1",
        "port": port,
        "tls": False,
        "nick": "jack",
        "channels": ["#room"],
        "flood_seconds": 0,
    }
    bots = {"chat": {"adapter": "irc", "config": settings}}
    return {"plugins": plugins, "bots": bots, "routes": {"chat": [rule("echo")]}}


async def test_talk_a_kill_and_a_return(tmp_path: Path, port: int) -> None:
    async with running(tmp_path / "kernel", config=config(port)) as rig:
        await rig.until_bots("chat")
        ann = await Person.arrives(port, "ann", "#room")
        try:
            ann.say("PRIVMSG", "#room", "hello all")
            assert (await ann.hears("PRIVMSG", "hello all")).nick == "jack"
            ann.say("PRIVMSG", "jack", "just us")
            assert (await ann.hears("PRIVMSG", "just us")).params[0] == "ann"
            ann.say("PRIVMSG", "#room", "é" * 230)
            assert len((await ann.hears("PRIVMSG", "é")).params[-1].encode()) <= 400

            pid = next(one.pid for one in (await rig.status()).plugins if one.name == "irc")
            os.kill(pid, signal.SIGKILL)
            # The server may notice the death after the return: then the bot has another name for a moment.
            while not (joined := await ann.hears("JOIN")).nick.startswith("jack"):
                pass
            assert joined.nick in ("jack", "jack_")
            ann.say("PRIVMSG", "#room", "after the kill")
            assert (await ann.hears("PRIVMSG", "after the kill")).nick.startswith("jack")
            assert (await rig.status()).bus.dead == 0
        finally:
            ann.leaves()
