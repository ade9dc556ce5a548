"""The adapter: its life, its bots and their connections. Its methods stand in the classes it is made of."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any

from aiohttp import web
from jackfield_sdk import (
    Bot,
    BotState,
    CloseReason,
    Event,
    InvalidArgument,
    JackfieldError,
    MessageReceived,
    PlatformEvent,
    Plugin,
    User,
)
from jackfield_sdk.spool import Spool, Spooled
from jackfield_sdk.spooling import Intake

from jackfield_onebot.accounts import RESTARTED, Account, OpenBot, Registry
from jackfield_onebot.auth import is_loopback
from jackfield_onebot.connection import Connection
from jackfield_onebot.convert.entities import table
from jackfield_onebot.convert.events import event_of
from jackfield_onebot.convert.values import text_of
from jackfield_onebot.messaging import Messaging
from jackfield_onebot.server import Listener, Sleep, address, keep_trying, try_to_open

LOOPBACK = ["127.0.0.1", "::1"]
PORT = 8421
# How long a closing bot waits until the kernel holds its events.
DRAIN_SECONDS = 5.0


class OneBot(Messaging):
    """OneBot v11 over reverse WebSocket."""

    platform = "onebot"

    def __init__(self, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep
        self.registry = Registry()
        self._listener: Listener | None = None
        self._opening: asyncio.Task[None] | None = None
        self._hosts = LOOPBACK
        self._port = PORT

    # Life.

    async def setup(self) -> None:
        """Opens the port; while it is taken the plugin is not ready and tries again."""
        config = self.plugin.config
        host = config.get("host") or LOOPBACK
        self._hosts = host.split(",") if isinstance(host, str) else [str(one) for one in host]
        port = config.get("port")
        self._port = PORT if port is None else int(port)
        self._listener = Listener(self._token_for, self._serve, self.plugin.log)
        if not await try_to_open(self._listener, self._hosts, self._port, self.plugin):
            trying = keep_trying(self._listener, self._hosts, self._port, self.plugin, self._sleep)
            self._opening = asyncio.create_task(trying)

    async def teardown(self) -> None:
        """Closes the port."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._listener is not None:
            await self._listener.close()

    async def open_bot(self, bot: Bot) -> User | None:
        """Takes an account from now on; its client may come at any time."""
        token = text_of(bot.config.get("access_token"))
        exposed = [host for host in self._hosts if not is_loopback(host)]
        if exposed and not token:
            raise InvalidArgument(
                f"bot {bot.name} has no access_token, and {exposed[0]} is reached by other machines",
                remedy="Set access_token here and in the client, or listen on 127.0.0.1 only.",
                metadata={"field": "access_token"},
            )
        intake = Intake(bot, Spool(self.plugin.data_dir / f"{bot.name}.events.jsonl"), _read)
        opened = OpenBot(bot, text_of(bot.config.get("self_id")), token, intake)
        self.registry.add(opened)
        await intake.restore()
        running = asyncio.create_task(intake.run())
        opened.tasks.add(running)
        running.add_done_callback(partial(_ended, opened))
        self._waiting(opened)
        # An account that now has a bot of its own leaves the one that takes all; its client comes back.
        for other in self.registry.all():
            if other is not opened and opened.self_id in other.accounts:
                await _disconnect(other.accounts[opened.self_id], "another bot takes this account")
        return None

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        """Ends its connections and hands over what they brought."""
        opened = self.registry.remove(bot.name)
        if opened is None:
            return None
        if reason is CloseReason.HANDOVER and not self.registry.all() and self._listener is not None:
            # Clients that come back must find the new version, not this one.
            await self._listener.stop_listening()
        accounts = list(opened.accounts.values())
        await asyncio.gather(*(_disconnect(account, "the bot is closed") for account in accounts))
        if reason is not CloseReason.LEASE_LOST and not await opened.intake.drained(DRAIN_SECONDS):
            bot.log.error("%d events wait in the file for the next start", opened.intake.pending)
        tasks = list(opened.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        await opened.intake.file()
        return None

    # Connections.

    def _token_for(self, self_id: str) -> str | None:
        opened = self.registry.of_account(self_id)
        return opened.token if opened is not None else None

    async def _serve(self, self_id: str, role: str, socket: web.WebSocketResponse) -> None:
        opened = self.registry.of_account(self_id)
        if opened is None:
            await socket.close(code=RESTARTED, message=b"no bot takes this account")
            return
        connection = Connection(socket, opened.bot.log)
        account = opened.accounts.setdefault(self_id, Account(self_id))
        await self._join(account, connection, role)
        opened.bot.log.info("OneBot account %r connected (%s)", self_id, role)
        greeting = asyncio.create_task(self._greet(opened, account, connection))
        opened.tasks.add(greeting)
        greeting.add_done_callback(opened.tasks.discard)
        try:
            await connection.run(lambda native, raw: self._receive(opened, account, native, raw))
        finally:
            greeting.cancel()
            self._leave(opened, account, connection)
            opened.bot.log.info("OneBot account %r disconnected (%s)", self_id, role)

    async def _join(self, account: Account, connection: Connection, role: str) -> None:
        """The newest connection wins: a client that comes again has lost the old one."""
        old = {account.actions if role != "event" else None, account.events if role != "api" else None}
        if role != "event":
            account.actions = connection
        if role != "api":
            account.events = connection
        for replaced in old - {None}:
            if replaced is not None:
                await replaced.close(RESTARTED, "the account connected again")

    def _leave(self, opened: OpenBot, account: Account, connection: Connection) -> None:
        if account.actions is connection:
            account.actions = None
        if account.events is connection:
            account.events = None
        if account.connected:
            return
        if opened.accounts.get(account.self_id) is account:
            del opened.accounts[account.self_id]
        if not opened.accounts and opened in self.registry.all():
            self._waiting(opened)

    async def _greet(self, opened: OpenBot, account: Account, connection: Connection) -> None:
        """The bot is connected; its name follows when the client tells it."""
        user = User(id=account.self_id)
        opened.bot.state(BotState.ACTIVE, self_user=user)
        if account.actions is not connection:
            return
        try:
            answer = await connection.call("get_login_info", {}, effect=False)
        except JackfieldError as error:
            opened.bot.log.info("the name of account %r is not known: %s", account.self_id, error)
            return
        nickname = text_of(table(answer.get("data")).get("nickname"))
        if nickname and account.connected:
            opened.bot.state(BotState.ACTIVE, self_user=User(id=account.self_id, nickname=nickname))

    def _receive(self, opened: OpenBot, account: Account, native: dict[str, Any], raw: bytes) -> None:
        event = event_of(native, account.self_id, raw)
        if event is None:
            return
        account.caches.note(native)
        payload = event.payload
        heartbeat = isinstance(payload, PlatformEvent) and payload.action == "heartbeat"
        if heartbeat and not self.plugin.config.get("publish_heartbeats"):
            return
        if isinstance(payload, MessageReceived) and event.chat is not None:
            opened.saw(event.chat, account.self_id)
        opened.intake.put(event, account.self_id)

    def _waiting(self, opened: OpenBot) -> None:
        port = self._listener.port if self._listener is not None else 0
        where = address(self._hosts[0], port or self._port)
        opened.bot.state(BotState.CONNECTING, f"waiting for a OneBot client at {where}")


def _ended(opened: OpenBot, intake: asyncio.Task[None]) -> None:
    """An intake ends by being cancelled; anything else is a fault that the operator must see."""
    if not intake.cancelled() and (fault := intake.exception()) is not None:
        opened.bot.log.error("the intake failed", exc_info=fault)
        opened.bot.state(BotState.FAILED, f"the intake failed: {fault!r}")


async def _disconnect(account: Account, why: str) -> None:
    for connection in {account.actions, account.events} - {None}:
        if connection is not None:
            await connection.close(RESTARTED, why)


async def _read(record: Spooled) -> Event | None:
    return event_of(json.loads(record.frame), record.self_id, record.frame)


def build(sleep: Sleep = asyncio.sleep) -> Plugin:
    """The plugin with one adapter; `sleep` waits between attempts at a taken port."""
    plugin = Plugin("onebot", version="0.1.0")
    plugin.adapter(OneBot(sleep))
    return plugin
