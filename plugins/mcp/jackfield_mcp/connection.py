"""One server: connected for as long as it lets us, its tools listed, its failures its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from jackfield_sdk import DeadlineExceeded, InvalidArgument, OutcomeUnknown, PlatformError, Unavailable
from mcp import Client, MCPError
from mcp.client._transport import Transport
from mcp.shared.dispatcher import ProgressFnT
from mcp.types import CONNECTION_CLOSED, INVALID_PARAMS, CallToolResult, Tool

from jackfield_mcp.settings import Server
from jackfield_mcp.transports import reached

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
RELIST_SECONDS = 60.0
MOST_TOOLS, MOST_PAGES = 256, 32


class Connection:
    """`changed` is called when the tools or the state did."""

    def __init__(
        self,
        server: Server,
        log: logging.Logger,
        changed: Callable[[], None],
        *,
        first_pause: float = FIRST_PAUSE,
        relist: float = RELIST_SECONDS,
    ) -> None:
        self.server = server
        self.tools: list[Tool] = []
        self.why = ""
        """Why it is down; empty while it is up or being connected for the first time."""
        self._log = log
        self._changed = changed
        self._first_pause = first_pause
        self._relist = relist
        self._client: Client | None = None
        self._stale = asyncio.Event()
        self._over = ""

    @property
    def up(self) -> bool:
        """Whether calls can be made."""
        return self._client is not None

    async def run(self) -> None:
        """Connect again and again; ends by being cancelled."""
        pause = self._first_pause
        while True:
            was_up = False
            try:
                was_up = await self._connected()
            except Exception as error:  # noqa: BLE001 - a stranger's server costs its own tools alone
                was_up, self.why = self.up, self._over or _words(error)
            finally:
                self._client = None
                self.tools = []
            self._changed()
            pause = self._first_pause if was_up else min(2 * pause, LONGEST_PAUSE)
            self._log.warning(
                "MCP server %s is down, next try in %g s: %s", self.server.name, pause, self.why
            )
            await asyncio.sleep(pause)

    async def _connected(self) -> bool:
        """One connection, until it breaks."""
        self._over = ""
        self._stale.clear()
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(self.server.connect_seconds):
                transport: Transport = reached(self.server, self._ended, self._said)
                client = await stack.enter_async_context(
                    Client(transport, message_handler=self._heard, cache=None)
                )
                self.tools = await self._listed(client)
            self._client, self.why = client, ""
            self._log.info("MCP server %s is up with %d tools", self.server.name, len(self.tools))
            self._changed()
            while not self._over:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._relist):
                        await self._stale.wait()
                self._stale.clear()
                if not self._over:
                    # Also the heartbeat: a server that hangs does not answer it.
                    async with asyncio.timeout(self.server.connect_seconds):
                        self.tools = await self._listed(client)
                    self._changed()
            self.why = self._over
        return True

    async def call(
        self, name: str, arguments: dict[str, Any], harmless: bool, progress: ProgressFnT
    ) -> CallToolResult:
        """Run a tool. Cancelling tells the server. Raises JackfieldError."""
        client, seconds = self._client, self.server.call_seconds
        if client is None:
            raise Unavailable(
                f"the MCP server {self.server.name!r} is down: {self.why or 'it is being connected'}",
                retry_after=2.0,
            )
        try:
            async with asyncio.timeout(seconds):
                return await client.call_tool(name, arguments, progress_callback=progress)
        except TimeoutError:
            raise DeadlineExceeded(
                f"the MCP server {self.server.name!r} did not answer within {seconds:g} s"
            ) from None
        except MCPError as error:
            if self._over or client is not self._client or error.code == CONNECTION_CLOSED:
                self._lost(harmless, error)
            if error.code == INVALID_PARAMS:
                raise InvalidArgument(error.message[:1000]) from error
            raise PlatformError(
                f"the MCP server {self.server.name!r} says: {error.message[:1000]}"
            ) from error
        except Exception as error:  # As above: the library raises whatever its transports do.
            self._lost(harmless, error)
            raise AssertionError("lost always raises") from error

    def _lost(self, harmless: bool, error: Exception) -> None:
        why = self._over or _words(error)
        self._stale.set()
        if harmless:
            raise Unavailable(f"the MCP server {self.server.name!r} was lost: {why}") from error
        raise OutcomeUnknown(f"the MCP server {self.server.name!r} was lost in the middle: {why}") from error

    async def _listed(self, client: Client) -> list[Tool]:
        tools: list[Tool] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            tools += page.tools
            cursor = page.next_cursor
            if not cursor or len(tools) >= MOST_TOOLS:
                break
        return tools[:MOST_TOOLS]

    async def _heard(self, message: Any) -> None:
        if getattr(message, "method", "") == "notifications/tools/list_changed":
            self._stale.set()

    def _ended(self, why: str) -> None:
        self._over = self._over or why
        self._stale.set()

    def _said(self, line: str) -> None:
        self._log.info("MCP server %s: %s", self.server.name, line)


def _words(error: BaseException) -> str:
    """The innermost cause of what task groups wrap, in a line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return (f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)[:300]
