"""A plugin that sends anything: it is refused or its session ends; its neighbours and the kernel go on."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield.v1 import frame_pb2

from tests.rig.kernel import Rig, handler_manifest, routes, rule, running
from tests.rig.raw import RawPlugin, message_event

from .strategies import examples, messages

pytestmark = [pytest.mark.slow, pytest.mark.integration]

frames = messages(frame_pb2.Frame.DESCRIPTOR, 6)
batches = st.lists(frames, max_size=5).map(lambda some: frame_pb2.FrameBatch(frames=some).SerializeToString())


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A batch with a byte changed, or cut off."""
    whole = bytearray(draw(batches))
    if not whole:
        return b"\xff"
    place = draw(st.integers(0, len(whole) - 1))
    if draw(st.booleans()):
        return bytes(whole[:place])
    whole[place] ^= draw(st.integers(1, 255))
    return bytes(whole)


hostile = st.lists(batches | damaged() | st.binary(max_size=100), min_size=1, max_size=12)


async def works(rig: Rig, adapter: RawPlugin, handler: RawPlugin, text: str) -> None:
    """A message of the neighbours goes all the way."""
    await adapter.publish(message_event("b", text))
    await adapter.durable()
    await handler.done(await handler.delivery())
    assert not rig.task.done()


async def play(sent: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = {"routes": routes(b=[rule()])}
        async with running(Path(folder), memory=True, config=config) as rig:
            adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
            grants = ("reply", "kv", "observe:*", "send", "call:jackfield.v1.Adapter")
            wild = await rig.plugin(handler_manifest("wild", grants=grants))
            await works(rig, adapter, handler, "before")
            # Its session may be over after any of them.
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                for batch in sent:
                    await wild.send_bytes(batch)
            await works(rig, adapter, handler, "after")
            await rig.until(lambda status: status.bus.done >= 2)


@examples(40)
@given(hostile)
def test_any_frames_of_a_plugin(sent: list[bytes]) -> None:
    asyncio.run(play(sent))
