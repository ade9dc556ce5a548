"""The raw loop is served like any plugin."""

import asyncio
from dataclasses import asdict

from jackfield_sdk.testing import FakeKernel, message
from raw_echo import run


async def test_raw_echo() -> None:
    async with FakeKernel() as kernel:
        session = kernel.expect("raw")
        task = asyncio.ensure_future(run(asdict(kernel.bootstrap("raw"))))
        await session.ready.wait()
        for text in ("one", "two"):
            delivered = await kernel.deliver(message(text), plugin="raw")
            assert (await delivered.outcome).done
            assert delivered.replies[0].text == text
        kernel.goaway("raw")
        await task
