"""Discord for the conformance kit: gateway and REST."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from jackfield_sdk import Chat, FaceKind
from jackfield_sdk.conformance import Cannot, LocalPlatform, Seen

from tests.platforms.discord import world
from tests.platforms.discord.methods import Files, Methods
from tests.platforms.discord.server import TOKEN, Fault, Server

_ID = r"\d+"
# Method, path and the deed that they amount to.
DEEDS = (
    ("POST", rf"channels/{_ID}/messages", "send_message"),
    ("POST", rf"webhooks/{_ID}/[^/]+", "send_message"),
    ("PATCH", rf"channels/{_ID}/messages/{_ID}", "edit_message"),
    ("DELETE", rf"channels/{_ID}/messages/{_ID}", "delete_message"),
    ("PUT", rf"channels/{_ID}/messages/{_ID}/reactions/.*", "add_reaction"),
    ("DELETE", rf"channels/{_ID}/messages/{_ID}/reactions/.*", "remove_reaction"),
    ("PUT", rf"channels/{_ID}/messages/pins/{_ID}", "pin_message"),
    ("DELETE", rf"channels/{_ID}/messages/pins/{_ID}", "unpin_message"),
    ("POST", rf"channels/{_ID}/typing", "send_typing"),
    ("PATCH", rf"guilds/{_ID}", "set_group_name"),
    ("DELETE", rf"guilds/{_ID}/members/{_ID}", "kick_member"),
    ("DELETE", rf"users/@me/guilds/{_ID}", "leave_group"),
)
FAULTS = {
    "PERMISSION_DENIED": Fault(403, {"code": 50013, "message": "Missing Permissions"}),
    "NOT_FOUND": Fault(404, {"code": 10003, "message": "Unknown Channel"}),
    "UNAVAILABLE": Fault(502, "<html>"),
    "AUTH_EXPIRED": Fault(401, {"code": 0, "message": "401: Unauthorized"}),
}
IN_GUILD = {"guild_id": world.GUILD}
# Without an answer; the same for the kit as for whoever runs a guild.
ADMINISTRATION = (
    ("POST", rf"guilds/{_ID}/channels", {"id": "3100", "type": 0, "name": "new", "guild_id": world.GUILD}),
    ("DELETE", rf"channels/{_ID}", {"id": world.THREAD, "type": 11, "guild_id": world.GUILD}),
    ("POST", rf"channels/{_ID}/invites", {"code": "abc"}),
    ("PUT", rf"guilds/{_ID}/members/{_ID}/roles/{_ID}", None),
    ("DELETE", rf"guilds/{_ID}/members/{_ID}/roles/{_ID}", None),
    ("DELETE", rf"guilds/{_ID}/bans/{_ID}", None),
)


class WatchedMethods(Methods):
    """The REST API with what administrators do; keeps what the bot did with its answers."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.seen: list[Seen] = []

    async def answer(self, method: str, path: str, body: Any, files: Files, query: dict[str, str]) -> Any:
        for wanted, pattern, reply in ADMINISTRATION:
            if method == wanted and re.fullmatch(pattern, path):
                return reply
        if method == "GET" and re.fullmatch(rf"guilds/{_ID}/channels", path):
            return [one for one in self.channels.values() if one.get("guild_id")]
        answer = await super().answer(method, path, body, files, query)
        member = method == "PATCH" and re.fullmatch(rf"guilds/{_ID}/members/{_ID}", path)
        if member and "communication_disabled_until" in body:
            silent = body["communication_disabled_until"] is not None
            self.seen.append(Seen("mute_member" if silent else "unmute_member"))
        for wanted, pattern, deed in DEEDS:
            if method == wanted and re.fullmatch(pattern, path):
                native = answer if isinstance(answer, dict) else {}
                text = re.sub(r"\\(.)", r"\1", native.get("content") or "")
                self.seen.append(Seen(deed, text, str(native.get("id", ""))))
        return answer


class WatchedServer(Server):
    """A message may be made to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.watched = self.methods = WatchedMethods(self)
        self.stall: asyncio.Event | None = None
        self.stalled = False

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if self.stall is not None and request.method == "POST" and path.endswith("/messages"):
            # Read first: the client may be gone when its turn comes.
            await request.read()
            self.stalled = True
            await self._notify()
            await self.stall.wait()
        return await super()._rest(request)


class Discord(LocalPlatform):
    """Ann's private channel, and #general of The Guild."""

    private = Chat.private(world.ANN["id"])
    group = Chat.channel(world.GENERAL, world.GUILD)
    user, other = world.ANN["id"], world.BOB["id"]

    def __init__(self) -> None:
        self._server = WatchedServer()
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        await self._stack.enter_async_context(self._server.running())

    async def stop(self) -> None:
        await self._stack.aclose()

    def bot_config(self) -> dict[str, Any]:
        return {"token": TOKEN, "api_base_url": self._server.url, "slash_commands": False}

    def wrong_config(self) -> dict[str, Any]:
        return self.bot_config() | {"token": "MTAwMA.Gx0000.token-of-nobody-at-all"}

    async def until(self, holds: Callable[[], Any]) -> Any:
        return await self._server.until(holds)

    @property
    def seen(self) -> list[Seen]:
        return self._server.watched.seen

    @property
    def stalled(self) -> bool:  # type: ignore[override]
        return self._server.stalled

    async def say(self, text: str, chat: Chat | None = None) -> None:
        await self._server.say(text, world.GENERAL if chat == self.group else world.PRIVATE)

    async def show(self, segment: str) -> None:
        attached = {
            "image": "image/png",
            "voice": "audio/ogg",
            "video": "video/mp4",
            "file": "application/pdf",
        }
        natives: dict[str, dict[str, Any]] = {
            "mention": {"text": f"<@{world.BOB['id']}> look", "mentions": [world.BOB]},
            "mention_all": {"text": "@everyone look", "mention_everyone": True},
            "quote": {
                "text": "yes",
                "message_reference": {"message_id": "9"},
                "referenced_message": {"author": world.BOB, "content": "before"},
            },
            "forward": {
                "text": "",
                "message_reference": {"type": 1, "message_id": "9"},
                "message_snapshots": [{"message": {"content": "original"}}],
            },
            "face": {"text": "<:blob:55>"},
            "sticker": {"text": "", "sticker_items": [{"id": "60", "name": "wave", "format_type": 1}]},
            "platform": {"text": "<@&77> look"},
            "unknown": {
                "text": "",
                "message_reference": {"type": 1, "message_id": "9"},
                "message_snapshots": [],
            },
        }
        if segment in attached:
            file = self._server.methods.attachment(f"a.{segment}", b"bytes", attached[segment])
            more: dict[str, Any] = {}
            if segment == "voice":
                # What makes it a voice message, not a file with sound in it.
                file["duration_secs"] = 1.5
                more["flags"] = 1 << 13
            await self._server.say("", world.PRIVATE, attachments=[file], **more)
        elif segment in natives:
            await self._server.say(natives[segment].pop("text"), world.PRIVATE, **natives[segment])
        else:
            raise Cannot(f"nothing in Discord arrives as {segment}")

    async def cause(self, event: str) -> None:
        if event == "interaction.received":
            sent = next(one for one in reversed(self.seen) if one.action == "send_message" and one.message_id)
            message = next(
                m
                for all_of in self._server.methods.messages.values()
                for m in all_of
                if m["id"] == sent.message_id
            )
            custom = message["components"][0]["components"][0]["custom_id"]
            data = {"component_type": 2, "custom_id": custom}
            await self._server.interact(3, data, message=message)
            return
        where = {"channel_id": world.PRIVATE}
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        edited = {"content": "new", "author": world.ANN, "edited_timestamp": datetime.now(UTC).isoformat()}
        made: dict[str, tuple[str, dict[str, Any]]] = {
            "message.edited": ("MESSAGE_UPDATE", {"id": world.snowflake(), **where, **edited}),
            "message.deleted": ("MESSAGE_DELETE", {"id": world.snowflake(), **where}),
            "message.reaction": (
                "MESSAGE_REACTION_ADD",
                {"message_id": "1", "user_id": world.ANN["id"], "emoji": {"name": "👍"}, **where},
            ),
            "group.member_joined": ("GUILD_MEMBER_ADD", {**IN_GUILD, "user": world.BOB}),
            "group.member_left": ("GUILD_MEMBER_REMOVE", {**IN_GUILD, "user": world.BOB}),
            "group.member_banned": ("GUILD_BAN_ADD", {**IN_GUILD, "user": world.BOB}),
            "group.member_unbanned": ("GUILD_BAN_REMOVE", {**IN_GUILD, "user": world.BOB}),
            "group.info_updated": ("GUILD_UPDATE", {**world.guild(), "name": "Another Guild"}),
            "bot.invited_to_group": ("GUILD_CREATE", {**world.guild(), "id": "3777"}),
            "bot.removed_from_group": ("GUILD_DELETE", {"id": "3777"}),
            "bot.muted": (
                "GUILD_MEMBER_UPDATE",
                {**IN_GUILD, "user": world.ME, "communication_disabled_until": until},
            ),
        }
        if event not in made:
            raise Cannot(f"Discord tells bots nothing of {event}")
        await self._server.dispatch(*made[event])

    async def native(self) -> str:
        await self._server.dispatch("GUILD_ROLE_CREATE", {**IN_GUILD, "role": {"id": "9", "name": "new"}})
        return "platform.discord.guild_role_create"

    async def own(self, text: str) -> None:
        await self._server.say(text, author=world.ME)

    async def again(self) -> None:
        await self._server.again()

    async def malformed(self) -> None:
        await self._server.dispatch("MESSAGE_CREATE", {"id": [], "author": 7, "content": {"x": "y"}})
        await self._server.dispatch("SOMETHING_NEW", {"guild_id": world.GUILD, "a": 1})

    def segment_fields(self, segment: str) -> dict[str, Any]:
        return {
            "platform": {"type": "embed", "data": {"title": "An embed"}},
            "face": {"kind": FaceKind.FACE, "id": "55", "name": "blob"},
            "sticker": {"id": "60"},
        }.get(segment, {})

    def action_params(self, action: str) -> dict[str, Any]:
        bob = {"user_id": world.BOB["id"]}
        known: dict[str, dict[str, Any]] = {
            "create_channel": {"name": "new"},
            "delete_channel": {"channel_id": world.THREAD},
            "add_role": {**bob, "role_id": "4001"},
            "remove_role": {**bob, "role_id": "4001"},
            "set_nickname": {**bob, "nick": "Bobby"},
            "ban_member": bob,
            "unban_member": bob,
        }
        return known[action] if action in known else super().action_params(action)

    async def refuse(self, reason: str, retry_after: float = 1.0) -> None:
        fault = Fault.limited(retry_after) if reason == "RATE_LIMITED" else FAULTS[reason]
        self._server.fail("POST", "/messages", fault)

    async def stall(self) -> None:
        self._server.stall, self._server.stalled = asyncio.Event(), False

    async def release(self) -> None:
        if self._server.stall is not None:
            self._server.stall.set()
            self._server.stall = None

    async def drop(self) -> None:
        await self._server.cut()


def create() -> LocalPlatform:
    """For `--server tests.platforms.discord.fixture:create`."""
    return Discord()
