"""The listener that implementations dial: one for all bots of the process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from aiohttp import web
from jackfield_sdk import PluginContext
from jackfield_sdk.listening import CannotListen, listen

from jackfield_onebot.auth import accepts, token_of
from jackfield_onebot.convert.values import text_of

PATH = "/onebot/v11/ws"
# Path to the role of clients that state none.
PATHS: Mapping[str, str] = {
    PATH: "universal",
    "/onebot/v11": "universal",
    "/onebot/v11/": "universal",
    "/ws": "universal",
    "/ws/": "universal",
    "/ws/api": "api",
    "/ws/event": "event",
    "/onebot/v11/ws/api": "api",
    "/onebot/v11/ws/event": "event",
}
ROLES = frozenset({"universal", "api", "event"})
LONGEST_FRAME = 1 << 20
PING_SECONDS = 30.0
# How long a client may take to agree to a close.
CLOSE_SECONDS = 2.0
MOST_CONNECTIONS = 256
LONGEST_ID = 64
RETRY_SECONDS = 5.0

# (account, role, socket) → the connection's whole life.
Serve = Callable[[str, str, web.WebSocketResponse], Awaitable[None]]
# (account) → the token of its bot, None when no bot takes the account.
TokenFor = Callable[[str], str | None]
Sleep = Callable[[float], Awaitable[Any]]


class Listener:
    """Opens the port, tries again while it is taken, and lets clients in that may come in."""

    def __init__(self, token_for: TokenFor, serve: Serve, log: logging.Logger) -> None:
        self._token_for = token_for
        self._serve = serve
        self._log = log
        self._stack = AsyncExitStack()
        self._count = 0
        self._sites: list[web.SockSite] = []
        self.port = 0

    async def open(self, hosts: list[str], port: int, *, successor: bool = False) -> None:
        """Listens; as `successor` beside the version that is being replaced. Raises CannotListen."""
        sockets = listen(hosts, port, plugin="onebot", successor=successor)
        app = web.Application(client_max_size=1 << 16)
        for path in PATHS:
            app.router.add_get(path, self._connect)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        self._sites = [web.SockSite(runner, bound) for bound in sockets]
        for site in self._sites:
            await site.start()
        self.port = sockets[0].getsockname()[1]

    async def stop_listening(self) -> None:
        """Lets nobody in any more; connections that stand go on."""
        sites, self._sites = self._sites, []
        for site in sites:
            await site.stop()

    async def close(self) -> None:
        """Lets nobody in any more and ends what is open."""
        await self._stack.aclose()

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        self_id = request.headers.get("X-Self-ID", "").strip()
        if not self_id or len(self_id) > LONGEST_ID:
            return self._refuse(request, 400, "the header X-Self-ID must name the account")
        if request.headers.get("Origin", "").lower().startswith(("http://", "https://")):
            # A web page that some user of this machine has open; OneBot clients are no pages.
            return self._refuse(request, 403, "pages of a browser may not connect")
        token = self._token_for(self_id)
        if token is None:
            return self._refuse(request, 403, "no bot takes this account")
        if not accepts(token, token_of(request.headers, request.query)):
            return self._refuse(request, 401, "the access token is missing or wrong")
        role = (request.headers.get("X-Client-Role") or PATHS[request.path]).strip().lower()
        if role not in ROLES:
            return self._refuse(request, 400, "X-Client-Role must be Universal, API or Event")
        if self._count >= MOST_CONNECTIONS:
            return self._refuse(request, 503, f"{MOST_CONNECTIONS} clients are connected already")
        socket = web.WebSocketResponse(
            max_msg_size=LONGEST_FRAME, heartbeat=PING_SECONDS, timeout=CLOSE_SECONDS
        )
        if not socket.can_prepare(request).ok:
            return self._refuse(request, 426, "this address speaks WebSocket only")
        self._count += 1
        try:
            await socket.prepare(request)
            await self._serve(self_id, role, socket)
        finally:
            self._count -= 1
        return socket

    def _refuse(self, request: web.Request, code: int, why: str) -> web.Response:
        self_id = text_of(request.headers.get("X-Self-ID"))[:LONGEST_ID]
        self._log.warning("refused a OneBot client from %s, account %r: %s", request.remote, self_id, why)
        headers = {"WWW-Authenticate": "Bearer"} if code == 401 else {}
        return web.Response(status=code, text=f"{why}\n", headers=headers)


async def try_to_open(listener: Listener, hosts: list[str], port: int, context: PluginContext) -> bool:
    """Opens the port and says how it stands; False while it cannot be opened."""
    try:
        await listener.open(hosts, port, successor=context.successor)
    except CannotListen as error:
        context.log.error("%s", error)
        context.not_ready(error)
        return False
    context.ready([("OneBot v11", address(hosts[0], listener.port))])
    return True


async def keep_trying(
    listener: Listener, hosts: list[str], port: int, context: PluginContext, sleep: Sleep = asyncio.sleep
) -> None:
    """Opens the port as soon as it is free."""
    await sleep(RETRY_SECONDS)
    while not await try_to_open(listener, hosts, port, context):
        await sleep(RETRY_SECONDS)


def address(host: str, port: int) -> str:
    """What to write into a client's settings."""
    shown = f"[{host}]" if ":" in host else host
    return f"ws://{shown}:{port}{PATH}"
