"""Browsers of the web chat, for the conformance kit."""

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

ANNA, CLUB = "anna", "club"
UPLOADS = {"image": "a.png", "voice": "a.ogg", "video": "a.mp4", "file": "a.pdf"}
PARTS = {
    "mention": {"type": "At", "target": "one", "display": "One"},
    "mention_all": {"type": "AtAll"},
    "quote": {"type": "Quote", "id": "m-1"},
    "unknown": {"type": "Hologram", "text": "3d"},
}
TOKEN = "open sesame to the chat"


class Browsers(LocalPlatform):
    """Anna's page, and her page in a group; a page that lost its connection opens it again and sends what has no ack."""

    private = Chat.private(ANNA)
    group = Chat.group(CLUB)
    user = ANNA

    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._states: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1)
        self._changed = asyncio.Condition()
        self._sockets: dict[str, aiohttp.ClientWebSocketResponse] = {}
        self._unacked: dict[str, tuple[str, dict[str, Any]]] = {}
        self._last: tuple[str, dict[str, Any]] = (ANNA, {})
        self._pages: list[asyncio.Task[None]] = []
        self._http: aiohttp.ClientSession
        self._url = ""

    async def start(self) -> None:
        self._http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"})

    async def stop(self) -> None:
        await self._leave()
        await self._http.close()

    async def _leave(self) -> None:
        for page in self._pages:
            page.cancel()
        if self._pages:
            await asyncio.wait(self._pages)
        self._pages, self._sockets = [], {}

    def plugin_config(self) -> dict[str, Any]:
        return {"port": 0, "default_bot": "one"}

    def bot_config(self) -> dict[str, Any]:
        return {"token": TOKEN}

    def wrong_config(self) -> dict[str, Any]:
        raise Cannot("the token is asked of visitors; the bot itself shows it to nobody")

    async def connect(self, reach: Reach) -> None:
        await self._leave()
        self._url = reach.urls[0]
        self._pages = [
            asyncio.create_task(self._page(ANNA, "person")),
            asyncio.create_task(self._page(CLUB, "group")),
        ]
        await self.until(lambda: len(self._sockets) == 2)

    async def _page(self, session: str, kind: str) -> None:
        address = f"{self._url}ws?session={session}&session_type={kind}&user={ANNA}"
        while True:
            with suppress(aiohttp.ClientError, ConnectionError):
                async with self._http.ws_connect(address) as socket:
                    async for message in socket:
                        await self._took(session, socket, json.loads(message.data))
            self._sockets.pop(session, None)
            await asyncio.sleep(0.05)

    async def _took(
        self, session: str, socket: aiohttp.ClientWebSocketResponse, frame: dict[str, Any]
    ) -> None:
        kind = frame["type"]
        if kind == "connected":
            self._sockets[session] = socket
            for where, waiting in list(self._unacked.values()):
                if where == session:
                    await socket.send_json(waiting)
        elif kind == "ack":
            self._unacked.pop(frame["id"], None)
        elif kind == "typing":
            self._seen.append(Seen("send_typing"))
        elif kind in ("response", "deleted", "user_message"):
            self._note(kind, frame["data"])
        async with self._changed:
            self._changed.notify_all()

    def _note(self, kind: str, data: dict[str, Any]) -> None:
        """Frames say what a message is now; what the bot did is the difference."""
        message_id = data["id"]
        if kind == "deleted":
            self._seen.append(Seen("delete_message", message_id=message_id))
            return
        before = self._states.get(message_id, {})
        self._states[message_id] = data
        now, then = data.get("reactions", []), before.get("reactions", [])
        if now != then:
            action = "add_reaction" if len(now) > len(then) else "remove_reaction"
            self._seen.append(Seen(action, message_id=message_id))
        elif kind == "response":
            self._seen.append(Seen("edit_message" if before else "send_message", data["content"], message_id))

    async def until(self, holds: Callable[[], Any]) -> Any:
        async with self._changed:
            return await self._changed.wait_for(holds)

    @property
    def seen(self) -> list[Seen]:
        return self._seen

    async def _send(self, frame: dict[str, Any], session: str = ANNA) -> None:
        frame = {"id": f"c{next(self._numbers)}", **frame}
        # The inbox at the other end is bounded: further frames wait for acknowledgements.
        await self.until(lambda: len(self._unacked) < 16)
        self._unacked[frame["id"]] = self._last = (session, frame)
        if session in self._sockets:
            # Lost on a connection that just ended; the next one sends it again.
            with suppress(ConnectionError, aiohttp.ClientError):
                await self._sockets[session].send_json(frame)

    async def say(self, text: str, chat: Chat | None = None) -> None:
        session = CLUB if chat == self.group else ANNA
        await self._send({"type": "message", "message": [{"type": "Plain", "text": text}]}, session)

    async def show(self, segment: str) -> None:
        if segment in UPLOADS:
            headers = {"X-Session": f"person:{ANNA}", "X-File-Name": UPLOADS[segment]}
            data = f"bytes of {segment}".encode()
            async with self._http.post(f"{self._url}upload", data=data, headers=headers) as answer:
                uploaded = await answer.json()
            part = {"type": segment.capitalize(), "key": uploaded["key"]}
        elif segment in PARTS:
            part = PARTS[segment]
        else:
            raise Cannot(f"the page sends no {segment}")
        await self._send({"type": "message", "message": [{"type": "Plain", "text": "see "}, part]})

    async def cause(self, event: str) -> None:
        if event != "interaction.received":
            raise Cannot(f"nothing on the page is {event}")
        pressed = next(one for one in reversed(self._seen) if one.action == "send_message")
        about = {"message_id": pressed.message_id, "action_id": "yes", "controls_id": "ask", "value": "1"}
        await self._send({"type": "interaction", "kind": "button", **about})

    async def again(self) -> None:
        session, frame = self._last
        self._unacked[frame["id"]] = self._last
        await self.until(lambda: session in self._sockets)
        await self._sockets[session].send_json(frame)

    async def malformed(self) -> None:
        for text in (
            "{",
            "[]",
            '{"type": "message", "id": 5}',
            '{"type": "message", "id": "x", "message": 5}',
        ):
            await self._sockets[ANNA].send_str(text)

    def action_params(self, action: str) -> dict[str, Any]:
        return {"message": "hear, hear"} if action == "broadcast" else super().action_params(action)

    async def drop(self) -> None:
        for session in list(self._sockets):
            socket = self._sockets.pop(session)
            connection = socket._response.connection
            assert connection is not None
            assert connection.transport is not None
            connection.transport.abort()


def create() -> LocalPlatform:
    """For `--server tests.platforms.webchat.fixture:create`."""
    return Browsers()
