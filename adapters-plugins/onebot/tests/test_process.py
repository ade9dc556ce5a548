"""The adapter as a real process; killed while the kernel confirms nothing, it loses nothing."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
from jackfield_sdk import BotState, Overloaded
from jackfield_sdk.spool import Spool
from jackfield_sdk.testing import FakeKernel
from simulated_onebot import World

pytestmark = pytest.mark.integration


@asynccontextmanager
async def process(
    kernel: FakeKernel, folder: Path
) -> AsyncIterator[tuple[World, asyncio.subprocess.Process]]:
    session = kernel.expect("onebot", {"host": "127.0.0.1", "port": 0})
    file = folder / "bootstrap.json"
    file.write_text(json.dumps(asdict(kernel.bootstrap("onebot"))), encoding="utf-8")
    env = {
        "JACKFIELD_BOOTSTRAP": str(file),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PATH": os.environ["PATH"],
    }
    started = await asyncio.create_subprocess_exec(sys.executable, "-m", "jackfield_onebot", env=env)
    try:
        await asyncio.wait_for(session.ready.wait(), 20)
        context = SimpleNamespace(addresses=session.report.addresses)
        running = SimpleNamespace(runtime=SimpleNamespace(context=context))
        yield World(kernel, running), started
    finally:
        if started.returncode is None:
            started.terminate()
        await asyncio.wait_for(started.wait(), 20)


async def test_an_adapter_that_is_killed_publishes_what_it_had_filed(tmp_path: Path) -> None:
    async with FakeKernel() as kernel:
        async with process(kernel, tmp_path) as (onebot, started):
            await kernel.open_bot("one", plugin="onebot")
            async with onebot.client() as client:
                await kernel.wait_bot("one", BotState.ACTIVE)
                # Refused for now: it stays with the adapter.
                kernel.refuse_publish = lambda event: Overloaded("full")
                await client.private("kept")
                spool = Spool(Path(kernel.bootstrap("onebot").data_dir) / "one.events.jsonl")
                # Another process writes the file: nothing but looking tells when.
                async with asyncio.timeout(10):
                    while not spool.load():
                        await asyncio.sleep(0.02)
                started.kill()
                await started.wait()
        kernel.refuse_publish = None
        async with process(kernel, tmp_path):
            await kernel.open_bot("one", plugin="onebot")
            (published,) = await kernel.wait_published()
            assert published.event.text == "kept"
