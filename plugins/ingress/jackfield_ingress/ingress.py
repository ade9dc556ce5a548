"""The plugin: follows the catalog, opens the port when a route needs it, tells where routes are reached."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from jackfield_sdk import JackfieldError, Plugin, PluginContext, Unavailable
from jackfield_sdk.ingress import HttpRequest, HttpResponse, hand_over, lent_secret
from jackfield_sdk.router import catalog, watch_catalog

from jackfield_ingress import __version__
from jackfield_ingress.addresses import AddressBook
from jackfield_ingress.listener import Listener
from jackfield_ingress.quiet import QuietLog
from jackfield_ingress.remote import networks
from jackfield_ingress.routes import served_routes
from jackfield_ingress.server import Doors, Server

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
RENEW_SECONDS = 60.0


class Ingress:
    """One run of the plugin."""

    def __init__(self, context: PluginContext, book: AddressBook, now: Callable[[], float]) -> None:
        config = context.config
        self._context = context
        self._book = book
        self._public = str(config.get("public_url") or "").rstrip("/")
        try:
            trusted = networks(config.get("trusted_proxies") or ())
        except ValueError as error:
            raise Unavailable(f"trusted_proxies: {error}", remedy="Name addresses or networks.") from error
        doors = Doors(trusted, int(config.get("concurrent", 256)), self._public)
        self.server = Server(self._hand_over, doors, QuietLog(context.log), now)
        self.listener = Listener(context, config)
        self._complained: set[tuple[str, str]] = set()

    async def synchronize(self) -> None:
        """Brings routes, port and reported addresses up to date. Raises retryable errors of the kernel."""
        context = self._context
        routes, unserved = await served_routes(
            await catalog(context), lambda bot, key: lent_secret(context, bot, key), self.server.routes
        )
        for one in unserved:
            if one.wanted and (one.path, one.why) not in self._complained:
                self._complained.add((one.path, one.why))
                context.log.warning("%s is not served: %s", one.path, one.why)
        self.server.routes = routes
        if routes and not self.listener.is_open:
            try:
                await self.listener.open(self.server.handle)
            except JackfieldError as error:
                context.not_ready(error)
                return
            self.server.base_url = self._base()
        self._book.public = bool(self._public)
        self._book.look = self._addresses
        shown = [
            (f"{one.bot} {one.route}", self._base() + one.path, one.bot)
            for one in self.server.routes.values()
        ]
        context.ready(shown)

    async def follow(self) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_catalog())
            group.create_task(self._renew())

    async def _follow_catalog(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async for _ in watch_catalog(self._context):
                    await self.synchronize()
                    pause = FIRST_PAUSE
            except JackfieldError as error:
                # The kernel restarts, or the watch ran its time: it is opened again.
                self._context.log.debug("the watch of the catalog ended: %s", error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                self.listener.renew()
                if self.server.routes and not self.listener.is_open:
                    await self.synchronize()
            except JackfieldError as error:
                self._context.log.warning("%s", error)

    async def _hand_over(self, bot: str, request: HttpRequest, seconds: float) -> HttpResponse:
        return await hand_over(self._context, bot, request, max(0.05, seconds))

    def _base(self) -> str:
        return self._public or self.listener.url

    def _addresses(self, bot: str) -> list[tuple[str, str]]:
        return [(one.route, self._base() + one.path) for one in self.server.routes.values() if one.bot == bot]


def build(now: Callable[[], float] = time.time) -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("ingress", version=__version__)
    book = AddressBook()
    plugin.service(book)
    tasks: list[asyncio.Task[None]] = []
    running: list[Ingress] = []

    @plugin.setup
    async def start(context: PluginContext) -> None:
        ingress = Ingress(context, book, now)
        running.append(ingress)
        await ingress.synchronize()
        task = asyncio.create_task(ingress.follow(), name="ingress follows the catalog")
        task.add_done_callback(lambda done: _report(context, done))
        tasks.append(task)

    @plugin.teardown
    async def stop(context: PluginContext) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for ingress in running:
            await ingress.listener.close()
        tasks.clear()
        running.clear()

    return plugin


def _report(context: PluginContext, task: asyncio.Task[None]) -> None:
    """It ends by being cancelled; anything else must be seen."""
    if not task.cancelled() and (error := task.exception()) is not None:
        context.log.error("following the catalog failed", exc_info=error)
        context.not_ready(
            f"routes are not kept up to date: {error}", "Restart the plugin and report its log."
        )
