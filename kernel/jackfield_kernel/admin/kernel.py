"""Admin: status, shutdown, configuration, messages of the operator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Protocol

from jackfield.v1 import adapter_message_pb2, admin_pb2, entity_pb2, frame_pb2

from ..broker.broker import Broker, CallFailed
from ..config import KernelConfig
from ..errors import Refused, problem
from .refusals import refused
from .views import View

SEND = "/jackfield.v1.Adapter/SendMessage"


ANSWER_SECONDS = 0.05
"""How long the answer to Shutdown has to reach its caller."""


class Ending(Protocol):
    """The kernel, as what ends it sees it."""

    def stop(self) -> None:
        """Drain the plugins and end."""
        ...

    def hand_over(self, *, start_again: bool = False) -> None:
        """End without the plugins."""
        ...


class KernelPart:
    """The kernel as a whole."""

    def __init__(self, view: View, broker: Broker, config: KernelConfig, ends: Ending) -> None:
        self._view = view
        self._broker = broker
        self._config = config
        self._ends = ends

    async def get_status(self, request: admin_pb2.GetStatusRequest) -> admin_pb2.GetStatusResponse:
        """The state of everything."""
        return admin_pb2.GetStatusResponse(status=await self._view.status())

    async def watch_status(
        self, request: admin_pb2.WatchStatusRequest
    ) -> AsyncIterator[admin_pb2.WatchStatusResponse]:
        """A fresh status after each change."""
        changed = asyncio.Event()
        stop = self._view.registry.watch(lambda version: changed.set())
        try:
            while True:
                await changed.wait()
                changed.clear()
                yield admin_pb2.WatchStatusResponse(status=await self._view.status())
        finally:
            stop()

    async def shutdown(self, request: admin_pb2.ShutdownRequest) -> admin_pb2.ShutdownResponse:
        """Stop the kernel in order, or hand its plugins over to the next one."""
        ends, mode = self._ends, request.mode
        if mode in (admin_pb2.SHUTDOWN_MODE_HAND_OVER, admin_pb2.SHUTDOWN_MODE_RESTART):
            end = partial(ends.hand_over, start_again=mode == admin_pb2.SHUTDOWN_MODE_RESTART)
        else:
            end = partial(ends.stop)
        asyncio.get_running_loop().call_later(ANSWER_SECONDS, end)
        return admin_pb2.ShutdownResponse()

    async def check_config(self, request: admin_pb2.CheckConfigRequest) -> admin_pb2.CheckConfigResponse:
        """Every value with its origin, and what is wrong."""
        response = admin_pb2.CheckConfigResponse()
        settings = self._config.settings.model_dump(mode="json")
        for key, value in _leaves("", settings):
            if key.startswith("secrets.settings."):
                value = "***"
            if not key.startswith(("plugins.", "bots.")):
                response.values.add(key=key, value=json.dumps(value), origin=str(self._config.origin(key)))
        for name, installed in sorted(self._view.registry.plugins.items()):
            for key, value in sorted(installed.config.redacted().items()):
                origin = str(installed.config.origins.get(key, "default"))
                response.values.add(
                    key=f"plugins.{name}.config.{key}", value=json.dumps(value), origin=origin
                )
        for name, bot in sorted(self._view.bots.bots.items()):
            for key, value in sorted(bot.spec.config.redacted().items()):
                origin = str(bot.spec.config.origins.get(key, "default"))
                response.values.add(key=f"bots.{name}.config.{key}", value=json.dumps(value), origin=origin)
            for one in (*bot.spec.problems, *bot.spec.config.problems):
                response.problems.append(
                    problem(
                        "CONFIG_INVALID",
                        f"{one.key}: expected {one.expected}",
                        remedy=one.remedy,
                        file=one.file,
                    )
                )
        response.problems.extend(self._view.registry.problems())
        for warning in self._config.warnings:
            response.problems.append(
                problem(
                    "CONFIG_INVALID",
                    f"{warning.key}: {warning.expected}",
                    remedy=warning.remedy,
                    file=warning.file,
                )
            )
        return response

    async def send_message(
        self, request: admin_pb2.AdminSendMessageRequest
    ) -> admin_pb2.AdminSendMessageResponse:
        """Send a message to a chat, as the operator."""
        name, _, chat = request.target.partition(":")
        bot = self._bot_named(name)
        if not chat:
            raise Refused(
                "INVALID_ARGUMENT",
                "a target reads BOT:CHAT",
                remedy="For instance web:alice.",
                field="target",
            )
        kind, _, rest = chat.partition(":")
        types = {
            "private": entity_pb2.CHAT_TYPE_PRIVATE,
            "group": entity_pb2.CHAT_TYPE_GROUP,
            "channel": entity_pb2.CHAT_TYPE_CHANNEL,
        }
        target = frame_pb2.CallTarget(bot=bot)
        target.chat.id = rest if kind in types and rest else chat
        target.chat.type = types.get(kind, entity_pb2.CHAT_TYPE_PRIVATE)
        body = adapter_message_pb2.SendMessageRequest(message=request.message).SerializeToString()
        adapter = self._view.bots.adapter_of(bot) or ""
        try:
            answer = await self._broker.request(
                adapter, SEND, body, target=target, timeout=30.0, caller="admin"
            )
        except CallFailed as failure:
            raise refused(failure.error) from failure
        result = adapter_message_pb2.SendMessageResponse.FromString(answer).result
        return admin_pb2.AdminSendMessageResponse(message_id=result.message_id)

    def _bot_named(self, name: str) -> str:
        bots = self._view.bots.bots
        if name in bots:
            return name
        named = [bot.spec.name for bot in bots.values() if bot.spec.platform == name]
        if len(named) == 1:
            return named[0]
        raise Refused(
            "UNKNOWN_BOT", f"there is no bot {name!r}", remedy="See `jackfield bot list`.", bot=name
        )


def _leaves(prefix: str, value: object) -> list[tuple[str, object]]:
    if not isinstance(value, dict) or not value:
        return [(prefix, value)]
    found: list[tuple[str, object]] = []
    for key, inner in value.items():
        found.extend(_leaves(f"{prefix}.{key}" if prefix else str(key), inner))
    return found
