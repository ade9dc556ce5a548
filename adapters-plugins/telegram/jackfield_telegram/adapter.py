"""The adapter: its life and its bots. Its methods stand in the classes it is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, ClassVar

from jackfield_sdk import (
    Bot,
    BotState,
    CloseReason,
    InvalidArgument,
    JackfieldError,
    PlatformError,
    Plugin,
    User,
)

from jackfield_telegram.actions import Actions
from jackfield_telegram.calls import Account
from jackfield_telegram.convert.people import Me, user_of
from jackfield_telegram.convert.values import table
from jackfield_telegram.files import Files
from jackfield_telegram.intake import Intake
from jackfield_telegram.interactions import Interactions
from jackfield_telegram.lookups import Lookups
from jackfield_telegram.menu import publish_menu
from jackfield_telegram.moderation import Moderation
from jackfield_telegram.polling import Poller, Sleep
from jackfield_telegram.queries import Queries
from jackfield_telegram.streaming import Streaming
from jackfield_telegram.webhook import Registration, Webhooks, secret_of
from jackfield_telegram.wire import API, Api

POLL_SECONDS = 30
MENU = "the command menu"
_FILES_WITH_MESSAGES = "files travel with messages"


class Telegram(Streaming, Interactions, Files, Lookups, Moderation, Actions, Webhooks):
    """Telegram's Bot API."""

    platform = "telegram"
    unsupported: ClassVar = {
        "get_message": "the Bot API reads no message again",
        "get_group_list": "the Bot API does not tell a bot its groups",
        "get_friend_list": "the Bot API does not tell a bot its users",
        "upload_file": f"the Bot API stores no file by itself: {_FILES_WITH_MESSAGES}",
        "get_file_url": "an address of a file would hold the bot's token; use fetch_media",
        "approve_friend_request": "everybody may write to a bot",
        "approve_group_invite": "a bot that is invited is inside already; use leave_group",
    }

    def __init__(self, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep

    async def open_bot(self, bot: Bot) -> User | None:
        """Checks the token, and begins to poll or tells the platform where to send."""
        token = str(bot.config.get("token") or "")
        if not token or any(not 32 < ord(c) < 127 or c in "/?#%" for c in token):
            raise InvalidArgument(
                f"bot {bot.name} has no usable token",
                remedy="Set `token` to what @BotFather gave, for example 123456:ABC-DEF.",
                metadata={"field": "token"},
            )
        secret = secret_of(bot) if bot.config.get("mode") == "webhook" else ""
        api = Api(token, str(bot.config.get("api_base_url") or API))
        try:
            native = table(await api.call("getMe"))
            user = user_of(native)
            if user is None:
                raise PlatformError("Telegram's answer to getMe names no account")
            if not secret:
                await api.call("deleteWebhook")
        except BaseException:
            await api.close()
            raise
        me = Me.of(native)
        queries = Queries(bot, api)
        intake = Intake(bot, me, queries)
        account = Account(bot, api, me, queries, intake)
        bot.connection = account
        if secret:
            bot.state(BotState.CONNECTING, "telling Telegram where to send updates")
            _own(account, Registration(bot, api, secret, self._sleep).run(), "the webhook")
        else:
            timeout = int(bot.config.get("poll_timeout", POLL_SECONDS))
            account.poller = Poller(bot, api, me, intake, timeout=timeout, sleep=self._sleep)
            _own(account, account.poller.run(), "polling")
        if bot.config.get("command_menu", True):
            _own(account, _menu(account), MENU)
        return user

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        """Takes no more; what was not acknowledged comes again to whoever opens the bot next. A webhook stays set."""
        account = bot.connection
        if not isinstance(account, Account):
            return None
        tasks = list(account.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await account.queries.close()
        await account.api.close()
        bot.connection = None
        return account.poller.checkpoint if account.poller is not None else None


async def _menu(account: Account) -> None:
    try:
        await publish_menu(account.bot, account.api)
    except JackfieldError as error:
        account.bot.log.warning("the command menu was not set: %s", error)


def _own(account: Account, work: Coroutine[Any, Any, None], name: str) -> None:
    """Runs work of a bot until the bot is closed."""
    task = asyncio.create_task(work)
    account.tasks.add(task)
    task.add_done_callback(partial(_ended, account, name))


def _ended(account: Account, name: str, task: asyncio.Task[None]) -> None:
    """A fault of ours must be seen by the operator; the kernel opens the bot again when it stays silent."""
    account.tasks.discard(task)
    if not task.cancelled() and (fault := task.exception()) is not None:
        account.bot.log.error("%s failed", name, exc_info=fault)
        if name != MENU:
            account.bot.state(BotState.FAILED, f"{name} failed: {type(fault).__name__}")


def build(sleep: Sleep = asyncio.sleep) -> Plugin:
    """The plugin with one adapter; `sleep` waits between attempts."""
    plugin = Plugin("telegram", version="0.1.0")
    plugin.adapter(Telegram(sleep))
    return plugin
