"""From a call of the kernel to the Bot API of the right account."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from jackfield_sdk import Adapter, Bot, Call, Chat, ChatType, InvalidArgument, Unavailable, UnknownBot

from jackfield_telegram.convert.people import DIRECT, Me
from jackfield_telegram.convert.values import native_id
from jackfield_telegram.intake import Intake
from jackfield_telegram.polling import Poller
from jackfield_telegram.queries import Queries
from jackfield_telegram.wire import REQUEST_SECONDS, Api


@dataclass(slots=True)
class Account:
    """An open bot."""

    bot: Bot
    api: Api
    me: Me
    queries: Queries
    intake: Intake
    poller: Poller | None = None
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)


class Acting(Adapter):
    """What every group of methods needs: the account of a call, and its requests."""

    def account_of(self, call: Call) -> Account:
        """The account that acts. Raises Unavailable."""
        if not call.bot.may_act:
            raise Unavailable("the kernel was not reached for too long to act safely")
        account = call.bot.connection
        if not isinstance(account, Account):
            raise UnknownBot(f"the bot {call.bot.name!r} is not open")
        return account

    async def act(self, call: Call, method: str, **parameters: Any) -> Any:
        """Runs a method of the Bot API within the caller's time."""
        account = self.account_of(call)
        timeout = min(REQUEST_SECONDS, call.time_remaining())
        return await account.api.call(method, timeout, **parameters)


def chat_id(call: Call) -> int | str:
    """The chat of the call as the platform names it."""
    return native_id(call.chat.id)


def group_id(call: Call) -> int | str:
    """The group or channel of the call. Raises InvalidArgument for a private chat."""
    if call.chat.type is ChatType.PRIVATE:
        raise InvalidArgument(
            "this works in groups only", metadata={"field": "target.chat", "chat": str(call.chat)}
        )
    return native_id(call.chat.id)


def whole(text: str, name: str) -> int:
    """An id that has to be a number. Raises InvalidArgument."""
    value = native_id(text)
    if not isinstance(value, int):
        raise InvalidArgument(f"{name} is no id of Telegram's", metadata={"field": name})
    return value


def place_of(chat: Chat) -> dict[str, Any]:
    """Chat and topic as parameters of a sending method."""
    place: dict[str, Any] = {"chat_id": native_id(chat.id)}
    if chat.thread_id.startswith(DIRECT):
        place["direct_messages_topic_id"] = whole(
            chat.thread_id.removeprefix(DIRECT), "target.chat.thread_id"
        )
    elif chat.thread_id:
        place["message_thread_id"] = whole(chat.thread_id, "target.chat.thread_id")
    return place
