"""The adapter: its life, its bots and their connections. Its methods stand in the classes it is made of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web
from jackfield_sdk import (
    AuthExpired,
    Bot,
    BotState,
    Call,
    CloseReason,
    Event,
    InvalidArgument,
    JackfieldError,
    MediaChunk,
    MessageReceived,
    PlatformEvent,
    Plugin,
    User,
)
from jackfield_sdk.ingress import HttpRequest, HttpResponse
from jackfield_sdk.spool import Spool, Spooled
from jackfield_sdk.spooling import Intake

from jackfield_onebot.accounts import FORWARD, HTTP, RESTARTED, REVERSE, Account, OpenBot, Registry
from jackfield_onebot.auth import is_loopback
from jackfield_onebot.connection import Actions, Connection
from jackfield_onebot.convert.entities import table
from jackfield_onebot.convert.events import event_of
from jackfield_onebot.convert.values import text_of
from jackfield_onebot.dialling import connect, dial
from jackfield_onebot.http_api import HttpActions, join, login, watch
from jackfield_onebot.media import chunks
from jackfield_onebot.messaging import Messaging
from jackfield_onebot.posted import posted
from jackfield_onebot.server import Listener, Sleep, address, keep_trying, try_to_open

LOOPBACK = ["127.0.0.1", "::1"]
PORT = 8421
# How long a closing bot waits until the kernel holds its events.
DRAIN_SECONDS = 5.0
# A connection, or id and name of the account.
FirstLook = aiohttp.ClientWebSocketResponse | tuple[str, str]


class OneBot(Messaging):
    """OneBot v11 over reverse or forward WebSocket, or HTTP."""

    platform = "onebot"

    def __init__(self, sleep: Sleep = asyncio.sleep) -> None:
        self._sleep = sleep
        self.registry = Registry()
        self._listener: Listener | None = None
        self._http: aiohttp.ClientSession
        self._opening: asyncio.Task[None] | None = None
        self._hosts = LOOPBACK
        self._port = PORT

    # Life.

    async def setup(self) -> None:
        """Opens the port; while it is taken the plugin is not ready and tries again."""
        self._http = aiohttp.ClientSession(trust_env=True)
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
        await self._http.close()

    async def open_bot(self, bot: Bot) -> User | None:
        """Takes an account from now on; its client may come at any time."""
        mode, url = self._reached(bot)
        first = await self._first_look(bot, mode, url)
        intake = Intake(bot, Spool(self.plugin.data_dir / f"{bot.name}.events.jsonl"), _read)
        token = text_of(bot.config.get("access_token"))
        opened = OpenBot(bot, text_of(bot.config.get("self_id")), token, intake, mode)
        try:
            self.registry.add(opened)
        except InvalidArgument:
            if isinstance(first, aiohttp.ClientWebSocketResponse):
                await first.close()
            raise
        await intake.restore()
        running = asyncio.create_task(intake.run())
        opened.tasks.add(running)
        running.add_done_callback(partial(_ended, opened))
        if mode != REVERSE:
            self._reach(opened, url, first)
            return None
        self._waiting(opened)
        # An account that now has a bot of its own leaves the one that takes all; its client comes back.
        for other in self.registry.all():
            if other is not opened and opened.self_id in other.accounts:
                await _disconnect(other.accounts[opened.self_id], "another bot takes this account")
        return None

    def _reached(self, bot: Bot) -> tuple[str, str]:
        """Mode and address. Raises InvalidArgument for what would not work or not be safe."""
        mode, url = text_of(bot.config.get("mode")) or REVERSE, text_of(bot.config.get("url"))
        schemes = {FORWARD: ("ws://", "wss://"), HTTP: ("http://", "https://")}.get(mode, ())
        if mode != REVERSE and not url.startswith(schemes):
            raise InvalidArgument(
                f"bot {bot.name} is in mode {mode} and needs url to begin with {' or '.join(schemes)}",
                remedy="Set url to the address at which the implementation listens.",
                metadata={"field": "url"},
            )
        exposed = [host for host in self._hosts if not is_loopback(host)]
        if mode == REVERSE and exposed and not bot.config.get("access_token"):
            raise InvalidArgument(
                f"bot {bot.name} has no access_token, and {exposed[0]} is reached by other machines",
                remedy="Set access_token here and in the client, or listen on 127.0.0.1 only.",
                metadata={"field": "access_token"},
            )
        return mode, url

    async def _first_look(self, bot: Bot, mode: str, url: str) -> FirstLook | None:
        """A refused token is told at once; an implementation that is away is waited for."""
        token = text_of(bot.config.get("access_token"))
        try:
            if mode == FORWARD:
                return await connect(url, token, self._http)
            if mode == HTTP:
                return await login(HttpActions(url, token, self._http), text_of(bot.config.get("self_id")))
        except (AuthExpired, InvalidArgument):
            raise
        except JackfieldError as error:
            bot.log.info("not connected yet: %s", error.message)
        return None

    def _reach(self, opened: OpenBot, url: str, first: FirstLook | None) -> None:
        """Forward and HTTP mode: the adapter does the first step."""
        opened.bot.state(BotState.CONNECTING, f"not connected to the OneBot implementation at {url}")
        if opened.mode == HTTP:
            actions = HttpActions(url, opened.token, self._http)
            if isinstance(first, tuple):
                join(opened, actions, *first)
            work = watch(opened, actions)
        else:

            def receive(native: dict[str, Any], raw: bytes) -> None:
                self_id = text_of(native.get("self_id"))
                account = opened.accounts.get(self_id) or Account(self_id)
                self._receive(opened, account, native, raw)

            async def carry(self_id: str, connection: Connection, life: Awaitable[None]) -> None:
                await self._carry(opened, self_id, "universal", connection, life)

            connecting = partial(connect, url, opened.token, self._http)
            socket = first if isinstance(first, aiohttp.ClientWebSocketResponse) else None
            work = dial(opened, connecting, socket, receive, carry)
        opened.reaching = asyncio.create_task(work, name=f"onebot {opened.mode} {opened.bot.name}")
        opened.reaching.add_done_callback(partial(_ended, opened))

    async def handle_request(self, call: Call, request: HttpRequest) -> HttpResponse | None:
        """HTTP mode: one event, verified by ingress; answered when it is durable."""
        return await posted(self.registry.get(call.bot.name), request, self._published)

    async def fetch_media(
        self, call: Call, platform_id: str, message_id: str, max_bytes: int
    ) -> AsyncIterator[MediaChunk]:
        """Bytes that only the implementation has."""
        account, _ = self.account_of(call)
        async for chunk in chunks(account, call, self._http, platform_id, max_bytes):
            yield chunk

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        """Ends its connections and hands over what they brought."""
        opened = self.registry.remove(bot.name)
        if opened is None:
            return None
        if reason is CloseReason.HANDOVER and not self.registry.all() and self._listener is not None:
            # Clients that come back must find the new version, not this one.
            await self._listener.stop_listening()
        if opened.reaching is not None:
            opened.reaching.cancel()
            await asyncio.wait([opened.reaching], timeout=DRAIN_SECONDS)
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
        life = connection.run(lambda native, raw: self._receive(opened, account, native, raw))
        await self._carry(opened, self_id, role, connection, life)

    async def _carry(
        self, opened: OpenBot, self_id: str, role: str, connection: Connection, life: Awaitable[None]
    ) -> None:
        """A connection of an account until it is over."""
        account = opened.accounts.setdefault(self_id, Account(self_id))
        await self._join(account, connection, role)
        opened.bot.log.info("OneBot account %r connected (%s)", self_id, role)
        greeting = asyncio.create_task(self._greet(opened, account, connection))
        opened.tasks.add(greeting)
        greeting.add_done_callback(opened.tasks.discard)
        try:
            await life
        finally:
            greeting.cancel()
            self._leave(opened, account, connection)
            opened.bot.log.info("OneBot account %r disconnected (%s)", self_id, role)

    async def _join(self, account: Account, connection: Connection, role: str) -> None:
        """The newest connection wins: a client that comes again has lost the old one."""
        old: set[Actions | None] = {
            account.actions if role != "event" else None,
            account.events if role != "api" else None,
        }
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
        opened.greet(account.self_id, "")
        if account.actions is not connection:
            return
        try:
            answer = await connection.call("get_login_info", {}, effect=False)
        except JackfieldError as error:
            opened.bot.log.info("the name of account %r is not known: %s", account.self_id, error)
            return
        nickname = text_of(table(answer.get("data")).get("nickname"))
        if nickname and account.connected:
            opened.greet(account.self_id, nickname)

    def _receive(self, opened: OpenBot, account: Account, native: dict[str, Any], raw: bytes) -> None:
        event = self._published(opened, account, native, raw)
        if event is not None:
            opened.intake.put(event, account.self_id)

    def _published(
        self, opened: OpenBot, account: Account, native: dict[str, Any], raw: bytes
    ) -> Event | None:
        """The event to publish, if any."""
        event = event_of(native, account.self_id, raw)
        if event is None:
            return None
        account.caches.note(native)
        payload = event.payload
        heartbeat = isinstance(payload, PlatformEvent) and payload.action == "heartbeat"
        if heartbeat and not self.plugin.config.get("publish_heartbeats"):
            return None
        if isinstance(payload, MessageReceived) and event.chat is not None:
            opened.saw(event.chat, account.self_id)
        return event

    def _waiting(self, opened: OpenBot) -> None:
        if opened.mode != REVERSE:
            return
        port = self._listener.port if self._listener is not None else 0
        where = address(self._hosts[0], port or self._port)
        opened.bot.state(BotState.CONNECTING, f"waiting for a OneBot client at {where}")


def _ended(opened: OpenBot, intake: asyncio.Task[None]) -> None:
    """A task ends by being cancelled; anything else is a fault that the operator must see."""
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
