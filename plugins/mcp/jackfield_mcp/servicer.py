"""The servicer, and the connections that it stands on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from jackfield.v1 import tool_pb2, tool_pb2_grpc
from jackfield_sdk import (
    InvalidArgument,
    NotFound,
    OutcomeUnknown,
    Plugin,
    PluginContext,
    Unavailable,
    jackfield_context,
    wellknown,
)

from jackfield_mcp import __version__
from jackfield_mcp.connection import FIRST_PAUSE, Connection
from jackfield_mcp.offering import Offered, offered
from jackfield_mcp.results import result_of
from jackfield_mcp.settings import Server, servers_of

# How soon a changed configuration is in force.
LOOK_SECONDS = 2.0


class McpTools(tool_pb2_grpc.ToolsServicer):
    """Serves `jackfield.v1.Tools`. `first_pause` in seconds, for tests."""

    def __init__(self, first_pause: float = FIRST_PAUSE) -> None:
        self._first_pause = first_pause
        self._plugin: PluginContext | None = None
        self._connections: dict[str, tuple[Connection, asyncio.Task[None]]] = {}
        self._offered: dict[str, Offered] = {}
        self._refused: list[str] = []
        self._keeper: asyncio.Task[None] | None = None

    async def open(self, plugin: PluginContext) -> None:
        """Connects in the background: a server that is slow to start delays nobody."""
        self._plugin = plugin
        await self._reconcile(servers_of(plugin.config))
        self._keeper = asyncio.create_task(self._keep(plugin), name="mcp configuration")

    async def close(self, plugin: PluginContext) -> None:
        """Every server ends."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._reconcile({})

    async def ListTools(self, request: tool_pb2.ListToolsRequest, context: Any) -> tool_pb2.ListToolsResponse:
        """The tools of the servers that are up."""
        return tool_pb2.ListToolsResponse(tools=[one.tool for one in self._offered.values()])

    async def CallTool(
        self, request: tool_pb2.CallToolRequest, context: Any
    ) -> AsyncIterator[tool_pb2.CallToolResponse]:
        """Runs one tool; its progress comes while it runs."""
        assert self._plugin is not None
        tool = self._found(request.name)
        if jackfield_context(context).possibly_repeated and not tool.harmless:
            raise OutcomeUnknown(f"nobody knows whether {request.name} acted when the plugin died")
        steps: asyncio.Queue[tool_pb2.ToolProgress | None] = asyncio.Queue(maxsize=16)
        arguments = wellknown.struct_to_plain(request.arguments)
        task = asyncio.create_task(self._run(tool, arguments, steps), name=f"mcp {request.name}")
        try:
            while (step := await steps.get()) is not None:
                yield tool_pb2.CallToolResponse(progress=step)
            yield tool_pb2.CallToolResponse(result=await task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(
        self, tool: Offered, arguments: dict[str, Any], steps: asyncio.Queue[tool_pb2.ToolProgress | None]
    ) -> tool_pb2.ToolResult:
        assert self._plugin is not None
        highest = 0.0

        async def heard(progress: float, total: float | None, message: str | None) -> None:
            nonlocal highest
            if steps.qsize() >= 8:
                # A flood of progress is thinned, never queued.
                return
            step = tool_pb2.ToolProgress(text=(message or "")[:500])
            if total:
                highest = step.fraction = max(highest, min(1.0, progress / total))
            steps.put_nowait(step)

        try:
            result = await tool.connection.call(tool.name, arguments, tool.harmless, heard)
            return await result_of(self._plugin, result)
        finally:
            steps.put_nowait(None)

    def _found(self, name: str) -> Offered:
        tool = self._offered.get(name)
        if tool is not None:
            return tool
        for connection, _ in self._connections.values():
            if name.startswith(f"{connection.server.name}_") and not connection.up:
                why = connection.why or "it is being connected"
                raise Unavailable(
                    f"the MCP server {connection.server.name!r} is down: {why}", retry_after=2.0
                )
        raise NotFound(f"there is no tool {name[:80]!r}")

    async def _keep(self, plugin: PluginContext) -> None:
        """Follow the configuration."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                wanted = servers_of(plugin.config)
            except InvalidArgument as error:
                plugin.not_ready(error)
                continue
            await self._reconcile(wanted)

    async def _reconcile(self, wanted: dict[str, Server]) -> None:
        """Connections to what is wanted, and no others."""
        assert self._plugin is not None
        gone = [
            name
            for name, (connection, _) in self._connections.items()
            if wanted.get(name) != connection.server
        ]
        ended = [self._connections.pop(name)[1] for name in gone]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        new = [server for name, server in wanted.items() if name not in self._connections]
        for server in new:
            connection = Connection(server, self._plugin.log, self._changed, first_pause=self._first_pause)
            task = asyncio.create_task(connection.run(), name=f"mcp {server.name}")
            self._connections[server.name] = (connection, task)
        if gone or new:
            self._changed()

    def _changed(self) -> None:
        """What is offered now; the operator sees which server is down and why, and which tool is refused."""
        assert self._plugin is not None
        connections = [connection for connection, _ in self._connections.values()]
        self._offered, refused = offered(connections)
        for word in refused:
            if word not in self._refused:
                self._plugin.log.warning("a tool is not offered: %s", word)
        self._refused = refused
        # Never `not_ready`: calls would wait for one server that is down while the others serve.
        down = [
            Unavailable(
                f"MCP server {one.server.name} is down: {one.why}", remedy="See `jackfield logs mcp`."
            )
            for one in connections
            if one.why
        ]
        hidden = [
            InvalidArgument(
                f"a tool is not offered: {word}", remedy="Give its server another name, or deny it."
            )
            for word in refused
        ]
        self._plugin.warn([*down, *hidden])


def build(tools: McpTools | None = None) -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("mcp", version=__version__)
    tools = tools or McpTools()
    plugin.setup(tools.open)
    plugin.teardown(tools.close)
    plugin.service(tools)
    return plugin
