"""The adapter: bots, and each call as the methods of Lark's Open API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import aiohttp
from jackfield_sdk import (
    Adapter,
    Bot,
    BotState,
    Call,
    Chat,
    ChatDetails,
    ChatType,
    CloseReason,
    Event,
    Group,
    InvalidArgument,
    MediaChunk,
    Member,
    Message,
    NotFound,
    NotSupported,
    Page,
    Plugin,
    ReplyReference,
    SendResult,
    StreamSteps,
    User,
)
from jackfield_sdk.ingress import HttpRequest, HttpResponse

from jackfield_lark import __version__, lookups, reactions
from jackfield_lark.account import Account, prove_life
from jackfield_lark.convert.context import ReplyContext, Self
from jackfield_lark.convert.incoming import read_back
from jackfield_lark.intake import Intake
from jackfield_lark.places import item_of, learn_chat
from jackfield_lark.sending import edit, resource, send
from jackfield_lark.socket import LongConnection
from jackfield_lark.streaming import stream
from jackfield_lark.web import Web, part

FEISHU = "https://open.feishu.cn"


class Lark(Adapter):
    """Speaks with Lark and Feishu."""

    def __init__(self) -> None:
        self._http: aiohttp.ClientSession

    async def setup(self) -> None:
        self._http = aiohttp.ClientSession(trust_env=True)

    async def teardown(self) -> None:
        await self._http.close()

    async def open_bot(self, bot: Bot) -> User:
        config = bot.config
        domain = str(config.get("domain") or FEISHU)
        app_id, app_secret = str(config.get("app_id") or ""), str(config.get("app_secret") or "")
        if not app_id or not app_secret:
            raise InvalidArgument(
                "app_id or app_secret is not set",
                remedy="Set both: see Credentials in the developer console.",
                metadata={"field": "app_id"},
            )
        web = Web(app_id, app_secret, domain, self._http)
        key, token = config.get("encrypt_key"), config.get("verification_token")
        if bool(key) != bool(token):
            raise InvalidArgument(
                "webhooks need encrypt_key and verification_token, one of them is not set",
                remedy="Set both, or neither for the long connection.",
            )
        found = await web.call("GET", "/bot/v3/info")
        who = found.get("bot")
        who = who if isinstance(who, dict) else {}
        me = Self(str(who.get("open_id") or ""), web.app_id)
        name = str(who.get("app_name") or "")
        user = User(id=me.open_id, nickname=name, avatar_url=str(who.get("avatar_url") or ""), is_bot=True)
        account = Account(bot, web, me, Intake(bot, web, me), "webhook" if key else "long_connection", user)
        bot.connection = account
        if key:
            run = prove_life(bot, web)
        else:
            first = await web.endpoint()
            bot.state(BotState.CONNECTING, self_user=user)
            run = LongConnection(bot, web, self._http, account.intake.frame).run(first)
        account.task = asyncio.create_task(run, name=f"lark {bot.name}")
        account.task.add_done_callback(lambda done: _report(bot, done))
        return user

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        await _account(bot).close()
        return None

    async def handle_request(self, call: Call, request: HttpRequest) -> HttpResponse | None:
        return await _account(call.bot).intake.request(request)

    # Messages.

    async def send_message(self, call: Call, message: Message) -> SendResult:
        return await send(_account(call.bot), call, message, "", False)

    async def reply_message(
        self, call: Call, message: Message, reference: ReplyReference, quote_origin: bool
    ) -> SendResult:
        answered, thread = self._answered(call, reference, quote_origin)
        return await send(_account(call.bot), call, message, answered, thread)

    async def stream_reply(self, call: Call, steps: StreamSteps) -> SendResult:
        opening = steps.opening
        answered, thread = "", False
        if opening.reference is not None:
            answered, thread = self._answered(call, opening.reference, opening.quote_origin)
        return await stream(_account(call.bot), call, steps, answered, thread)

    def _answered(self, call: Call, reference: ReplyReference, quote_origin: bool) -> tuple[str, bool]:
        """The message to answer natively, and whether in a thread."""
        context = ReplyContext.read(reference.reply_context, call.chat.id)
        message_id = context.message or reference.message_id
        if context.thread or call.chat.thread_id:
            return message_id, True
        if call.bot.config.get("reply_in_thread") and call.chat.type is not ChatType.PRIVATE:
            return message_id, True
        return (message_id if quote_origin else ""), False

    async def edit_message(self, call: Call, message_id: str, message: Message) -> Iterable[str] | None:
        return await edit(_account(call.bot), call, message_id, message)

    async def delete_message(self, call: Call, message_id: str) -> None:
        await _account(call.bot).web.call("DELETE", f"/im/v1/messages/{part(message_id)}")

    async def forward_message(self, call: Call, source_chat: Chat, message_id: str) -> SendResult:
        path = f"/im/v1/messages/{part(message_id)}/forward"
        found = await _account(call.bot).web.call(
            "POST", path, {"receive_id": call.chat.id}, receive_id_type="chat_id"
        )
        return SendResult(message_id=str(found.get("message_id") or ""))

    async def get_message(self, call: Call, message_id: str) -> Event:
        account = _account(call.bot)
        item = await item_of(account.web, message_id)
        await learn_chat(account.web, account.me, str(item.get("chat_id") or ""))
        return call.bot.complete(read_back(item, account.me))

    async def add_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        await reactions.add(_account(call.bot), message_id, reaction)

    async def remove_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        await reactions.remove(_account(call.bot), message_id, reaction)

    async def pin_message(self, call: Call, message_id: str) -> None:
        await _account(call.bot).web.call("POST", "/im/v1/pins", {"message_id": message_id})

    async def unpin_message(self, call: Call, message_id: str) -> None:
        try:
            await _account(call.bot).web.call("DELETE", f"/im/v1/pins/{part(message_id)}")
        except NotFound:
            return

    async def create_thread(self, call: Call, name: str, message_id: str) -> Chat:
        """A thread begins with the first answer in it, which holds the name."""
        account = _account(call.bot)
        if not message_id or not name:
            raise InvalidArgument(
                "a thread of Lark hangs on a message and begins with a text", metadata={"field": "message_id"}
            )
        result = await send(account, call, Message(name), message_id, True)
        item = account.me.places.get(result.message_id)
        thread = item.thread if item is not None else ""
        if not thread:
            thread = str((await item_of(account.web, result.message_id)).get("thread_id") or "")
        return account.me.chat(call.chat.id, thread)

    async def answer_interaction(
        self,
        call: Call,
        interaction_id: str,
        message: Message | None,
        reply_context: bytes,
        ephemeral: bool,
        replace_origin: bool,
    ) -> SendResult | None:
        if message is None:
            return None
        account = _account(call.bot)
        context = ReplyContext.read(reply_context or call.reply_context, call.chat.id)
        if replace_origin and context.message:
            degraded = await edit(account, call, context.message, message)
            return SendResult(message_id=context.message, degraded=degraded)
        thread = bool(context.thread)
        result = await send(account, call, message, context.message if thread else "", thread)
        if not ephemeral:
            return result
        degraded = (*result.degraded, "ephemeral")
        return SendResult(result.message_id, result.message_ids, degraded, unsent=result.unsent)

    # Media, chats, users.

    async def fetch_media(
        self, call: Call, platform_id: str, message_id: str, max_bytes: int
    ) -> AsyncIterator[MediaChunk]:
        path, query = resource(platform_id, message_id)
        first = True
        async for data, answer in _account(call.bot).web.download(path, max_bytes, **query):
            if first:
                name = answer.content_disposition.filename if answer.content_disposition else ""
                size = answer.content_length or 0
                yield MediaChunk(data, answer.content_type, (name or "").replace("/", "_"), size)
            else:
                yield MediaChunk(data)
            first = False

    async def get_chat_info(self, call: Call) -> ChatDetails:
        return await lookups.chat_info(_account(call.bot), call)

    async def get_group_info(self, call: Call) -> Group:
        return await lookups.group_info(_account(call.bot), call)

    async def get_group_list(self, call: Call, page_size: int, page_token: str) -> Page[Group]:
        return await lookups.groups(_account(call.bot), page_size, page_token)

    async def get_group_member_list(self, call: Call, page_size: int, page_token: str) -> Page[Member]:
        return await lookups.members(_account(call.bot), call, page_size, page_token)

    async def get_group_member_info(self, call: Call, user_id: str) -> Member:
        return await lookups.member(_account(call.bot), call, user_id)

    async def set_group_name(self, call: Call, name: str) -> None:
        await _account(call.bot).web.call("PUT", f"/im/v1/chats/{part(call.chat.id)}", {"name": name})

    async def kick_member(self, call: Call, user_id: str) -> None:
        path = f"/im/v1/chats/{part(call.chat.id)}/members"
        await _account(call.bot).web.call("DELETE", path, {"id_list": [user_id]}, member_id_type="open_id")

    async def leave_group(self, call: Call) -> None:
        account = _account(call.bot)
        path = f"/im/v1/chats/{part(call.chat.id)}/members"
        await account.web.call("DELETE", path, {"id_list": [account.web.app_id]}, member_id_type="app_id")

    async def get_user_info(self, call: Call, user_id: str) -> User:
        return await lookups.user_info(_account(call.bot), user_id)

    async def call_platform_api(
        self, call: Call, action: str, params: dict[str, Any]
    ) -> dict[str, Any] | None:
        account = _account(call.bot)
        if action == "get_mode":
            return {"mode": account.mode}
        if action == "bot_info":
            return dict((await account.web.call("GET", "/bot/v3/info")).get("bot") or {})
        if action == "urgent_app":
            path = f"/im/v1/messages/{part(str(params.get('message_id')))}/urgent_app"
            users = {"user_id_list": params.get("user_id_list")}
            return await account.web.call("PATCH", path, users, user_id_type="open_id")
        raise NotSupported(f"Lark has no action {action}", metadata={"action": action})


def _account(bot: Bot) -> Account:
    account: Account = bot.connection
    return account


def _report(bot: Bot, task: asyncio.Task[Any]) -> None:
    """It ends by being cancelled; anything else must be seen."""
    if not task.cancelled() and (error := task.exception()) is not None:
        bot.log.error("%s failed", task.get_name(), exc_info=error)
        bot.state(BotState.FAILED, f"{task.get_name()} failed: {type(error).__name__}")


def create_plugin() -> Plugin:
    """The plugin with its adapter."""
    plugin = Plugin("lark", version=__version__)
    plugin.adapter(Lark())
    return plugin
