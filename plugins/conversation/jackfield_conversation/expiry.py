"""Archives conversations that nobody used for long, when the operator asks for it."""

from __future__ import annotations

import asyncio

from jackfield_sdk import JackfieldError, PluginContext

from jackfield_conversation.store import Store

HOUR_MICROS = 3_600 * 1_000_000


async def expire(context: PluginContext, store: Store, every: float) -> None:
    """Look every so many seconds, for ever; the configuration counts as it is then."""
    while True:
        hours = float(context.config.get("expire_after_hours") or 0)
        try:
            while hours and await store.expire(int(hours * HOUR_MICROS)):
                await asyncio.sleep(0)
        except JackfieldError as error:
            context.log.warning("idle conversations are not archived now, the next try comes: %s", error)
        await asyncio.sleep(every)
