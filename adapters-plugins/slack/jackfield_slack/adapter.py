"""The adapter: bots, and each call as the methods of Slack's Web API."""

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
    ContentTooLarge,
    Event,
    Group,
    InvalidArgument,
    JackfieldError,
    MediaChunk,
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
from jackfield_sdk.ingress import HttpRequest, HttpResponse

from jackfield_slack import __version__, lookups
from jackfield_slack.account import Account, prove_life
from jackfield_slack.catch_up import catch_up
from jackfield_slack.convert.context import ReplyContext
from jackfield_slack.convert.incoming import Self, received
from jackfield_slack.intake import Intake
from jackfield_slack.reactions import name_of
from jackfield_slack.sending import as_edit, send
from jackfield_slack.socket import SocketMode
from jackfield_slack.web import Web

# By method: words that say that everything is as it was asked to be.
_DONE = {
    "reactions.add": ("already_reacted",),
    "reactions.remove": ("no_reaction",),
    "pins.add": ("already_pinned",),
    "pins.remove": ("no_pin", "not_pinned"),
    "conversations.kick": ("not_in_channel",),
    "conversations.leave": ("not_in_channel",),
}


class Slack(Adapter):
    """Speaks with Slack."""

    # chat.update allows about fifty a minute.
    stream_interval = 1.25

    def __init__(self) -> None:
        self._http: aiohttp.ClientSession

    async def setup(self) -> None:
        self._http = aiohttp.ClientSession(trust_env=True)

    async def teardown(self) -> None:
        await self._http.close()

    async def open_bot(self, bot: Bot) -> User:
        config = bot.config
        app_token = str(config.get("app_token") or "")
        if not app_token and not config.get("signing_secret"):
            raise InvalidArgument(
                "neither app_token nor signing_secret is set: no event could come",
                remedy="Set app_token for Socket Mode, or signing_secret for the Events API.",
            )
        base = str(config.get("api_base_url") or "https://slack.com/api/")
        web = Web(str(config["bot_token"]), base, self._http)
        who = await web.call("auth.test")
        me = Self(str(who.get("user_id", "")), str(who.get("bot_id", "")), str(who.get("team_id", "")))
        user = User(
            id=me.user_id, username=str(who.get("user", "")), nickname=str(who.get("user", "")), is_bot=True
        )
        intake = Intake(bot, me)
        account = Account(bot, web, me, intake, "socket" if app_token else "events", user)
        bot.connection = account
        if app_token:
            socket = SocketMode(bot, web, app_token, self._http, intake.envelope, lambda: _connected(account))
            bot.state(BotState.CONNECTING, self_user=user)
            run = socket.run(await socket.first_address())
        else:
            run = prove_life(bot, web)
        account.task = asyncio.create_task(run, name=f"slack {bot.name}")
        account.task.add_done_callback(lambda done: _report(bot, done))
        return user

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        account = _account(bot)
        await account.close()
        return None

    async def handle_request(self, call: Call, request: HttpRequest) -> HttpResponse | None:
        return await _account(call.bot).intake.request(request)

    # Messages.

    async def send_message(self, call: Call, message: Message) -> SendResult:
        return await send(_account(call.bot), call, message, call.chat.thread_id)

    async def reply_message(
        self, call: Call, message: Message, reference: ReplyReference, quote_origin: bool
    ) -> SendResult:
        context = ReplyContext.read(reference.reply_context, call.chat.id)
        thread = context.thread_ts or call.chat.thread_id
        opens = quote_origin or bool(call.bot.config.get("reply_in_thread"))
        if not thread and opens and call.chat.type is not ChatType.PRIVATE:
            # Slack's way to say what is answered.
            thread = context.ts or reference.message_id
        return await send(_account(call.bot), call, message, thread)

    async def edit_message(self, call: Call, message_id: str, message: Message) -> Iterable[str] | None:
        content, degraded = as_edit(message)
        await _account(call.bot).web.call("chat.update", channel=call.chat.id, ts=message_id, **content)
        return degraded

    async def delete_message(self, call: Call, message_id: str) -> None:
        await _account(call.bot).web.call("chat.delete", channel=call.chat.id, ts=message_id)

    async def get_message(self, call: Call, message_id: str) -> Event:
        account = _account(call.bot)
        where = {
            "channel": call.chat.id,
            "latest": message_id,
            "oldest": message_id,
            "inclusive": "true",
            "limit": 1,
        }
        method = "conversations.history"
        if call.chat.thread_id:
            method, where = "conversations.replies", {**where, "ts": call.chat.thread_id}
        found = (await account.web.read(method, **where)).get("messages") or []
        one = next((each for each in found if each.get("ts") == message_id), None)
        if one is None:
            raise NotFound("there is no such message", metadata={"message_id": message_id})
        return call.bot.complete(received(one, call.chat.id, account.me))

    async def add_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        where = {"channel": call.chat.id, "timestamp": message_id, "name": name_of(reaction)}
        await _repeatable(_account(call.bot), "reactions.add", **where)

    async def remove_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        where = {"channel": call.chat.id, "timestamp": message_id, "name": name_of(reaction)}
        await _repeatable(_account(call.bot), "reactions.remove", **where)

    async def pin_message(self, call: Call, message_id: str) -> None:
        await _repeatable(_account(call.bot), "pins.add", channel=call.chat.id, timestamp=message_id)

    async def unpin_message(self, call: Call, message_id: str) -> None:
        await _repeatable(_account(call.bot), "pins.remove", channel=call.chat.id, timestamp=message_id)

    async def create_thread(self, call: Call, name: str, message_id: str) -> Chat:
        """A thread hangs on a message: the given one, or one that holds the name."""
        account = _account(call.bot)
        if not message_id:
            if not name:
                raise InvalidArgument("a thread needs a name or a message", metadata={"field": "name"})
            message_id = (await send(account, call, Message(name), "")).message_id
        return account.me.chat(call.chat.id, message_id)

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
        if replace_origin and context.ts:
            degraded = await self.edit_message(call, context.ts, message)
            return SendResult(message_id=context.ts, degraded=tuple(degraded or ()))
        if ephemeral and context.response_url:
            content, degraded = as_edit(message)
            await account.web.respond(
                context.response_url, {**content, "response_type": "ephemeral", "replace_original": False}
            )
            return SendResult(degraded=degraded)
        result = await send(account, call, message, context.thread_ts or call.chat.thread_id)
        if not ephemeral:
            return result
        degraded = (*result.degraded, "ephemeral")
        return SendResult(result.message_id, result.message_ids, degraded, unsent=result.unsent)

    # Media, chats, users.

    async def fetch_media(
        self, call: Call, platform_id: str, message_id: str, max_bytes: int
    ) -> AsyncIterator[MediaChunk]:
        web = _account(call.bot).web
        file = (await web.read("files.info", file=platform_id))["file"]
        size = int(file.get("size") or 0)
        if size > max_bytes:
            raise ContentTooLarge("the file is larger than max_bytes", metadata={"size": str(size)})
        url = str(file.get("url_private_download") or file.get("url_private") or "")
        seen, first = 0, True
        async for data in web.download(url):
            seen += len(data)
            if seen > max_bytes:
                raise ContentTooLarge("the file is larger than max_bytes", metadata={"size": str(seen)})
            mime, name = str(file.get("mimetype") or ""), str(file.get("name") or "").replace("/", "_")
            yield MediaChunk(data, mime, name, size) if first else MediaChunk(data)
            first = False

    async def get_chat_info(self, call: Call) -> ChatDetails:
        return await lookups.chat_info(_account(call.bot), call)

    async def get_group_info(self, call: Call) -> Group:
        answer = await _account(call.bot).web.read(
            "conversations.info", channel=call.chat.id, include_num_members="true"
        )
        return lookups.group_of(answer["channel"])

    async def get_group_list(self, call: Call, page_size: int, page_token: str) -> Page[Group]:
        return await lookups.groups(_account(call.bot), page_size, page_token)

    async def get_group_member_list(self, call: Call, page_size: int, page_token: str) -> Page[Member]:
        return await lookups.members(_account(call.bot), call, page_size, page_token)

    async def get_group_member_info(self, call: Call, user_id: str) -> Member:
        answer = await _account(call.bot).web.read("users.info", user=user_id)
        return lookups.member_of(answer["user"], call.chat.id)

    async def set_group_name(self, call: Call, name: str) -> None:
        await _account(call.bot).web.call("conversations.rename", channel=call.chat.id, name=name)

    async def kick_member(self, call: Call, user_id: str) -> None:
        await _repeatable(_account(call.bot), "conversations.kick", channel=call.chat.id, user=user_id)

    async def leave_group(self, call: Call) -> None:
        await _repeatable(_account(call.bot), "conversations.leave", channel=call.chat.id)

    async def get_user_info(self, call: Call, user_id: str) -> User:
        return await lookups.user_info(_account(call.bot), user_id)

    async def call_platform_api(
        self, call: Call, action: str, params: dict[str, Any]
    ) -> dict[str, Any] | None:
        account = _account(call.bot)
        if action == "get_mode":
            return {"mode": account.mode}
        if action == "auth_test":
            return _without_ok(await account.web.call("auth.test"))
        if action == "get_permalink":
            where = {"channel": params.get("channel"), "message_ts": params.get("message_ts")}
            return _without_ok(await account.web.read("chat.getPermalink", **where))
        if action == "post_ephemeral":
            names = ("channel", "user", "text", "thread_ts")
            return _without_ok(
                await account.web.call("chat.postEphemeral", **{name: params.get(name) for name in names})
            )
        if action == "views_open":
            opened = await account.web.call(
                "views.open", trigger_id=params.get("trigger_id"), view=params.get("view")
            )
            return {"view_id": str((opened.get("view") or {}).get("id", ""))}
        raise NotSupported(f"Slack has no action {action}", metadata={"action": action})


async def _repeatable(account: Account, method: str, **params: Any) -> None:
    """Calls whose second run finds everything done."""
    try:
        await account.web.call(method, **params)
    except JackfieldError as error:
        if error.metadata.get("platform_code") not in _DONE[method]:
            raise


def _without_ok(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in ("ok", "response_metadata")}


def _account(bot: Bot) -> Account:
    account: Account = bot.connection
    return account


def _connected(account: Account) -> None:
    """A socket is open: what was missed is read back beside what comes."""
    if account.catching_up is None or account.catching_up.done():
        work = catch_up(account, account.intake.heard_until)
        account.catching_up = asyncio.create_task(work, name=f"slack {account.bot.name} catches up")
        account.catching_up.add_done_callback(lambda done: _report(account.bot, done))


def _report(bot: Bot, task: asyncio.Task[Any]) -> None:
    """It ends by being cancelled; anything else must be seen."""
    if not task.cancelled() and (error := task.exception()) is not None:
        bot.log.error("%s failed", task.get_name(), exc_info=error)
        bot.state(BotState.FAILED, f"{task.get_name()} failed: {type(error).__name__}")


def create_plugin() -> Plugin:
    """The plugin with its adapter."""
    plugin = Plugin("slack", version=__version__)
    plugin.adapter(Slack())
    return plugin
