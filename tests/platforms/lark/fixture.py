"""Lark for the conformance kit, over the long connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from jackfield_sdk import Chat
from jackfield_sdk.conformance import Cannot, LocalPlatform, Seen

from tests.platforms.lark import APP_ID, APP_SECRET, LarkServer
from tests.platforms.lark.chats import ANN, BOB, BOT, DIRECT, TEAM
from tests.platforms.lark.events import event, ids, pressed, received

REFUSALS = {
    "PERMISSION_DENIED": (400, 230002),
    "NOT_FOUND": (400, 231003),
    "UNAVAILABLE": (503, 0),
    "AUTH_EXPIRED": (400, 10014),
}
CONTENT: dict[str, tuple[str, dict[str, Any]]] = {
    "image": ("image", {"image_key": "img_1"}),
    "voice": ("audio", {"file_key": "file_1", "duration": 2000}),
    "video": ("media", {"file_key": "file_1", "image_key": "img_1", "file_name": "a.mp4", "duration": 5}),
    "file": ("file", {"file_key": "file_1", "file_name": "a.pdf"}),
    "sticker": ("sticker", {"file_key": "file_1"}),
    "location": ("location", {"name": "Gate", "longitude": "13.4", "latitude": "52.5"}),
    "unknown": ("share_user", {"user_id": ANN}),
    "face": ("post", {"title": "", "content": [[{"tag": "emotion", "emoji_type": "SMILE"}]]}),
    "mention_all": ("text", {"text": "@_all look"}),
}


class Lark(LocalPlatform):
    """Ann's private chat and a group."""

    private = Chat.private(DIRECT)
    group = Chat.group(TEAM)
    user, other = ANN, BOB

    def __init__(self) -> None:
        self._server = LarkServer()
        self._stack = AsyncExitStack()
        self._last: dict[str, Any] = {}

    async def start(self) -> None:
        self._server.connections.ack_seconds = 1.0
        self._server.chats.files |= {"img_1": b"a picture", "file_1": b"a file"}
        await self._stack.enter_async_context(self._server)

    async def stop(self) -> None:
        await self._stack.aclose()

    def bot_config(self) -> dict[str, Any]:
        return {"app_id": APP_ID, "app_secret": APP_SECRET, "domain": self._server.url}

    def wrong_config(self) -> dict[str, Any]:
        return self.bot_config() | {"app_secret": "a secret of nobody"}

    async def until(self, holds: Callable[[], Any]) -> Any:
        found: list[Any] = []

        def kept() -> bool:
            found[:] = [holds()]
            return bool(found[0])

        await self._server.until(kept)
        return found[0]

    @property
    def seen(self) -> list[Seen]:
        return [Seen(*one) for one in self._server.done]

    @property
    def stalled(self) -> bool:  # type: ignore[override]
        return self._server.stalled

    async def _send(self, payload: dict[str, Any]) -> None:
        self._last = payload
        await self._server.connections.send(payload)

    async def _said(self, kind: str, content: dict[str, Any], chat: str = DIRECT, **more: Any) -> None:
        await self._send(received(self._server.chats.said(chat, kind, content, **more)))

    async def say(self, text: str, chat: Chat | None = None) -> None:
        await self._said("text", {"text": text}, TEAM if chat == self.group else DIRECT)

    async def show(self, segment: str) -> None:
        if segment == "mention":
            mentions = [{"key": "@_user_1", "id": ids(BOB), "name": "Bob", "tenant_key": "tk"}]
            await self._said("text", {"text": "@_user_1 look"}, mentions=mentions)
        elif segment == "quote":
            before = self._server.chats.said(DIRECT, "text", {"text": "before"})["message_id"]
            await self._said("text", {"text": "after"}, parent_id=before, root_id=before)
        elif segment in CONTENT:
            await self._said(*CONTENT[segment])
        else:
            raise Cannot(f"nothing in Lark arrives as {segment}")

    async def cause(self, name: str) -> None:
        message = self._server.chats.said(DIRECT, "text", {"text": "an anchor"})["message_id"]
        where = {"chat_id": TEAM, "operator_id": ids(ANN), "external": False}
        bob = {"users": [{"name": "Bob", "user_id": ids(BOB), "tenant_key": "tk"}]}
        reaction = {"reaction_type": {"emoji_type": "THUMBSUP"}, "operator_type": "user", "user_id": ids(ANN)}
        made: dict[str, tuple[str, dict[str, Any]]] = {
            "message.deleted": ("im.message.recalled_v1", {"message_id": message, "chat_id": DIRECT}),
            "message.reaction": (
                "im.message.reaction.created_v1",
                {"message_id": message, "action_time": "1760000000000", **reaction},
            ),
            "group.member_joined": ("im.chat.member.user.added_v1", where | bob),
            "group.member_left": ("im.chat.member.user.deleted_v1", where | bob),
            "group.info_updated": ("im.chat.updated_v1", where | {"after_change": {"name": "All"}}),
            "bot.invited_to_group": ("im.chat.member.bot.added_v1", where),
            "bot.removed_from_group": ("im.chat.member.bot.deleted_v1", where),
        }
        if name == "interaction.received":
            action = {"tag": "button", "value": {"k": "ask", "a": "yes", "v": "1"}}
            await self._send(pressed(DIRECT, message, action))
        elif name in made:
            await self._send(event(*made[name]))
        else:
            raise Cannot(f"Lark tells apps nothing of {name}")

    async def native(self) -> str:
        kind = "im.chat.access_event.bot_p2p_chat_entered_v1"
        await self._send(event(kind, {"chat_id": DIRECT, "operator_id": ids(ANN)}))
        return "platform.lark.im_chat_access_event_bot_p2p_chat_entered_v1"

    async def own(self, text: str) -> None:
        await self._send(received(self._server.chats.said(TEAM, "text", {"text": text}, BOT), BOT, "app"))

    async def again(self) -> None:
        await self._server.connections.send(self._last)

    async def malformed(self) -> None:
        for payload in (
            {},
            {"header": 5},
            event("im.message.receive_v1", {"message": [], "sender": {}}),
            b"{",
        ):
            await self._server.connections.send(payload)
        await self._server.connections.raw(b"\xff\xff\xff")

    def segment_fields(self, segment: str) -> dict[str, Any]:
        known: dict[str, dict[str, Any]] = {
            "face": {"id": "SMILE"},
            "sticker": {"id": "file_1"},
            "platform": {"type": "card", "data": {"schema": "2.0", "body": {"elements": []}}},
        }
        return known.get(segment, {})

    def action_params(self, action: str) -> dict[str, Any]:
        if action == "urgent_app":
            message = self._server.chats.said(TEAM, "text", {"text": "an anchor"})["message_id"]
            return {"message_id": message, "user_id_list": [ANN]}
        return super().action_params(action)

    async def refuse(self, reason: str, retry_after: float = 1.0) -> None:
        if reason == "RATE_LIMITED":
            reset = str(int(retry_after))
            self._server.fail("messages sent", 429, 99991400, x_ogw_ratelimit_reset=reset)
        else:
            self._server.fail("messages sent", *REFUSALS[reason])

    async def stall(self) -> None:
        self._server.stall, self._server.stalled = asyncio.Event(), False

    async def release(self) -> None:
        if self._server.stall is not None:
            self._server.stall.set()
            self._server.stall = None

    async def drop(self) -> None:
        await self._server.connections.drop()


def create() -> LocalPlatform:
    """For `--server tests.platforms.lark.fixture:create`."""
    return Lark()
