"""One bot with everything it needs, and what every group of methods begins with."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from jackfield_sdk import (
    Adapter,
    Bot,
    BotState,
    Call,
    ChatType,
    InvalidArgument,
    JackfieldError,
    NotSupported,
    Unavailable,
)
from jackfield_sdk.spooling import Intake

from jackfield_discord.convert.context import ReplyContext
from jackfield_discord.convert.values import is_snowflake, table, text_of
from jackfield_discord.directory import Directory
from jackfield_discord.feed import Feed, Reader
from jackfield_discord.gateway import Gateway
from jackfield_discord.interacting import Waiting
from jackfield_discord.rest import Rest


@dataclass(slots=True)
class Account:
    """One open bot."""

    bot: Bot
    rest: Rest
    me: str
    application: str
    reader: Reader
    directory: Directory
    intake: Intake
    waiting: Waiting
    feed: Feed
    gateway: Gateway
    # Why the gateway was left for good.
    fatal: JackfieldError | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    # Where a server greets: its system channel.
    greeting: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def own(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Runs work of the bot until the bot is closed; a fault of it is seen by the operator."""
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(partial(self._ended, name))
        return task

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self.bot.log.error("%s failed", name, exc_info=fault)
            self.bot.state(BotState.FAILED, f"{name} failed: {type(fault).__name__}")


class Acting(Adapter):
    """What every group of methods needs: the account of a call, and the channel it is about."""

    def account_of(self, call: Call) -> Account:
        """The open bot. Raises Unavailable when it may not act now."""
        account = call.bot.connection
        if not isinstance(account, Account):
            raise Unavailable("the bot is not connected")
        if not call.bot.may_act:
            raise Unavailable("the kernel was not reached for too long to act safely")
        return account

    async def request(self, call: Call, method: str, *path: str, **options: Any) -> Any:
        """One request within the time of the call. Raises JackfieldError."""
        return await self.account_of(call).rest.request(
            method, *path, timeout=call.time_remaining(), **options
        )

    async def channel_of(self, call: Call, reply_context: bytes = b"") -> str:
        """The channel of the call's chat; of a private chat it is opened, of a server it is the one where it greets."""
        account, chat = self.account_of(call), call.chat
        if context := reply_context or call.reply_context:
            known = ReplyContext.decode(context).channel_id
            if known and await self._belongs(account, known, call):
                return known
        if chat.type is ChatType.PRIVATE:
            return await account.directory.private(snowflake(chat.id))
        if chat.type is ChatType.CHANNEL:
            return snowflake(chat.thread_id or chat.id)
        if chat.type is ChatType.GROUP:
            return await self._greeting(call, account, snowflake(chat.id))
        raise InvalidArgument("this chat is of no kind that Discord has", metadata={"field": "target.chat"})

    async def guild_of(self, call: Call) -> str:
        """The server of the call's chat. Raises InvalidArgument for a private one."""
        chat = call.chat
        if chat.type is ChatType.GROUP:
            return snowflake(chat.id)
        if chat.type is ChatType.CHANNEL:
            if chat.parent_id:
                return snowflake(chat.parent_id)
            place = await self.account_of(call).directory.find(snowflake(chat.id))
            if place.guild:
                return place.guild
        raise InvalidArgument(
            "this works in servers only", metadata={"field": "target.chat", "chat": str(chat)}
        )

    async def _belongs(self, account: Account, channel: str, call: Call) -> bool:
        """A reply context of another chat is not followed."""
        place = account.directory.known(channel)
        chat = call.chat
        if chat.type is ChatType.CHANNEL:
            return channel == (chat.thread_id or chat.id)
        return chat.type is ChatType.PRIVATE and place is not None and place.user == chat.id

    async def _greeting(self, call: Call, account: Account, guild: str) -> str:
        known = account.greeting.get(guild)
        if known is None:
            native = table(await self.request(call, "GET", "guilds", guild))
            known = account.greeting[guild] = text_of(native.get("system_channel_id"))
            if len(account.greeting) > 1000:
                account.greeting.popitem(last=False)
        if not known:
            raise NotSupported(
                "a server is no place for messages, and this one has no system channel",
                remedy="Send to one of its channels.",
                metadata={"field": "target.chat"},
            )
        return known


def snowflake(text: str) -> str:
    """The id itself. Raises InvalidArgument for what Discord could not have given."""
    if not is_snowflake(text):
        raise InvalidArgument(f"{text[:40]!a} is no id of Discord", metadata={"field": "id"})
    return text
