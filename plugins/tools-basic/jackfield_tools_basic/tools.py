"""The servicer. What belongs to a chat is kept under the chat that the kernel stamped, never under one that a model names."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from jackfield.v1 import tool_pb2, tool_pb2_grpc
from jackfield_sdk import (
    CallContext,
    Conflict,
    InvalidArgument,
    NotFound,
    Plugin,
    PluginContext,
    jackfield_context,
    wellknown,
)

from jackfield_tools_basic import __version__
from jackfield_tools_basic.offered import MAX_NOTE, offered

MAX_NOTES = 50


class BasicTools(tool_pb2_grpc.ToolsServicer):
    """Serves `jackfield.v1.Tools`. `now` gives the time, for tests."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._plugin: PluginContext | None = None

    async def open(self, plugin: PluginContext) -> None:
        """The configuration is read from here at each call."""
        self._plugin = plugin
        self._zone()

    async def ListTools(self, request: tool_pb2.ListToolsRequest, context: Any) -> tool_pb2.ListToolsResponse:
        """The tools as they are now."""
        return tool_pb2.ListToolsResponse(tools=offered(self._targets()))

    async def CallTool(
        self, request: tool_pb2.CallToolRequest, context: Any
    ) -> AsyncIterator[tool_pb2.CallToolResponse]:
        """Runs one tool."""
        arguments = wellknown.struct_to_plain(request.arguments)
        caller = jackfield_context(context)
        match request.name:
            case "time_now":
                text = f"It is {self._now().astimezone(self._zone()):%A, %Y-%m-%d %H:%M:%S %Z}."
            case "remember":
                text = await self._remember(_chat_of(caller), caller, _text(arguments, "text", MAX_NOTE))
            case "recall":
                notes = [note for _, note in (await self._notes(_chat_of(caller)))[1]]
                text = "\n".join(f"- {note}" for note in notes) or "Nothing is remembered in this chat."
            case "send_message" if self._targets():
                text = await self._send(caller, arguments)
            case _:
                raise NotFound(f"there is no tool {request.name!r}")
        result = tool_pb2.ToolResult()
        result.content.segments.add().text.text = text
        yield tool_pb2.CallToolResponse(result=result)

    async def _remember(self, chat: str, caller: CallContext, text: str) -> str:
        """Once per key: a repeat finds its own note."""
        while True:
            version, notes = await self._notes(chat)
            if any(key and key == caller.idempotency_key for key, _ in notes):
                return "Remembered."
            if len(notes) >= MAX_NOTES:
                raise InvalidArgument(f"this chat has {MAX_NOTES} notes already; none was added")
            value = json.dumps([*notes, [caller.idempotency_key, text]], ensure_ascii=False)
            try:
                await self._open_plugin().kv.cas(_key(chat), value, version)
            except Conflict:
                continue
            return "Remembered."

    async def _notes(self, chat: str) -> tuple[int, list[tuple[str, str]]]:
        entry = await self._open_plugin().kv.entry(_key(chat))
        if entry is None:
            return 0, []
        return entry.version or 0, [(key, note) for key, note in json.loads(entry.value)]

    async def _send(self, caller: CallContext, arguments: dict[str, Any]) -> str:
        target = _text(arguments, "target", 200)
        if target not in self._targets():
            raise InvalidArgument(
                f"target: {target!r} is none of: {', '.join(self._targets())}", metadata={"field": "target"}
            )
        key = f"send/{caller.idempotency_key}" if caller.idempotency_key else None
        await self._open_plugin().send(target, _text(arguments, "text", 4000), key=key)
        return f"Sent to {target}."

    def _targets(self) -> list[str]:
        targets: list[str] = self._open_plugin().config.get("targets") or []
        return targets

    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._open_plugin().config.get("time_zone") or "UTC")

    def _open_plugin(self) -> PluginContext:
        if self._plugin is None:
            raise RuntimeError("used before its setup")
        return self._plugin


def _chat_of(caller: CallContext) -> str:
    if not caller.bot or caller.chat is None:
        raise InvalidArgument(
            "notes belong to a chat, and the call names none",
            remedy="Give the call's target a bot and a chat.",
        )
    return f"{caller.bot}:{caller.chat}"


def _key(chat: str) -> str:
    return f"notes/{chat}"


def _text(arguments: dict[str, Any], name: str, limit: int) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > limit:
        raise InvalidArgument(
            f"{name}: expected a text of 1 to {limit} characters", metadata={"field": f"arguments.{name}"}
        )
    return value


def build() -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("tools-basic", version=__version__)
    tools = BasicTools()
    plugin.setup(tools.open)
    plugin.service(tools)
    return plugin
