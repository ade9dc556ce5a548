"""Publishes of a bot that was told to wait: in order, and nobody else's."""

from __future__ import annotations

import asyncio

import pytest
from jackfield_sdk.link.gates import Gates


async def test_who_waits_goes_in_the_order_of_coming() -> None:
    gates, passed = Gates(), []
    gates.close(["a"])

    async def publish(number: int) -> None:
        await gates.enter("a")
        passed.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(publish(number))
        await asyncio.sleep(0)
        await asyncio.wait_for(gates.enter("b"), 1)
        assert passed == []
        gates.close([])
        # Comes when the gate is open already, and still behind those that waited.
        group.create_task(publish(3))
    assert passed == [0, 1, 2, 3]


async def test_one_that_gives_up_holds_nobody_up() -> None:
    gates = Gates()
    gates.close(["a"])
    first, second = asyncio.create_task(gates.enter("a")), asyncio.create_task(gates.enter("a"))
    await asyncio.sleep(0)
    gates.close([])
    first.cancel()
    await asyncio.wait_for(second, 1)
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.wait_for(gates.enter("a"), 1)
