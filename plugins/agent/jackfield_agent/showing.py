"""Shows in the chat that an answer is being written, where the platform can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from jackfield.v1 import adapter_message_pb2
from jackfield_sdk import Context, JackfieldError

SEND_TYPING = "/jackfield.v1.Adapter/SendTyping"
AGAIN_SECONDS = 4.0
"""The contract says so: a platform shows it for about five."""
CALL_SECONDS = 3.0

Sleep = Callable[[float], Awaitable[Any]]


@asynccontextmanager
async def typing(ctx: Context, *, shown: bool, sleep: Sleep = asyncio.sleep) -> AsyncIterator[None]:
    """While the block runs; `shown` says whether the platform can. It is an ornament: a failure ends it and nothing else."""
    if not shown:
        yield
        return
    task = asyncio.create_task(_keep_on(ctx, sleep), name="typing")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _keep_on(ctx: Context, sleep: Sleep) -> None:
    number = 0
    try:
        while True:
            number += 1
            await ctx.call(
                SEND_TYPING,
                adapter_message_pb2.SendTypingRequest(),
                adapter_message_pb2.SendTypingResponse,
                key=f"typing-{ctx.attempt}-{number}",
                timeout=CALL_SECONDS,
            )
            await sleep(AGAIN_SECONDS)
    except JackfieldError as error:
        ctx.log.info("nobody sees that an answer is being written: %s", error)
