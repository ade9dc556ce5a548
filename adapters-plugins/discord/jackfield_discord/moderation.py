"""Servers and their members: silence, remove, rename, leave; threads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from jackfield_sdk import Call, Chat, ChatType

from jackfield_discord.account import Acting, snowflake
from jackfield_discord.convert.values import table
from jackfield_discord.directory import FORUMS, place_of

# Discord silences nobody for longer.
LONGEST_TIMEOUT = timedelta(days=28)
PUBLIC_THREAD = 11


class Moderation(Acting):
    """The methods that change a server."""

    async def set_group_name(self, call: Call, name: str) -> None:
        """Renames the server."""
        await self.request(call, "PATCH", "guilds", await self.guild_of(call), body={"name": name})

    async def mute_member(self, call: Call, user_id: str, duration: timedelta | None) -> timedelta | None:
        """Puts a member into a timeout, for 28 days at most."""
        wanted = LONGEST_TIMEOUT if duration is None else min(duration, LONGEST_TIMEOUT)
        until = datetime.now(UTC) + wanted
        await self._timeout(call, user_id, until.isoformat())
        return wanted

    async def unmute_member(self, call: Call, user_id: str) -> None:
        """Ends a timeout."""
        await self._timeout(call, user_id, None)

    async def kick_member(self, call: Call, user_id: str) -> None:
        """Removes a member, who may come back."""
        await self.request(call, "DELETE", "guilds", await self.guild_of(call), "members", snowflake(user_id))

    async def leave_group(self, call: Call) -> None:
        """Makes the bot leave the server."""
        await self.request(call, "DELETE", "users", "@me", "guilds", await self.guild_of(call))

    async def create_thread(self, call: Call, name: str, message_id: str) -> Chat:
        """Opens a thread at a message or in the channel; in a forum a post that says its title."""
        account, channel = self.account_of(call), await self.channel_of(call)
        body: dict[str, Any] = {"name": name[:100]}
        path: tuple[str, ...] = ("channels", channel, "threads")
        if message_id:
            path = ("channels", channel, "messages", snowflake(message_id), "threads")
        elif (await account.directory.find(channel)).kind in FORUMS:
            body["message"] = {"content": name[:100], "allowed_mentions": {"parse": []}}
        else:
            body["type"] = PUBLIC_THREAD
        place = place_of(table(await self.request(call, "POST", *path, body=body)))
        account.directory.learn(place)
        guild = place.guild or call.chat.parent_id
        return Chat(ChatType.CHANNEL, place.parent or channel, place.id, guild, place.name)

    async def _timeout(self, call: Call, user_id: str, until: str | None) -> None:
        path = ("guilds", await self.guild_of(call), "members", snowflake(user_id))
        await self.request(call, "PATCH", *path, body={"communication_disabled_until": until})
