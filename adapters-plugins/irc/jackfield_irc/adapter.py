"""What the kernel may ask of a bot on IRC."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any, ClassVar

from jackfield_sdk import (
    Adapter,
    Bot,
    Call,
    ChatDetails,
    ChatType,
    CloseReason,
    Group,
    InvalidArgument,
    Member,
    Message,
    NotFound,
    NotSupported,
    Page,
    Plugin,
    ReplyReference,
    SendResult,
    User,
)
from jackfield_sdk.spool import Spool

from jackfield_irc import __version__
from jackfield_irc.account import Account
from jackfield_irc.connection import Words
from jackfield_irc.incoming import ACCOUNT
from jackfield_irc.line import folded, is_channel
from jackfield_irc.outgoing import judge, lines_of, room, text_of
from jackfield_irc.pace import Sleep
from jackfield_irc.roster import members_of
from jackfield_irc.settings import read

DRAIN_SECONDS = 5.0
NO_ID = "IRC gives no message an id"


class Irc(Adapter):
    """Bots on IRC servers."""

    platform = "irc"
    unsupported: ClassVar = {
        "edit_message": "what was said on IRC stays said",
        "delete_message": "what was said on IRC stays said",
        "get_message": NO_ID,
        "forward_message": NO_ID,
        "add_reaction": NO_ID,
        "pin_message": NO_ID,
        "send_typing": "IRC shows nobody typing",
        "fetch_media": "IRC carries text alone",
        "upload_file": "IRC carries text alone",
        "mute_member": "channels have no silence for one person that all servers know; use the action mode",
        "create_thread": "IRC has no threads",
        "set_group_name": "a channel is its name; its topic is set by the action topic",
        "get_friend_list": "IRC knows no contacts",
    }

    def __init__(self, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep
        self._sent = itertools.count(time.time_ns() // 1_000_000)

    async def open_bot(self, bot: Bot) -> User:
        """Connects, registers, joins the channels."""
        spool = Spool(self.plugin.data_dir / f"{bot.name}.events.jsonl")
        account = Account(bot, read(bot.config), spool, self._sleep)
        user = await account.open()
        bot.connection = account
        return user

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        """Leaves the server."""
        account, bot.connection = bot.connection, None
        if isinstance(account, Account):
            await account.close(0.0 if reason is CloseReason.LEASE_LOST else DRAIN_SECONDS)
        return None

    async def send_message(self, call: Call, message: Message) -> SendResult:
        """One PRIVMSG per line; done when the server has taken the last one."""
        return await self._say(call, message, "")

    async def reply_message(
        self, call: Call, message: Message, reference: ReplyReference, quote_origin: bool
    ) -> SendResult:
        """In a channel the answer begins with the name of who asked, where a quote is wished: IRC has no other."""
        nick = reference.reply_context.decode(errors="replace")
        address = f"{nick}: " if quote_origin and nick and call.chat.type is not ChatType.PRIVATE else ""
        return await self._say(call, message, address)

    async def _say(self, call: Call, message: Message, address: str) -> SendResult:
        account, target = _account(call), _target(call)
        text, degraded = text_of(message)
        longest = room(account.reader.nick, target)
        lines = lines_of(address + text, longest, account.settings.most_lines)
        judge(await account.ask(*(("PRIVMSG", target, line) for line in lines)))
        # The network gives no ids: these only tell the parts of one message apart.
        ids = tuple(f"{next(self._sent)}.{number}" for number in range(1, len(lines) + 1))
        return SendResult(message_id=ids[0], message_ids=ids, degraded=degraded)

    async def get_chat_info(self, call: Call) -> ChatDetails:
        """A channel or a person."""
        target = _target(call)
        if is_channel(target):
            return ChatDetails(chat=call.chat, group=await self._group(call, target))
        return ChatDetails(chat=call.chat, user=await self.get_user_info(call, target))

    async def get_group_info(self, call: Call) -> Group:
        """Name, topic, number of members."""
        return await self._group(call, _channel(call))

    async def _group(self, call: Call, channel: str) -> Group:
        answers = await _account(call).ask(("TOPIC", channel), ("NAMES", channel))
        judge([line for line in answers if line.command != "331"])
        topic = next((line.params[-1] for line in answers if line.command == "332"), "")
        members = members_of(channel, answers)
        if not members:
            raise NotFound(f"there is no channel {channel}, or it shows nobody")
        return Group(id=channel, name=channel, description=topic, member_count=len(members))

    async def get_group_list(self, call: Call, page_size: int, page_token: str) -> Page[Group]:
        """The channels that the bot is in."""
        roster = _account(call).reader.roster
        names = [name for _, name in sorted(roster.channels.items())]
        return Page(tuple(Group(id=name, name=name, member_count=roster.count(name)) for name in names))

    async def get_group_member_list(self, call: Call, page_size: int, page_token: str) -> Page[Member]:
        """Who is in the channel now."""
        members = await self._members(call)
        start = int(page_token) if page_token.isdigit() else 0
        end = start + (page_size or len(members))
        return Page(tuple(members[start:end]), str(end) if end < len(members) else "")

    async def get_group_member_info(self, call: Call, user_id: str) -> Member:
        """One of them."""
        nick = folded(_nick(user_id))
        for member in await self._members(call):
            if member.user is not None and folded(member.user.id) == nick:
                return member
        raise NotFound(f"{user_id} is not in {_channel(call)}")

    async def _members(self, call: Call) -> list[Member]:
        channel = _channel(call)
        members = members_of(channel, await _account(call).ask(("NAMES", channel)))
        if not members:
            raise NotFound(f"there is no channel {channel}, or it shows nobody")
        return members

    async def get_user_info(self, call: Call, user_id: str) -> User:
        """What WHOIS tells."""
        answers = await _account(call).ask(("WHOIS", _nick(user_id)))
        for line in answers:
            if line.command == "311":
                return User(
                    id=line.param(1), nickname=line.param(1), username=line.param(2), remark=line.params[-1]
                )
        judge(answers)
        raise NotFound(f"nobody is called {user_id}")

    async def kick_member(self, call: Call, user_id: str) -> None:
        """Removes somebody from the channel."""
        judge(await _account(call).ask(("KICK", _channel(call), _nick(user_id))))

    async def leave_group(self, call: Call) -> None:
        """Leaves the channel until the bot is opened anew."""
        judge(await _account(call).ask(("PART", _channel(call))))

    async def approve_group_invite(self, call: Call, request_id: str, reject: bool) -> None:
        """Joins the channel; there is nobody to tell of a refusal."""
        if not is_channel(request_id):
            raise InvalidArgument(f"{request_id!r} is no channel", metadata={"field": "request_id"})
        if not reject:
            judge(await _account(call).ask(("JOIN", request_id)))

    async def call_platform_api(
        self, call: Call, action: str, params: dict[str, Any]
    ) -> dict[str, Any] | None:
        """The actions of the manifest."""
        words: dict[str, Words] = {
            "join": ("JOIN", str(params.get("channel", "")), str(params.get("key", ""))),
            "topic": ("TOPIC", str(params.get("channel", "")), str(params.get("topic", ""))),
            "nick": ("NICK", str(params.get("nick", ""))),
            "mode": ("MODE", str(params.get("target", "")), *map(str, params.get("modes") or ())),
        }
        if action not in words:
            raise NotSupported(f"IRC has no action {action}", metadata={"action": action})
        line = words[action]
        line = line if line[-1] or action == "topic" else line[:-1]
        if not all(line[1:2]):
            raise InvalidArgument(f"the action {action} lacks a parameter", metadata={"field": "params"})
        judge(await _account(call).ask(line))
        return {}


def _account(call: Call) -> Account:
    account = call.bot.connection
    assert isinstance(account, Account)
    return account


def _nick(user_id: str) -> str:
    """The name by which the server is asked; an account is most often its owner's name."""
    return user_id.removeprefix(ACCOUNT)


def _target(call: Call) -> str:
    target = call.chat.id
    if not target or any(one in target for one in " ,\r\n\0") or target.startswith(":"):
        raise InvalidArgument(
            f"{target!r} is neither a channel nor a name", metadata={"field": "target.chat"}
        )
    return target


def _channel(call: Call) -> str:
    target = _target(call)
    if not is_channel(target):
        raise InvalidArgument(f"{target!r} is no channel", metadata={"field": "target.chat"})
    return target


def build(sleep: Sleep = asyncio.sleep) -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("irc", version=__version__)
    plugin.adapter(Irc(sleep))
    return plugin
