"""Telegram for the conformance kit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from jackfield_sdk import Chat, FaceKind
from jackfield_sdk.conformance import Cannot, LocalPlatform, Seen

from tests.platforms.telegram import world
from tests.platforms.telegram.server import Fault, Request, Server

ACTIONS = {
    "editMessageText": "edit_message",
    "deleteMessage": "delete_message",
    "sendChatAction": "send_typing",
    "pinChatMessage": "pin_message",
    "unpinChatMessage": "unpin_message",
    "setChatTitle": "set_group_name",
    "banChatMember": "kick_member",
    "leaveChat": "leave_group",
    "createForumTopic": "create_thread",
    "forwardMessage": "send_message",
}
FAULTS = {
    "PERMISSION_DENIED": Fault(403, "Forbidden: bot was blocked by the user"),
    "NOT_FOUND": Fault(400, "Bad Request: chat not found"),
    "UNAVAILABLE": Fault(502, body=b"<html>Bad Gateway</html>"),
    "AUTH_EXPIRED": Fault(401, "Unauthorized"),
}
REACTION = {"type": "emoji", "emoji": "👍"}


class WatchedServer(Server):
    """Keeps what the bot did with what it was answered."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Seen] = []

    async def _answer(self, request: Request) -> Any:
        answer = await super()._answer(request)
        found = _seen(request, answer)
        if found:
            self.seen += found
            await self._notify()
        return answer


def _seen(request: Request, answer: Any) -> list[Seen]:
    method = request.method
    if method == "setMessageReaction":
        return [Seen("add_reaction" if request.params["reaction"] else "remove_reaction")]
    if method == "restrictChatMember":
        silent = request.params["permissions"].get("can_send_messages") is False
        return [Seen("mute_member" if silent else "unmute_member")]
    messages = answer if method == "sendMediaGroup" else [answer]
    action = ACTIONS.get(method, "send_message" if method.startswith("send") else "")
    if not action or method == "sendMessageDraft":
        return []
    natives = [one if isinstance(one, dict) else {} for one in messages]
    return [
        Seen(action, one.get("text", one.get("caption", "")), str(one.get("message_id", "")))
        for one in natives
    ]


class Telegram(LocalPlatform):
    """One bot that polls, Ann, and the group Garden."""

    group = Chat.group(str(world.GROUP_ID))
    other = "7"

    def __init__(self) -> None:
        self._server = WatchedServer()
        self._stack = AsyncExitStack()
        self._stall: asyncio.Event | None = None
        self._last = 0
        self._native: dict[str, Any] = {}

    async def start(self) -> None:
        self._server.before = self._before
        await self._stack.enter_async_context(self._server.running())

    async def stop(self) -> None:
        await self._stack.aclose()

    def bot_config(self) -> dict[str, Any]:
        return {
            "token": self._server.token,
            "api_base_url": self._server.url,
            "poll_timeout": 20,
            "command_menu": False,
        }

    def wrong_config(self) -> dict[str, Any]:
        return self.bot_config() | {"token": "110201543:wrongwrongwrongwrong"}

    async def until(self, holds: Callable[[], Any]) -> Any:
        return await self._server.until(holds)

    @property
    def seen(self) -> list[Seen]:
        return self._server.seen

    async def _update(self, **native: Any) -> None:
        self._native = native
        self._last = await self._server.update(**native)

    async def _message(self, chat: Chat | None = None, **content: Any) -> None:
        where = world.group() if chat == self.group else world.private()
        await self._update(message=world.message(where, **content))

    async def say(self, text: str, chat: Chat | None = None) -> None:
        await self._message(chat, text=text)

    async def show(self, segment: str) -> None:
        if segment == "unknown":
            # Something that the published description does not know yet.
            native = {
                **world.message(),
                "message_id": self._server.store.next_message(),
                "hologram": {"size": 3},
            }
            await self._server.raw_update({"message": native})
            return
        natives = self._natives()
        if segment not in natives:
            raise Cannot(f"no user of Telegram sends a {segment}")
        await self._message(**natives[segment])

    def _natives(self) -> dict[str, dict[str, Any]]:
        file_id = self._server.store.add_file(b"what a user sent")
        file = {"file_id": file_id, "file_unique_id": f"u{file_id}"}
        sticker = {
            **file,
            "type": "regular",
            "width": 1,
            "height": 1,
            "is_animated": False,
            "is_video": False,
        }
        mention = {"type": "text_mention", "offset": 0, "length": 3, "user": world.BEN}
        return {
            "mention": {"text": "Ben, look", "entities": [mention]},
            "quote": {"text": "yes", "reply_to_message": world.message(text="before")},
            "image": {"photo": world.photo(file_id), "caption": "see"},
            "voice": {"voice": {**file, "duration": 2}},
            "video": {"video": {**file, "duration": 2, "width": 1, "height": 1}},
            "file": {"document": {**file, "file_name": "a.pdf"}},
            "face": {"dice": {"emoji": "🎲", "value": 4}},
            "sticker": {"sticker": {**sticker, "emoji": "🌻"}},
            "location": {"location": {"latitude": 52.5, "longitude": 13.4}},
            "platform": {"contact": {"phone_number": "1", "first_name": "Ben"}},
        }

    async def cause(self, event: str) -> None:
        made = self._happenings().get(event)
        if made is None:
            raise Cannot(f"Telegram tells bots nothing of {event}")
        await self._update(**made)

    def _happenings(self) -> dict[str, dict[str, Any]]:
        me = {key: self._server.store.me[key] for key in ("id", "is_bot", "first_name", "username")}
        ben, sent = world.BEN, {**world.message(text="Go?"), "message_id": 3, "from": me}

        def query(data: str) -> dict[str, Any]:
            number = str(len(self._server.requests) + self._last)
            return {"id": number, "from": world.ANN, "message": sent, "chat_instance": "1", "data": data}

        def own(old: str, new: str, private: bool = False, **fields: Any) -> dict[str, Any]:
            change = world.change(me, old, new, by=world.ANN, **fields)
            return {"my_chat_member": {**change, "chat": world.private()} if private else change}

        reaction = {"chat": world.group(), "message_id": 5, "user": world.ANN, "date": world.DATE,
                    "old_reaction": [], "new_reaction": [REACTION]}  # fmt: skip
        return {
            "message.edited": {
                "edited_message": world.message(text="after", edit_date=world.DATE + 1, message_id=4)
            },
            "message.reaction": {"message_reaction": reaction},
            "feedback.received": {"callback_query": query('["b","@like"]')},
            "interaction.received": {"callback_query": query('["b","yes","ask","1"]')},
            "group.member_joined": {"chat_member": world.change(ben, "left", "member")},
            "group.member_left": {"chat_member": world.change(ben, "member", "left")},
            "group.member_banned": {"chat_member": world.change(ben, "member", "kicked", by=world.ANN)},
            "group.member_unbanned": {"chat_member": world.change(ben, "kicked", "left", by=world.ANN)},
            "group.info_updated": {"message": world.message(world.group(), new_chat_title="Yard")},
            "friend.added": own("kicked", "member", private=True),
            "friend.removed": own("member", "kicked", private=True),
            "bot.invited_to_group": own("left", "member"),
            "bot.removed_from_group": own("member", "kicked"),
            "bot.muted": own("member", "restricted"),
            "bot.unmuted": own("restricted", "member"),
        }

    async def native(self) -> str:
        request = {"chat": world.group(), "from": world.ANN, "user_chat_id": 7, "date": world.DATE}
        await self._update(chat_join_request=request)
        return "platform.telegram.chat_join_request"

    async def own(self, text: str) -> None:
        own = {key: self._server.store.me[key] for key in ("id", "is_bot", "first_name", "username")}
        await self._update(message=world.message(world.group(), own, text=text))

    async def again(self) -> None:
        await self._server.again(self._last, native=self._native)

    async def malformed(self) -> None:
        for update in ({"message": "no object"}, {"message": {"chat": 5, "text": ["x"], "date": "soon"}}, {}):
            await self._server.raw_update(update)

    def segment_fields(self, segment: str) -> dict[str, Any]:
        return {
            "platform": {"type": "contact", "data": {"phone_number": "1", "first_name": "Ben"}},
            "face": {"kind": FaceKind.DICE, "id": "", "name": "dice"},
            "sticker": {"id": self._server.store.add_file(b"a sticker")},
        }.get(segment, {})

    def action_params(self, action: str) -> dict[str, Any]:
        known: dict[str, dict[str, Any]] = {
            "send_chat_action": {"action": "typing"},
            "answer_callback_query": {"callback_query_id": "77"},
            "pin_message": {"message_id": 1},
            "set_chat_title": {"title": "Yard"},
            "stop_poll": {"message_id": 1},
        }
        for name in ("close_forum_topic", "reopen_forum_topic", "delete_forum_topic"):
            known[name] = {"message_thread_id": 77}
        for name in ("approve_chat_join_request", "decline_chat_join_request", "ban_chat_member",
                     "unban_chat_member", "promote_chat_member"):  # fmt: skip
            known[name] = {"user_id": 7}
        return known[action] if action in known else super().action_params(action)

    async def refuse(self, reason: str, retry_after: float = 1.0) -> None:
        limited = Fault(429, "Too Many Requests", {"retry_after": int(retry_after)})
        self._server.fail("sendMessage", limited if reason == "RATE_LIMITED" else FAULTS[reason])

    async def _before(self, method: str) -> None:
        if self._stall is not None and method == "sendMessage":
            self.stalled = True
            await self._server._notify()
            await self._stall.wait()

    async def stall(self) -> None:
        self._stall, self.stalled = asyncio.Event(), False

    async def release(self) -> None:
        if self._stall is not None:
            self._stall.set()
            self._stall = None

    async def drop(self) -> None:
        self._server.fail("getUpdates", Fault(drop=True))


def create() -> LocalPlatform:
    """For `--server tests.platforms.telegram.fixture:create`."""
    return Telegram()
