"""A stream waits for its turn only while it is busy."""

from __future__ import annotations

import asyncio

from jackfield_kernel.session.pacing import FEW, GAP, Pace


async def test_a_quiet_stream_is_written_at_once() -> None:
    pace = Pace()
    await pace.turn(FEW)
    with_no_turn_of_the_loop = pace.turn(FEW)
    try:
        with_no_turn_of_the_loop.send(None)
    except StopIteration:
        return
    raise AssertionError("the writer waited")


async def test_two_writes_of_a_busy_stream_are_apart() -> None:
    loop, pace = asyncio.get_running_loop(), Pace()
    await pace.turn(FEW + 1)
    first = loop.time()
    await pace.turn(FEW + 1)
    assert loop.time() - first >= GAP * 0.9
