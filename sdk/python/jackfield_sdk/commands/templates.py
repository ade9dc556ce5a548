"""What `jackfield new` writes. NAME and PACKAGE are filled in."""

from __future__ import annotations

from jackfield_sdk.commands import adapter_template as adapter

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "jackfield-NAME"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["DEPENDENCY"]

[project.optional-dependencies]
test = ["jackfield-sdk>=0.1,<0.2", "pytest", "pytest-asyncio"]

[project.entry-points."jackfield.plugins"]
NAME = "PACKAGE"

[tool.pytest.ini_options]
asyncio_mode = "auto"
pythonpath = ["."]
"""

MANIFEST = """\
manifest: 1
name: NAME
version: 0.1.0
contract: 1
kind: handler
title: NAME
description: Answers every message with its own text.
run: {python: PACKAGE}
provides:
  services: [jackfield.v1.Handler]
grants: [reply]
"""

README = """\
# NAME

Answers every message with its own text.

    python -m venv .venv && .venv/bin/pip install -e '.[test]'
    .venv/bin/pytest

`jackfield dev .` runs it on a running kernel, before all other rules of the bot `web`, and restarts it on every save.

The kernel finds the plugin by its entry point once it is installed beside it.
"""

HANDLER = '''\
"""Answers every message with its own text."""

from jackfield_sdk import Context, Event, Plugin

plugin = Plugin()


@plugin.on("message.received")
async def answer(ctx: Context, event: Event) -> None:
    await ctx.reply(event.text)
'''

HANDLER_MAIN = '''\
"""Runs the plugin: `python -m PACKAGE`."""

from PACKAGE import plugin

plugin.run()
'''

HANDLER_TEST = '''\
"""The plugin answers with what it got."""

from jackfield_sdk.testing import FakeKernel, message

from PACKAGE import plugin


async def test_answer() -> None:
    async with FakeKernel() as kernel, kernel.running(plugin):
        delivered = await kernel.deliver(message("hi"))
        assert (await delivered.outcome).done
        assert delivered.replies[0].text == "hi"
'''

RAW = '''\
"""Answers every message with its own text, on generated stubs alone: one stream, one loop."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
from jackfield.v1 import adapter_message_pb2, frame_pb2, kernel_pb2, kernel_pb2_grpc


async def run(bootstrap: dict[str, Any]) -> None:
    """Serves one session. Left out: reconnecting with the resume token when the stream breaks."""
    options = [("grpc.default_authority", "localhost"), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(bootstrap["address"], options) as channel:
        kernel: Any = kernel_pb2_grpc.KernelStub(channel)
        identity = {"plugin": bootstrap["plugin"], "secret": bootstrap["secret"]}
        session = await kernel.Register(kernel_pb2.RegisterRequest(contract_versions=[1], **identity))
        outgoing: asyncio.Queue[frame_pb2.Frame] = asyncio.Queue()
        outgoing.put_nowait(frame_pb2.Frame(attach=frame_pb2.Attach(session_id=session.session_id)))
        pings = asyncio.ensure_future(heartbeat(outgoing))
        fences: dict[int, int] = {}
        calls = -1
        stream = kernel.Attach(batches(outgoing))
        async for batch in stream:
            for frame in batch.frames:
                kind = frame.WhichOneof("kind")
                if kind == "attached":
                    report = frame_pb2.Report(readiness=frame_pb2.READINESS_READY)
                    outgoing.put_nowait(frame_pb2.Frame(report=report))
                elif kind == "delivery":
                    calls += 2
                    fences[calls] = frame.delivery.fence
                    outgoing.put_nowait(frame_pb2.Frame(call_open=reply(calls, frame.delivery)))
                elif kind == "call_end" and frame.call_end.call_id in fences:
                    settle = frame_pb2.Settle(fence=fences.pop(frame.call_end.call_id), done=frame_pb2.Done())
                    if frame.call_end.HasField("error"):
                        settle.nack.error.CopyFrom(frame.call_end.error)
                    outgoing.put_nowait(frame_pb2.Frame(settle=settle))
                elif kind == "goaway":
                    pings.cancel()
                    stream.cancel()
                    return


def reply(call_id: int, delivery: frame_pb2.Delivery) -> frame_pb2.CallOpen:
    """A call under the delivery's fence, with a key that is the same for every attempt."""
    event = delivery.event
    request = adapter_message_pb2.ReplyMessageRequest(message=event.message_received.message)
    request.reference.message_id = event.message_received.message_id
    request.reference.reply_context = event.reply_context
    return frame_pb2.CallOpen(
        call_id=call_id,
        method="/jackfield.v1.Adapter/ReplyMessage",
        target=frame_pb2.CallTarget(bot=event.bot),
        body=request.SerializeToString(),
        half_closed=True,
        fence=delivery.fence,
        key="reply",
    )


async def batches(outgoing: asyncio.Queue[frame_pb2.Frame]) -> AsyncIterator[frame_pb2.FrameBatch]:
    """Whatever queued while the previous batch was being written."""
    while True:
        frames = [await outgoing.get()]
        while not outgoing.empty() and len(frames) < 512:
            frames.append(outgoing.get_nowait())
        yield frame_pb2.FrameBatch(frames=frames)


async def heartbeat(outgoing: asyncio.Queue[frame_pb2.Frame]) -> None:
    """A ping every two seconds."""
    while True:
        await asyncio.sleep(2)
        outgoing.put_nowait(frame_pb2.Frame(ping=frame_pb2.Ping()))


def main(path: str) -> None:
    """Reads the bootstrap file and serves."""
    asyncio.run(run(json.loads(Path(path).read_text(encoding="utf-8"))))
'''

RAW_MAIN = '''\
"""Runs the plugin: `python -m PACKAGE`."""

import os

from PACKAGE import main

main(os.environ["JACKFIELD_BOOTSTRAP"])
'''

RAW_TEST = '''\
"""The plugin answers with what it got."""

import asyncio
from dataclasses import asdict

from jackfield_sdk.testing import FakeKernel, message

from PACKAGE import run


async def test_answer() -> None:
    async with FakeKernel() as kernel:
        session = kernel.expect("NAME")
        task = asyncio.ensure_future(run(asdict(kernel.bootstrap("NAME"))))
        await session.ready.wait()
        delivered = await kernel.deliver(message("hi"))
        assert (await delivered.outcome).done
        assert delivered.replies[0].text == "hi"
        kernel.goaway()
        await task
'''


def folder(code: str, main: str, test: str, dependency: str, manifest: str, readme: str) -> dict[str, str]:
    """The files of a plugin, by path."""
    return {
        "pyproject.toml": PYPROJECT.replace("DEPENDENCY", dependency),
        "README.md": readme,
        "PACKAGE/__init__.py": code,
        "PACKAGE/__main__.py": main,
        "PACKAGE/jackfield-plugin.yaml": manifest,
        "tests/test_plugin.py": test,
    }


ADAPTER_PYPROJECT = PYPROJECT.replace("DEPENDENCY", adapter.DEPENDENCY).replace(
    'test = ["jackfield-sdk>', 'test = ["jackfield-sdk[conformance]>'
)
TEMPLATES = {
    "handler": folder(HANDLER, HANDLER_MAIN, HANDLER_TEST, "jackfield-sdk>=0.1,<0.2", MANIFEST, README),
    "adapter": {"pyproject.toml": ADAPTER_PYPROJECT, **adapter.FILES},
    "raw": folder(RAW, RAW_MAIN, RAW_TEST, "jackfield-protos>=0.1,<0.2", MANIFEST, README),
}
