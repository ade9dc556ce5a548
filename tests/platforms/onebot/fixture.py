"""OneBot v11 for the conformance kit: an implementation that dials in and numbers its messages."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
from jackfield_sdk import Chat
from jackfield_sdk.conformance import Cannot, LocalPlatform, Reach, Seen

SELF, ANN, BEN, GROUP = 10001, 7, 8, 5
CODES = {"RATE_LIMITED": 1429, "PERMISSION_DENIED": 1403, "AUTH_EXPIRED": 1401}
ACTIONS = {
    "delete_msg": "delete_message",
    "set_group_name": "set_group_name",
    "set_group_kick": "kick_member",
    "set_group_leave": "leave_group",
}
MEMBER = {"user_id": ANN, "nickname": "Ann", "card": "A", "role": "admin", "group_id": GROUP}
LOOKUPS: dict[str, Any] = {
    "get_login_info": {"user_id": SELF, "nickname": "bot"},
    "get_group_info": {"group_id": GROUP, "group_name": "Five", "member_count": 3},
    "get_group_list": [{"group_id": GROUP, "group_name": "Five"}],
    "get_group_member_list": [MEMBER],
    "get_group_member_info": {**MEMBER, "shut_up_timestamp": 0},
    "get_stranger_info": {"user_id": ANN, "nickname": "Ann"},
    "get_friend_list": [{"user_id": ANN, "nickname": "Ann", "remark": "A."}],
    "get_status": {"online": True, "good": True},
    "get_version_info": {"app_name": "local", "app_version": "1"},
    "get_group_honor_info": {"group_id": GROUP},
    "get_forward_msg": {"messages": []},
    "get_record": {"file": "a.mp3"},
    "get_file": {"file": "/on/its/host/a.amr", "file_name": "a.amr", "file_size": 5, "base64": "dm9pY2U="},
    "get_image": {"file": "a.png", "url": "https://h/a.png"},
    "can_send_image": {"yes": True},
    "can_send_record": {"yes": True},
}


def _part(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data}


SEGMENTS = {
    "mention": _part("at", qq=str(BEN)),
    "mention_all": _part("at", qq="all"),
    "quote": _part("reply", id="3"),
    "image": _part("image", file="a.png", url="https://h/a.png"),
    "voice": _part("record", file="a.amr"),
    "video": _part("video", file="a.mp4", url="https://h/a.mp4"),
    "file": _part("file", file="a.pdf", url="https://h/a.pdf"),
    "forward": _part("forward", id="f1", content=[_part("node", user_id=ANN, content="said")]),
    "face": _part("face", id="14"),
    "sticker": _part("mface", emoji_id="e1", url="https://h/e.png"),
    "location": _part("location", lat="52.5", lon="13.4"),
    "platform": _part("poke", type="1", id="2"),
    "unknown": _part("hologram", size=3),
}


def _notice(kind: str, **fields: Any) -> dict[str, Any]:
    return {"post_type": "notice", "notice_type": kind, "group_id": GROUP, "operator_id": ANN, **fields}


EVENTS = {
    "message.deleted": _notice("group_recall", user_id=ANN, message_id=42),
    "group.member_joined": _notice("group_increase", sub_type="approve", user_id=BEN),
    "group.member_left": _notice("group_decrease", sub_type="leave", user_id=BEN),
    "group.member_banned": _notice("group_ban", sub_type="ban", user_id=BEN, duration=60),
    "group.member_unbanned": _notice("group_ban", sub_type="lift_ban", user_id=BEN, duration=0),
    "friend.request_received": {
        "post_type": "request",
        "request_type": "friend",
        "user_id": BEN,
        "comment": "hi",
        "flag": "f1",
    },
    "friend.added": {"post_type": "notice", "notice_type": "friend_add", "user_id": BEN},
    "bot.invited_to_group": {
        "post_type": "request",
        "request_type": "group",
        "sub_type": "invite",
        "group_id": GROUP,
        "user_id": ANN,
        "flag": "g1",
    },
    "bot.removed_from_group": _notice("group_decrease", sub_type="kick_me", user_id=SELF),
    "bot.muted": _notice("group_ban", sub_type="ban", user_id=SELF, duration=60),
    "bot.unmuted": _notice("group_ban", sub_type="lift_ban", user_id=SELF, duration=0),
}


class OneBot(LocalPlatform):
    """Redials when its connection is lost; what happens meanwhile waits for the next one."""

    private = Chat.private(str(ANN))
    group = Chat.group(str(GROUP))
    user, other = str(ANN), str(BEN)
    tells_retry_after = False

    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._messages: dict[str, Any] = {}
        self._numbers = itertools.count(100)
        self._refusals: list[int] = []
        self._changed = asyncio.Condition()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._stalls = False

    async def start(self) -> None:
        """It dials when the adapter is there."""

    async def stop(self) -> None:
        await self._hang_up()

    def plugin_config(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": 0}

    def bot_config(self) -> dict[str, Any]:
        return {"access_token": "a token of onebot"}

    def wrong_config(self) -> dict[str, Any]:
        raise Cannot("the endpoint dials in: a wrong token is refused to it, the bot keeps waiting")

    async def connect(self, reach: Reach) -> None:
        await self._hang_up()
        self._dialling = asyncio.create_task(self._dial(reach.urls[-1]))
        await self.until(lambda: self._socket is not None)

    async def _hang_up(self) -> None:
        if self._dialling is not None:
            self._dialling.cancel()
            await asyncio.wait({self._dialling})
        self._socket = None

    async def _dial(self, url: str) -> None:
        headers = {
            "X-Self-ID": str(SELF),
            "X-Client-Role": "Universal",
            "Authorization": "Bearer a token of onebot",
        }
        async with aiohttp.ClientSession(headers=headers) as session:
            while True:
                with suppress(aiohttp.ClientError, ConnectionError):
                    async with session.ws_connect(url) as socket:
                        await self._talk(socket)
                self._socket = None
                await asyncio.sleep(0.05)

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            action = json.loads(frame.data)
            answer = self._answer(action["action"], action["params"])
            if answer is not None:
                await socket.send_json({**answer, "echo": action["echo"]})
            if action["action"] == "get_login_info" and self._socket is None:
                # The first thing an adapter asks; from here on events have somebody to take them.
                self._socket = socket
            async with self._changed:
                self._changed.notify_all()

    def _answer(self, action: str, params: dict[str, Any]) -> dict[str, Any] | None:
        if action in LOOKUPS:
            return {"status": "ok", "retcode": 0, "data": LOOKUPS[action]}
        sending = action.startswith("send_")
        if sending and self._stalls:
            self._stalls, self.stalled = False, True
            return None
        if sending and self._refusals:
            return {"status": "failed", "retcode": self._refusals.pop(), "data": None}
        if action == "get_msg":
            native = self._messages.get(str(params["message_id"]), [])
            data: dict[str, Any] = {
                "message_id": params["message_id"],
                "message": native,
                "sender": {"user_id": SELF, "nickname": "bot"},
            }
        else:
            data = {"message_id": next(self._numbers)}
            self._note(action, params, str(data["message_id"]))
        return {"status": "ok", "retcode": 0, "data": data}

    def _note(self, action: str, params: dict[str, Any], message_id: str) -> None:
        if action.startswith("send_"):
            parts = params.get("message", params.get("messages", []))
            self._messages[message_id] = parts
            text = "".join(part["data"].get("text", "") for part in parts)
            self._seen.append(Seen("send_message", text, message_id))
        elif action == "set_group_ban":
            self._seen.append(Seen("mute_member" if params["duration"] else "unmute_member"))
        elif action in ACTIONS:
            self._seen.append(Seen(ACTIONS[action]))

    async def until(self, holds: Callable[[], Any]) -> Any:
        async with self._changed:
            return await self._changed.wait_for(holds)

    @property
    def seen(self) -> list[Seen]:
        return self._seen

    async def _event(self, **native: Any) -> None:
        await self.until(lambda: self._socket is not None)
        assert self._socket is not None
        await self._socket.send_json({"time": 1_700_000_000, "self_id": SELF, **native})

    async def _message(self, parts: list[dict[str, Any]], chat: Chat | None, user: int = ANN) -> None:
        kind = "group" if chat == self.group else "private"
        where = {"group_id": GROUP} if kind == "group" else {}
        await self._event(
            post_type="message",
            message_type=kind,
            sub_type="friend" if kind == "private" else "normal",
            message_id=next(self._numbers),
            user_id=user,
            message=parts,
            sender={"user_id": user, "nickname": "Ann"},
            **where,
        )

    async def say(self, text: str, chat: Chat | None = None) -> None:
        await self._message([_part("text", text=text)], chat)

    async def show(self, segment: str) -> None:
        if segment not in SEGMENTS:
            raise Cannot(f"OneBot has no {segment}")
        await self._message([_part("text", text="see "), SEGMENTS[segment]], None)

    async def cause(self, event: str) -> None:
        if event not in EVENTS:
            raise Cannot(f"OneBot v11 has no {event}")
        await self._event(**EVENTS[event])

    async def native(self) -> str:
        await self._event(
            post_type="notice", notice_type="notify", sub_type="poke", user_id=ANN, target_id=SELF
        )
        return "platform.onebot.poke"

    async def own(self, text: str) -> None:
        await self._message([_part("text", text=text)], self.group, user=SELF)

    async def malformed(self) -> None:
        assert self._socket is not None
        for text in ("{", "[]", '{"post_type": "message"}', '{"post_type": 5, "message": [[[]]]}'):
            await self._socket.send_str(text)

    def segment_fields(self, segment: str) -> dict[str, Any]:
        return {
            "platform": {"type": "share", "data": {"url": "https://e.org", "title": "E"}},
            "face": {"id": "14", "name": ""},
        }.get(segment, {})

    def action_params(self, action: str) -> dict[str, Any]:
        known: dict[str, dict[str, Any]] = {
            "get_group_honor_info": {"type": "all"},
            "set_group_card": {"user_id": "7", "card": "C"},
            "set_group_special_title": {"user_id": "7", "special_title": "T"},
            "set_group_admin": {"user_id": "7", "enable": True},
            "send_group_forward_msg": {"messages": [_part("node", user_id=ANN, nickname="Ann", content="x")]},
            "get_forward_msg": {"id": "f1"},
            "get_record": {"file": "a.amr", "out_format": "mp3"},
            "get_image": {"file": "a.png"},
        }
        return known[action] if action in known else super().action_params(action)

    async def refuse(self, reason: str, retry_after: float = 1.0) -> None:
        if reason not in CODES:
            raise Cannot(f"endpoints agree on no code for {reason}")
        self._refusals.append(CODES[reason])

    async def stall(self) -> None:
        self._stalls, self.stalled = True, False

    async def drop(self) -> None:
        socket, self._socket = self._socket, None
        transport = socket.get_extra_info("transport") if socket is not None else None
        connection = socket._response.connection if socket is not None else None
        transport = transport or (connection.transport if connection is not None else None)
        assert transport is not None
        transport.abort()


def create() -> LocalPlatform:
    """For `--server tests.platforms.onebot.fixture:create`."""
    return OneBot()
