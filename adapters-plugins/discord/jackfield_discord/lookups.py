"""Chats, servers, members, users."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jackfield_sdk import (
    AnswerSource,
    Call,
    ChatDetails,
    ChatType,
    Group,
    Member,
    NotFound,
    Page,
    User,
)

from jackfield_discord.account import Acting, snowflake
from jackfield_discord.convert.people import group_of, member_of, user_of
from jackfield_discord.convert.values import table, tables, text_of, time_of
from jackfield_discord.directory import place_of

MOST_GUILDS, MOST_MEMBERS = 200, 1000


class Lookups(Acting):
    """The methods that read."""

    async def get_chat_info(self, call: Call) -> ChatDetails:
        """Describes a channel, a thread, a server or a private chat."""
        chat = call.chat
        if chat.type is ChatType.GROUP:
            return ChatDetails(chat=chat, group=await self.get_group_info(call), source=AnswerSource.PLATFORM)
        if chat.type is ChatType.PRIVATE:
            user = await self.get_user_info(call, chat.id)
            return ChatDetails(chat=chat, user=user, source=AnswerSource.PLATFORM)
        native = table(await self.request(call, "GET", "channels", await self.channel_of(call)))
        place = place_of(native)
        self.account_of(call).directory.learn(place)
        group = Group(id=place.guild) if place.guild else None
        return ChatDetails(chat=place.chat, group=group, source=AnswerSource.PLATFORM)

    async def get_group_info(self, call: Call) -> Group:
        """Describes the server of the chat."""
        return group_of(await self._guild(call))

    async def get_group_list(self, call: Call, page_size: int, page_token: str) -> Page[Group]:
        """Lists the bot's servers."""
        size = min(page_size or MOST_GUILDS, MOST_GUILDS)
        query: dict[str, Any] = {"limit": size, "with_counts": "true"}
        if page_token:
            query["after"] = snowflake(page_token)
        found = [
            group_of(one)
            for one in tables(await self.request(call, "GET", "users", "@me", "guilds", query=query))
        ]
        return Page(tuple(found), found[-1].id if len(found) == size else "", AnswerSource.PLATFORM)

    async def get_group_member_list(self, call: Call, page_size: int, page_token: str) -> Page[Member]:
        """Lists the members of the server; needs the Server Members intent."""
        guild = await self._guild(call)
        size = min(page_size or MOST_MEMBERS, MOST_MEMBERS)
        query = {"limit": size, "after": snowflake(page_token) if page_token else "0"}
        path = ("guilds", text_of(guild.get("id")), "members")
        found = [member_of(one, guild) for one in tables(await self.request(call, "GET", *path, query=query))]
        last = found[-1].user if len(found) == size else None
        return Page(tuple(found), last.id if last is not None else "", AnswerSource.PLATFORM)

    async def get_group_member_info(self, call: Call, user_id: str) -> Member:
        """Describes one member of the server."""
        guild = await self._guild(call)
        path = ("guilds", text_of(guild.get("id")), "members", snowflake(user_id))
        return member_of(table(await self.request(call, "GET", *path)), guild)

    async def is_muted(self, call: Call) -> bool:
        """Whether the bot itself is in a timeout."""
        path = ("guilds", await self.guild_of(call), "members", self.account_of(call).me)
        until = time_of(table(await self.request(call, "GET", *path)).get("communication_disabled_until"))
        return until is not None and until > datetime.now(UTC)

    async def get_user_info(self, call: Call, user_id: str) -> User:
        """Describes any user."""
        user = user_of(await self.request(call, "GET", "users", snowflake(user_id)))
        if user is None:
            raise NotFound("Discord has no such user", metadata={"user_id": user_id[:100]})
        return user

    async def _guild(self, call: Call) -> dict[str, Any]:
        path = ("guilds", await self.guild_of(call))
        return table(await self.request(call, "GET", *path, query={"with_counts": "true"}))
