"""IRC for the conformance kit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from jackfield_sdk import Chat
from jackfield_sdk.conformance import Cannot, LocalPlatform, Seen

from tests.platforms.irc.server import ACCOUNT, PASSWORD, ROOM, Server

NUMERICS = {"PERMISSION_DENIED": "404", "NOT_FOUND": "401"}
PARAMS: dict[str, dict[str, Any]] = {
    "join": {"channel": ROOM},
    "topic": {"channel": ROOM, "topic": "something else"},
    "nick": {"nick": "jack"},
    "mode": {"target": ROOM, "modes": ["+v", "ann"]},
}
DID = {
    "PRIVMSG": "send_message",
    "KICK": "kick_member",
    "PART": "leave_group",
    "JOIN": "approve_group_invite",
}


class Irc(LocalPlatform):
    """One channel, two people."""

    private = Chat.private("ann")
    group = Chat.group(ROOM)
    user, other = "ann", "ben"
    tells_retry_after = False

    def __init__(self) -> None:
        self._server = Server()
        self._numbers = itertools.count(1)
        self._last: tuple[str, ...] = ()

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    def bot_config(self) -> dict[str, Any]:
        return {
            "server": "127.0.0.1",
            "port": self._server.port,
            "tls": False,
            "nick": "jack",
            "account": ACCOUNT,
            "password": PASSWORD,
            "channels": [ROOM],
            "flood_seconds": 0,
            "most_lines": 400,
        }

    def wrong_config(self) -> dict[str, Any]:
        return self.bot_config() | {"password": "another password"}

    async def until(self, holds: Callable[[], Any]) -> Any:
        async with self._server.changed:
            return await self._server.changed.wait_for(holds)

    async def say(self, text: str, chat: Chat | None = None) -> None:
        if "\n" in text or len(text.encode()) > 400:
            raise Cannot("a message on IRC is one line of at most 400 bytes")
        await self.until(lambda: self._server.joined)
        target = self._server.nick if chat is None or chat.id != ROOM else ROOM
        self._line("ann", "PRIVMSG", target, text)

    async def show(self, segment: str) -> None:
        if segment != "mention":
            raise Cannot("IRC carries text alone")
        self._line("ann", "PRIVMSG", ROOM, f"{self._server.nick}: look here")

    async def cause(self, event: str) -> None:
        lines = {
            "group.member_joined": ("ben", "JOIN", ROOM),
            "group.member_left": ("ben", "PART", ROOM),
            "group.info_updated": ("ann", "TOPIC", ROOM, "another topic"),
            "bot.invited_to_group": ("ann", "INVITE", self._server.nick, ROOM),
            "bot.removed_from_group": ("ann", "KICK", ROOM, self._server.nick, "go"),
        }
        if event not in lines:
            raise Cannot(f"IRC has no {event}")
        self._line(*lines[event])

    async def native(self) -> str:
        self._line("ann", "MODE", ROOM, "+t")
        return "platform.irc.mode"

    async def own(self, text: str) -> None:
        self._line(self._server.nick, "PRIVMSG", ROOM, text)

    async def malformed(self) -> None:
        for data in (
            b"\r\n",
            b":\r\n",
            b"\xff\xfe\r\n",
            b":x PRIVMSG\r\n",
            b"@a :b ???\r\n",
            b"353\r\n",
            b":s 353\r\n",
        ):
            self._server.raw(data)

    def _line(self, *line: str) -> None:
        self._server.send(*line)

    @property
    def seen(self) -> list[Seen]:
        return [Seen(DID[deed], text, f"m{number}") for number, (deed, text) in enumerate(self._server.deeds)]

    def call_fields(self, api: str) -> dict[str, Any]:
        return {"request_id": ROOM} if api == "approve_group_invite" else {}

    def action_params(self, action: str) -> dict[str, Any]:
        return PARAMS[action]

    async def refuse(self, reason: str, retry_after: float = 1.0) -> None:
        if reason not in NUMERICS:
            raise Cannot(f"IRC has no refusal that means {reason}")
        self._server.refusals.append(NUMERICS[reason])

    async def stall(self) -> None:
        self._server.stalls, self._server.stalled = True, False

    @property
    def stalled(self) -> bool:  # type: ignore[override]
        return self._server.stalled

    async def drop(self) -> None:
        self._server.drop()


def create() -> LocalPlatform:
    """For `--server tests.platforms.irc.fixture:create`."""
    return Irc()
