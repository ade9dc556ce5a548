"""An operator looks at what `make run` starts: logs, spans, top, the bundle, all by commands and real processes."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import zipfile
from pathlib import Path

import pytest

from tests.rig.collector import collecting
from tests.rig.command import PROGRAM, Installation
from tests.rig.onebot import OneBotClient

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SECRET = "hunter2-token"
TEXT = "my-private-words"

MANIFEST = """\
manifest: 1
name: shouter
version: 0.1.0
contract: 1
kind: handler
title: Shouter
description: Logs and answers.
run: {python: shouter}
provides: {services: [jackfield.v1.Handler]}
grants: [reply]
config:
  type: object
  properties: {token: {type: string, secret: true}}
"""

CODE = """\
from jackfield_sdk import Context, Event, Plugin

plugin = Plugin("shouter")


@plugin.on("message.received")
async def shout(ctx: Context, event: Event) -> None:
    ctx.log.warning("heard %s\\x1b[31m", event.text)
    if event.text.startswith("boom"):
        raise ValueError(event.text)
    await ctx.reply(event.text.upper())


plugin.run()
"""


def prepared(folder: Path) -> Installation:
    """The default set, with a handler that logs what it hears."""
    installation = Installation(folder)
    place = folder / "shouter"
    place.mkdir()
    (place / "jackfield-plugin.yaml").write_text(MANIFEST)
    (place / "__init__.py").touch()
    (place / "__main__.py").write_text(CODE)
    config = json.loads((folder / "jackfield.yaml").read_text())
    config["plugins"]["shouter"] = {"directory": str(place), "config": {"token": SECRET}}
    config["routes"] = {"onebot": [{"id": "shout", "event": "message.received", "handler": "shouter"}]}
    (folder / "jackfield.yaml").write_text(json.dumps(config))
    return installation


async def test_one_message_is_one_trace_across_processes_and_its_lines_are_found_by_its_id(
    tmp_path: Path,
) -> None:
    installation = prepared(tmp_path)
    async with collecting() as collector:
        installation.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        installation.environ["OTEL_BSP_SCHEDULE_DELAY"] = "50"
        installation.environ["OTEL_EXPORTER_OTLP_HEADERS"] = f"key={SECRET}"
        await installation.run()
        try:
            async with OneBotClient(installation.onebot) as client:
                await client.say(TEXT)
                assert await client.until(1) == [TEXT.upper()]
                await client.say(f"boom {TEXT}")
                (event,) = [
                    one for one in (await installation.ask("event", "list"))["events"] if one["text"] == TEXT
                ]
                wanted = {"accept", "route", "deliver"}
                call = "/jackfield.v1.Adapter/ReplyMessage"
                spans = await collector.until(
                    lambda seen: (
                        wanted | {call, f"call {call}"}
                        <= {
                            one.name
                            for one in seen
                            if one.trace
                            in {
                                s.trace for s in seen if s.attributes.get("jackfield.event.id") == event["id"]
                            }
                        }
                    )
                )
                trace = next(
                    one.trace for one in spans if one.attributes.get("jackfield.event.id") == event["id"]
                )
                own = {one.name: one for one in spans if one.trace == trace}
                assert own["accept"].service == "jackfield-kernel"
                assert own["route"].parent == own["accept"].span
                assert (own["deliver"].service, own["deliver"].parent) == ("shouter", own["accept"].span)
                assert own[f"call {call}"].parent == own["deliver"].span
                assert (own[call].service, own[call].parent) == ("onebot", own[f"call {call}"].span)

                output = await installation.command("logs", "shouter", "--event", event["id"], "--json")
                entry = json.loads(output.splitlines()[0])
                assert (entry["trace_id"], entry["delivery_id"]) == (trace, f"{event['id']}.0")
                assert entry["message"] == f"heard {TEXT}"
                # The kernel's log has the plugin's lines too, and is told apart by trace as well.
                output = await installation.command("logs", "--trace", trace, "--level", "warning")
                assert TEXT in output
                assert "\x1b" not in output
                await looked_at(installation, tmp_path)
        finally:
            await installation.stop()


def live(installation: Installation) -> str:
    """What `top` shows on a terminal until q is pressed."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 100, 140, 0, 0))
    environ = {**installation.environ, "TERM": "xterm"}
    program = subprocess.Popen(
        [str(PROGRAM), "top", "--interval", "0.2"], stdin=slave, stdout=slave, stderr=slave, env=environ
    )
    os.close(slave)
    shown = b""
    try:
        while b"shouter" not in shown:
            shown += os.read(master, 1 << 16)
        os.write(master, b"q")
        while True:
            shown += os.read(master, 1 << 16)
    except OSError:
        # The other end of a terminal is gone once the program has ended.
        assert program.wait(10) == 0
    finally:
        program.kill()
        program.wait()
        os.close(master)
    return shown.decode()


async def looked_at(installation: Installation, folder: Path) -> None:
    """Top, audit, the story, and a bundle without content and secrets."""
    status = await installation.ask("status")
    plugins = {one["name"]: one for one in status["plugins"]}
    # Nobody told it where to: it does not run, and that is no fault.
    assert (plugins["notices"]["state"], plugins["notices"]["reason"]["reason"]) == (
        "STOPPED",
        "NOT_CONFIGURED",
    )
    assert status["problems"] == []

    snapshot = json.loads(await installation.command("top", "--json"))
    figures = {one["name"]: one for one in snapshot["figures"]["plugins"]}
    assert figures["shouter"]["memory_bytes"] != "0"
    assert figures["shouter"]["done"] == "1"
    assert figures["shouter"]["processes"] == 1
    assert "shouter" in await asyncio.to_thread(live, installation)

    entries = (await installation.ask("audit", "--plugin", "shouter"))["entries"]
    assert entries[0]["action"] == "/jackfield.v1.Adapter/ReplyMessage"
    assert entries[0]["allowed"] is True

    bundle = folder / "bundle.zip"
    await installation.command("doctor", "--bundle", str(bundle))
    assert bundle.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(bundle) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    everything = "".join(parts.values())
    assert SECRET not in everything
    assert TEXT not in everything
    assert json.loads(parts["dead_letters.json"])["by_handler_and_reason"] == {"shouter: HANDLER_FAILED": 1}
    assert "jackfield_queue_done_total" in parts["metrics.txt"]
    assert "plugin shouter is ACTIVE" in parts["log.jsonl"]
    full = folder / "full.zip"
    await installation.command("doctor", "--bundle", str(full), "--with-content")
    with zipfile.ZipFile(full) as archive:
        assert TEXT in archive.read("log.jsonl").decode()
        assert SECRET not in "".join(archive.read(name).decode() for name in archive.namelist())
