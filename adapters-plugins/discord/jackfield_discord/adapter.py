"""The adapter: its life and its bots. Its methods stand in the classes it is made of."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from discord import Intents
from jackfield_sdk import (
    AuthExpired,
    Bot,
    BotState,
    CloseReason,
    InvalidArgument,
    JackfieldError,
    PlatformError,
    Plugin,
    RateLimited,
    User,
)
from jackfield_sdk.spool import Spool
from jackfield_sdk.spooling import Intake

from jackfield_discord import commands
from jackfield_discord.account import Account
from jackfield_discord.actions import Actions
from jackfield_discord.catchup import CatchUp
from jackfield_discord.checkpoint import Checkpoint
from jackfield_discord.convert.people import user_of
from jackfield_discord.convert.values import table, text_of
from jackfield_discord.directory import Directory
from jackfield_discord.errors import NEW_TOKEN
from jackfield_discord.feed import Feed, Reader
from jackfield_discord.gateway import SILENCE_SECONDS, Gateway, Sleep
from jackfield_discord.interacting import Waiting
from jackfield_discord.interactions import Interactions
from jackfield_discord.lookups import Lookups
from jackfield_discord.moderation import Moderation
from jackfield_discord.rest import API, Rest
from jackfield_discord.streaming import Streaming

# How long a closing bot waits until the kernel holds its events.
DRAIN_SECONDS = 5.0
# How long opening waits for the gateway; a slower one is waited for as CONNECTING.
READY_SECONDS = 10.0


class Discord(Streaming, Interactions, Lookups, Moderation, Actions):
    """Bots of Discord."""

    platform = "discord"
    unsupported: ClassVar = {
        "upload_file": "Discord stores no file by itself: files travel with messages",
        "get_friend_list": "Discord does not tell a bot who wrote to it",
        "approve_friend_request": "nobody has to ask a bot",
        "approve_group_invite": "a bot that is invited is inside already; use leave_group",
    }

    def __init__(self, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep

    async def open_bot(self, bot: Bot) -> User | None:
        """Checks the token, publishes what the last process left, and connects to the gateway."""
        token = _token(bot)
        rest = Rest(token, str(bot.config.get("api_base_url") or API))
        try:
            native = table(await rest.get("users", "@me"))
            user = user_of(native)
            if user is None:
                raise PlatformError("Discord's answer names no account")
            application = text_of(table(await rest.get("applications", "@me")).get("id"))
        except BaseException:
            await rest.close()
            raise
        account = self._account(bot, token, rest, user.id, application)
        bot.connection = account
        try:
            if bot.config.get("slash_commands", True):
                await _offer(account)
            await account.intake.restore()
            account.own(account.intake.run(), "the intake")
            await self._connect(account)
        except BaseException:
            await self.close_bot(bot, CloseReason.SHUTDOWN)
            raise
        return user

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        """Leaves the gateway so that its session can go on, and hands over what it brought."""
        account = bot.connection
        if not isinstance(account, Account):
            return None
        bot.connection = None
        for task in list(account.tasks):
            if task.get_name() != "the intake":
                task.cancel()
                await asyncio.wait([task])
        if reason is not CloseReason.LEASE_LOST and not await account.intake.drained(DRAIN_SECONDS):
            bot.log.error("%d events wait in the file for the next start", account.intake.pending)
        tasks = list(account.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        await account.intake.file()
        await account.waiting.close()
        await account.gateway.close()
        await account.rest.close()
        # With everything durable or filed, the next process goes on exactly here.
        return account.feed.checkpoint.encode() if account.feed.checkpoint.session else None

    def _account(self, bot: Bot, token: str, rest: Rest, me: str, application: str) -> Account:
        directory = Directory(rest)
        reader = Reader(me, directory)
        intake = Intake(bot, Spool(self.plugin.data_dir / f"{bot.name}.events.jsonl"), reader.read)
        waiting = Waiting(bot, rest)
        feed = Feed(bot, reader, intake, CatchUp(rest), Checkpoint.decode(bot.checkpoint), waiting.arrived)
        silence = bot.config.get("silence_seconds")
        gateway = Gateway(
            token,
            intents_of(bot.config),
            entrance=lambda: entrance(rest),
            frame=feed.frame,
            heard=bot.alive,
            lost=feed.lost,
            log=bot.log,
            sleep=self._sleep,
            silence=SILENCE_SECONDS if silence is None else float(silence),
        )
        return Account(bot, rest, me, application, reader, directory, intake, waiting, feed, gateway)

    async def _connect(self, account: Account) -> None:
        """Waits for the first session; raises what cannot be mended."""
        bot = account.bot
        bot.state(BotState.CONNECTING)
        running = account.own(self._run(account), "the gateway")
        started = asyncio.create_task(account.feed.started.wait())
        try:
            await asyncio.wait({running, started}, timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            started.cancel()
        if account.fatal is not None:
            raise account.fatal

    async def _run(self, account: Account) -> None:
        try:
            await account.gateway.run(account.feed.checkpoint)
        except JackfieldError as error:
            account.fatal = error
            account.bot.log.error("the gateway is closed for good: %s", error)
            account.bot.state(BotState.FAILED, error)


async def _offer(account: Account) -> None:
    """What cannot be registered is written as text all the same: no reason not to open the bot."""
    bot = account.bot
    try:
        names = await commands.wanted(bot)
        account.reader.commands = frozenset(names)
    except JackfieldError as error:
        bot.log.warning("the installed commands are not known: %s", error)
        return
    account.own(_register(account, names), "the slash commands")


async def _register(account: Account, names: dict[str, str]) -> None:
    try:
        await commands.register(account.bot, account.rest, account.application, names)
    except JackfieldError as error:
        account.bot.log.warning("the slash commands were not registered: %s", error)


def intents_of(config: dict[str, Any]) -> Intents:
    """What the gateway shall tell: everything but presence and typing; two kinds must be allowed in the portal."""
    intents = Intents.default()
    intents.typing = False
    intents.message_content = config.get("message_content", True) is not False
    intents.members = config.get("members", True) is not False
    return intents


async def entrance(rest: Rest) -> str:
    """Where the gateway is. Raises RateLimited when the bot has connected too often today."""
    answer = table(await rest.get("gateway", "bot"))
    limit = table(answer.get("session_start_limit"))
    after = limit.get("reset_after")
    if limit.get("remaining") == 0 and isinstance(after, int | float):
        raise RateLimited(
            after / 1000, "Discord allows no new session for a while: the bot connected too often"
        )
    url = text_of(answer.get("url"))
    if not url:
        raise PlatformError("Discord's answer names no gateway", retryable=True)
    return url


def _token(bot: Bot) -> str:
    token = str(bot.config.get("token") or "").removeprefix("Bot ").strip()
    if not token:
        raise InvalidArgument(f"bot {bot.name} has no token", remedy=NEW_TOKEN, metadata={"field": "token"})
    if any(not 32 < ord(c) < 127 for c in token):
        raise AuthExpired(f"the token of bot {bot.name} holds characters that no token has", remedy=NEW_TOKEN)
    return token


def build(sleep: Sleep = asyncio.sleep) -> Plugin:
    """The plugin with one adapter; `sleep` waits between attempts to connect."""
    plugin = Plugin("discord", version="0.1.0")
    plugin.adapter(Discord(sleep))
    return plugin
