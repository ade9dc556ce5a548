"""The plugin as a real process: killed in the middle, started again on the same folder."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import aiohttp
import pytest
from jackfield_sdk import Chat, Message
from jackfield_sdk.testing import FakeKernel

pytestmark = pytest.mark.integration


async def begin(kernel: FakeKernel, file: Path) -> tuple[asyncio.subprocess.Process, str]:
    """Starts the process and opens its bot; returns it with its address."""
    session = kernel.expect("webchat", {"port": 0}, ["network"])
    file.write_text(json.dumps(asdict(kernel.bootstrap("webchat"))), encoding="utf-8")
    environment = {
        "JACKFIELD_BOOTSTRAP": str(file),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PATH": os.environ["PATH"],
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "jackfield_webchat", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    await session.ready.wait()
    await kernel.open_bot("web", plugin="webchat")
    return process, session.report.addresses[0].url


async def test_a_killed_process_loses_no_message(tmp_path: Path) -> None:
    async with FakeKernel() as kernel, aiohttp.ClientSession() as client:
        process, url = await begin(kernel, tmp_path / "bootstrap.json")
        async with client.ws_connect(f"{url}ws?session=anna") as socket:
            assert (await socket.receive_json())["type"] == "connected"
            frame = {"type": "message", "id": "c1", "message": [{"type": "Plain", "text": "hello"}]}
            await socket.send_json(frame)
            assert (await socket.receive_json())["type"] == "ack"
            await kernel.call("web", "SendMessage", chat=Chat.private("anna"), message=Message("hi"))
            process.kill()
            await process.wait()
        process, url = await begin(kernel, tmp_path / "bootstrap.json")
        async with client.ws_connect(f"{url}ws?session=anna") as socket:
            await socket.receive_json()
            await socket.send_json({"type": "resume", "last_seen": 0})
            shown = [(await socket.receive_json())["data"]["content"] for _ in range(2)]
            assert shown == ["hello", "hi"]
            await socket.send_json(frame)
            await socket.receive_json()
            assert (await socket.receive_json())["type"] == "ack"
        assert len(kernel.published) == 1
        process.terminate()
        assert await process.wait() == 0
