"""Updates to durable events: the same for polling and for webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from jackfield_sdk import Bot, JackfieldError

from jackfield_telegram.albums import grouped
from jackfield_telegram.convert.callback import stored_key
from jackfield_telegram.convert.people import Me
from jackfield_telegram.convert.updates import Occurrence, album, occurrences, unreadable
from jackfield_telegram.convert.values import table, text_of
from jackfield_telegram.queries import Queries

Update = Mapping[str, Any]


class Intake:
    """Of one bot."""

    def __init__(self, bot: Bot, me: Me, queries: Queries) -> None:
        self._bot = bot
        self._me = me
        self._queries = queries

    async def take(self, updates: Sequence[Update], checkpoint: bytes) -> None:
        """Returns when every event of these updates is durable; the checkpoint is committed with the last one.

        Raises the kernel's refusal when it may pass: then nothing may be acknowledged, and what is durable already is known
        when it comes again. What can never become an event of its kind is told as `unreadable`.
        """
        pairs = [(group[0], one) for group in grouped(updates) for one in await self._read(group)]
        waiting = [(update, await self._queue(update, one)) for update, one in pairs[:-1]]
        for update, durable in waiting:
            await self._settled(update, durable)
        if pairs:
            update, one = pairs[-1]
            await self._settled(update, await self._queue(update, one, checkpoint), checkpoint)

    async def _read(self, group: Sequence[Update]) -> list[Occurrence]:
        try:
            if len(group) > 1:
                return album(group, self._me)
            return occurrences(group[0], self._me, await self._stored(group[0]))
        except JackfieldError:
            raise
        except (
            Exception
        ) as fault:  # the border to what strangers send: one bad update must not stop the others
            self._bot.log.exception("an update could not be read")
            return [one for update in group for one in unreadable(update, self._me, repr(fault))]

    async def _stored(self, update: Update) -> str:
        query = table(update.get("callback_query"))
        key = stored_key(text_of(query.get("data")))
        return await self._bot.plugin.kv.get_text(key) if key else ""

    async def _queue(self, update: Update, one: Occurrence, checkpoint: bytes = b"") -> asyncio.Future[None]:
        self._queries.arrived(table(update.get("callback_query")))
        try:
            return await self._bot.publish_nowait(one.event, one.key, checkpoint)
        except (TypeError, ValueError) as fault:
            # A value that the contract cannot hold.
            (instead,) = unreadable(update, self._me, repr(fault))
            return await self._bot.publish_nowait(instead.event, instead.key, checkpoint)

    async def _settled(self, update: Update, durable: asyncio.Future[None], checkpoint: bytes = b"") -> None:
        try:
            await durable
        except JackfieldError as error:
            if error.retryable:
                raise
            self._bot.log.error(
                "the kernel refused an event of update %s: %s", update.get("update_id"), error
            )
            (instead,) = unreadable(update, self._me, str(error))
            await self._bot.publish(instead.event, f"{instead.key}.refused", checkpoint)
