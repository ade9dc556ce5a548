"""History after a gap: what was written in the channels that moved on, within bounds that are told when they are reached."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from jackfield_sdk import JackfieldError, PlatformEvent

from jackfield_discord.convert.values import integer_of, snowflake_time, table, tables, text_of
from jackfield_discord.directory import FORUMS
from jackfield_discord.rest import Rest

PAGE = 100
MOST_OF_CHANNEL = 500
MOST_IN_ALL = 5_000
# The gateway is not read meanwhile: less than the silence after which its socket is given up.
SECONDS_IN_ALL = 30.0
# How late a message may have been delivered compared with one of another channel, in milliseconds.
SLACK_MS = 10_000

Found = dict[str, Any] | PlatformEvent


class CatchUp:
    """Of one bot. Yields native messages, oldest first, and an event `gap` for each channel that was not read to its end."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._left = 0
        self._until = 0.0

    def begin(self) -> None:
        """A new gap: the bounds count anew."""
        self._left, self._until = MOST_IN_ALL, time.monotonic() + SECONDS_IN_ALL

    async def of_guild(self, guild: Mapping[str, Any], after: int) -> AsyncIterator[Found]:
        """All channels and threads of a server in which something was written since."""
        since = _earlier(after)
        for channel in (*tables(guild.get("channels")), *tables(guild.get("threads"))):
            # The last message of a forum is the thread that was opened last.
            if (
                integer_of(channel.get("type")) in FORUMS
                or integer_of(channel.get("last_message_id")) <= since
            ):
                continue
            async for found in self.of_channel(text_of(channel.get("id")), after, text_of(guild.get("id"))):
                yield found

    async def of_channel(self, channel: str, after: int, guild: str = "") -> AsyncIterator[Found]:
        """One channel."""
        position, count = _earlier(after), 0
        while True:
            if self._left <= 0 or count >= MOST_OF_CHANNEL or time.monotonic() >= self._until:
                yield _rest_of(channel, position, "bound")
                return
            try:
                page = await self._rest.get("channels", channel, "messages", after=str(position), limit=PAGE)
            except JackfieldError as error:
                yield _rest_of(channel, position, error.reason)
                return
            messages = sorted((table(one) for one in tables(page)), key=lambda one: integer_of(one.get("id")))
            for message in messages:
                # The history leaves out what the gateway says of each message.
                yield {**message, **({"guild_id": guild} if guild else {})}
            count += len(messages)
            self._left -= len(messages)
            if len(messages) < PAGE:
                return
            position = integer_of(messages[-1].get("id"))


def _earlier(after: int) -> int:
    return max(0, after - (SLACK_MS << 22))


def _rest_of(channel: str, position: int, reason: str) -> PlatformEvent:
    since = snowflake_time(position) or datetime.now(UTC)
    values = {"reason": reason, "channel_id": channel, "since": since.isoformat()}
    return PlatformEvent("gap", {**values, "until": datetime.now(UTC).isoformat()})
