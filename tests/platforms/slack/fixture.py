"""Slack for the conformance kit, over Socket Mode."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from html import escape, unescape
from typing import Any

from aiohttp import web
from jackfield_sdk import Chat
from jackfield_sdk.conformance import Cannot, LocalPlatform, Seen

from tests.platforms.slack import APP_TOKEN, BOT_TOKEN, SlackServer
from tests.platforms.slack.events import callback, pressed
from tests.platforms.slack.workspace import ANN, BOB, BOT, DIRECT, GENERAL, TEAM, Workspace

ACTIONS = {
    "chat.postMessage": "send_message",
    "chat.update": "edit_message",
    "chat.delete": "delete_message",
    "reactions.add": "add_reaction",
    "reactions.remove": "remove_reaction",
    "pins.add": "pin_message",
    "pins.remove": "unpin_message",
    "conversations.rename": "set_group_name",
    "conversations.kick": "kick_member",
    "conversations.leave": "leave_group",
    "files.completeUploadExternal": "send_message",
}
WORDS = {
    "PERMISSION_DENIED": "restricted_action",
    "NOT_FOUND": "channel_not_found",
    "UNAVAILABLE": "service_unavailable",
    "AUTH_EXPIRED": "token_revoked",
}
KINDS = {"image": "image/png", "voice": "audio/ogg", "video": "video/mp4", "file": "application/pdf"}
CHANNEL = {"channel": GENERAL, "channel_type": "channel", "team": TEAM}


class OpenWorkspace(Workspace):
    """One where the bot may rename channels."""

    def conversations_rename(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        self.names[channel] = str(arguments["name"])
        return {"channel": self._shown(channel)}


class WatchedServer(SlackServer):
    """Keeps what the bot did; a message may be made to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.workspace = OpenWorkspace()
        self.seen: list[Seen] = []
        self.stall: asyncio.Event | None = None
        self.stalled = False

    async def _method(self, request: web.Request) -> web.Response:
        if self.stall is not None and request.match_info["method"] == "chat.postMessage":
            # Read first: the client may be gone when its turn comes.
            await request.read()
            self.stalled = True
            await self.notify()
            await self.stall.wait()
        return await super()._method(request)

    def _answer(self, method: str, arguments: dict[str, Any], token: str) -> dict[str, Any]:
        answer = super()._answer(method, arguments, token)
        if answer["ok"] and method in ACTIONS:
            text = unescape(str(arguments.get("text") or arguments.get("initial_comment") or ""))
            message_id = str(answer.get("ts", ""))
            self.seen.append(Seen(ACTIONS[method], text, message_id))
        return answer

    async def notify(self) -> None:
        """Wakes who waits."""
        async with self._changed:
            self._changed.notify_all()


class Slack(LocalPlatform):
    """Ann's direct messages and the channel #general."""

    private = Chat.private(DIRECT)
    group = Chat.channel(GENERAL, parent_id=TEAM)
    user, other = ANN, BOB

    def __init__(self) -> None:
        self._server = WatchedServer()
        self._stack = AsyncExitStack()
        self._last: tuple[str, dict[str, Any]] = ("", {})

    async def start(self) -> None:
        self._server.sockets.ack_seconds = 1.0
        await self._stack.enter_async_context(self._server)

    async def stop(self) -> None:
        await self._stack.aclose()

    def bot_config(self) -> dict[str, Any]:
        return {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN, "api_base_url": self._server.api}

    def wrong_config(self) -> dict[str, Any]:
        return self.bot_config() | {"bot_token": "xoxb-0-of-nobody"}

    async def until(self, holds: Callable[[], Any]) -> Any:
        found: list[Any] = []

        def kept() -> bool:
            found[:] = [holds()]
            return bool(found[0])

        await self._server.until(kept)
        return found[0]

    @property
    def seen(self) -> list[Seen]:
        return self._server.seen

    @property
    def stalled(self) -> bool:  # type: ignore[override]
        return self._server.stalled

    async def _send(self, kind: str, payload: dict[str, Any]) -> None:
        self._last = (kind, payload)
        await self._server.sockets.send(kind, payload)

    async def _event(self, **event: Any) -> None:
        stamped = {"user": ANN, "event_ts": self._server.workspace.ts(), **event}
        await self._send("events_api", callback(stamped))

    async def _said(self, text: str, channel: str = DIRECT, **more: Any) -> None:
        await self._send("events_api", callback(self._server.workspace.say(channel, text, **more)))

    async def say(self, text: str, chat: Chat | None = None) -> None:
        await self._said(escape(text, quote=False), GENERAL if chat == self.group else DIRECT)

    async def show(self, segment: str) -> None:
        texts = {"mention": f"<@{BOB}> look", "mention_all": "<!channel> look"}
        if segment in texts:
            await self._said(texts[segment])
        elif segment in KINDS:
            number = f"F{len(self._server.workspace.files) + 1}"
            file = {"id": number, "name": f"a.{segment}", "size": 5}
            self._server.workspace.files[number] = {**file, "content": b"bytes"}
            await self._said("see", subtype="file_share", files=[{**file, "mimetype": KINDS[segment]}])
        elif segment == "unknown":
            await self._said("gone", subtype="file_share", files=[{"id": "F0", "mode": "tombstone"}])
        else:
            raise Cannot(f"nothing in Slack arrives as {segment}")

    async def cause(self, event: str) -> None:
        if event == "interaction.received":
            message = self._server.workspace.messages[DIRECT][-1]
            action = {"type": "button", "action_id": "yes", "block_id": "b", "value": "1"}
            await self._send("interactive", pressed(self._server.url, message, action))
            return
        ts = self._server.workspace.ts()
        item = {"type": "message", "channel": DIRECT, "ts": ts}
        edit = {
            "message": {"ts": ts, "user": ANN, "text": "new", "edited": {"user": ANN, "ts": ts}},
            "previous_message": {"ts": ts, "user": ANN, "text": "old"},
        }
        where = {"channel": DIRECT, "channel_type": "im"}
        made: dict[str, dict[str, Any]] = {
            "message.edited": {"type": "message", "subtype": "message_changed", "ts": ts, **where, **edit},
            "message.deleted": {
                "type": "message",
                "subtype": "message_deleted",
                "deleted_ts": ts,
                "ts": ts,
                **where,
            },
            "message.reaction": {"type": "reaction_added", "reaction": "eyes", "item": item},
            "group.member_joined": {"type": "member_joined_channel", **CHANNEL, "user": BOB},
            "group.member_left": {"type": "member_left_channel", **CHANNEL, "user": BOB},
            "group.info_updated": {"type": "channel_rename", "channel": {"id": GENERAL, "name": "all"}},
            "bot.invited_to_group": {"type": "member_joined_channel", **CHANNEL, "user": BOT, "inviter": ANN},
            "bot.removed_from_group": {"type": "channel_left", "channel": GENERAL},
        }
        if event not in made:
            raise Cannot(f"Slack tells apps nothing of {event}")
        await self._event(**made[event])

    async def native(self) -> str:
        await self._event(type="app_home_opened", channel=DIRECT, tab="home")
        return "platform.slack.app_home_opened"

    async def own(self, text: str) -> None:
        await self._said(text, GENERAL, user=BOT, bot_id="B1")

    async def again(self) -> None:
        await self._server.sockets.send(*self._last)

    async def malformed(self) -> None:
        for payload in ({}, {"event": 5}, {"event": {"type": "message", "channel": ["C1"], "text": {}}}):
            await self._server.sockets.send("events_api", payload)
        await self._server.sockets.raw("{")

    def action_params(self, action: str) -> dict[str, Any]:
        posted = self._server.workspace.say(GENERAL, "an anchor")
        known: dict[str, dict[str, Any]] = {
            "get_permalink": {"channel": GENERAL, "message_ts": posted["ts"]},
            "post_ephemeral": {"channel": GENERAL, "user": ANN, "text": "only you"},
            "views_open": {"trigger_id": "t1", "view": {"type": "modal"}},
        }
        return known[action] if action in known else super().action_params(action)

    async def refuse(self, reason: str, retry_after: float = 1.0) -> None:
        if reason == "RATE_LIMITED":
            self._server.fail("chat.postMessage", status=429, Retry_After=str(int(retry_after)))
        else:
            self._server.fail("chat.postMessage", error=WORDS[reason])

    async def stall(self) -> None:
        self._server.stall, self._server.stalled = asyncio.Event(), False

    async def release(self) -> None:
        if self._server.stall is not None:
            self._server.stall.set()
            self._server.stall = None

    async def drop(self) -> None:
        with suppress(ConnectionError):
            await self._server.sockets.drop()


def create() -> LocalPlatform:
    """For `--server tests.platforms.slack.fixture:create`."""
    return Slack()
