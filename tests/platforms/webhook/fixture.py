"""A program with a webhook, for the conformance kit: it posts by way of ingress and takes signed posts."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import web
from jackfield_sdk import Chat, JackfieldError
from jackfield_sdk.conformance import Cannot, LocalPlatform, Reach, Seen
from jackfield_sdk.ingress import HttpRequest

SECRET = "a secret of sixteen"
STATUSES = {"RATE_LIMITED": 429, "AUTH_EXPIRED": 403, "UNAVAILABLE": 503}
MEDIA = ("image", "voice", "video", "file")
SEGMENTS: dict[str, Any] = {
    "mention": {"user_id": "u2"},
    "mention_all": {},
    "quote": {"message_id": "m1"},
    "location": {"latitude": 52.5, "longitude": 13.4},
    **{kind: {"media": {"url": f"https://h/{kind}"}} for kind in MEDIA},
}
EVENTS: dict[str, dict[str, Any]] = {
    "message.edited": {"type": "edit", "message_id": "m1", "text": "new"},
    "message.deleted": {"type": "delete", "message_id": "m1"},
    "message.reaction": {"type": "reaction", "message_id": "m1", "reaction": "+"},
    "interaction.received": {"type": "interaction", "action_id": "yes", "values": {"value": "1"}},
}


class Program(LocalPlatform):
    """A user c1 and a group g. Requests that were not taken are posted again by `again`."""

    private = Chat.private("c1")
    group = Chat.group("g")
    user, other = "c1", "u2"

    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._shown: set[str] = set()
        self._numbers = itertools.count(1)
        self._changed = asyncio.Condition()
        self._statuses: list[web.Response] = []
        self._posting: set[asyncio.Task[None]] = set()
        self._stall: asyncio.Event | None = None
        self._reach: Reach
        self._last: HttpRequest
        self._untaken: list[HttpRequest] = []
        self._url = ""

    async def start(self) -> None:
        app = web.Application(client_max_size=8 << 20)
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"

    async def stop(self) -> None:
        for task in self._posting:
            task.cancel()
        if self._posting:
            await asyncio.wait(self._posting)
        await self._runner.cleanup()

    def bot_config(self) -> dict[str, Any]:
        return {"secret": SECRET, "callback_url": self._url}

    def wrong_config(self) -> dict[str, Any]:
        raise Cannot("a secret is compared with each request; nobody is asked when the bot opens")

    async def connect(self, reach: Reach) -> None:
        self._reach = reach

    async def until(self, holds: Callable[[], Any]) -> Any:
        async with self._changed:
            return await self._changed.wait_for(holds)

    @property
    def seen(self) -> list[Seen]:
        return self._seen

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        key, stamp = request.headers["Idempotency-Key"], request.headers["X-Jackfield-Time"]
        signed = hmac.new(SECRET.encode(), f"{stamp}.{key}.".encode() + body, hashlib.sha256).hexdigest()
        if request.headers["X-Jackfield-Signature"] != f"v1={signed}":
            return web.Response(status=401)
        content = json.loads(body)
        if content["type"] == "message" and self._stall is not None:
            self.stalled = True
            await self._notify()
            await self._stall.wait()
        if content["type"] == "message" and self._statuses:
            return self._statuses.pop()
        # As the page of the adapter tells receivers to do: what has been taken is not taken again.
        if key not in self._shown:
            self._shown.add(key)
            self._note(content)
        await self._notify()
        return web.Response(status=204)

    def _note(self, content: dict[str, Any]) -> None:
        kind, message_id = content["type"], content.get("id", content.get("message_id", ""))
        for segment in content.get("segments", []):
            for part in (one for name, one in segment.items() if name in MEDIA):
                base64.b64decode(part.get("data", ""), validate=True)
        action = {
            "message": "send_message",
            "edit": "edit_message",
            "delete": "delete_message",
            "typing": "send_typing",
            "reaction": "remove_reaction" if content.get("removed") else "add_reaction",
        }.get(kind, kind)
        self._seen.append(Seen(action, content.get("text", ""), message_id))

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _post(self, content: dict[str, Any], chat: Chat | None = None) -> None:
        where = {"type": "group", "id": "g"} if chat == self.group else {"id": "c1"}
        key = f"k{next(self._numbers)}"
        self._send(
            json.dumps({"chat": where, "sender": {"id": "c1", "name": "Ann"}, **content}).encode(), key
        )

    def _send(self, body: bytes, key: str) -> None:
        self._last = HttpRequest(route="in", headers=(("idempotency-key", key),), body=body)
        task = asyncio.create_task(self._request(self._last))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def _request(self, request: HttpRequest) -> None:
        self._untaken.append(request)
        # Not taken: the caller tries again later, which is what `resend` does.
        with suppress(JackfieldError):
            await self._reach.request(request)
            self._untaken.remove(request)

    async def say(self, text: str, chat: Chat | None = None) -> None:
        self._post({"text": text}, chat)

    async def show(self, segment: str) -> None:
        if segment not in SEGMENTS:
            raise Cannot(f"callers may not send a {segment}")
        self._post({"segments": [{"text": {"text": "see "}}, {segment: SEGMENTS[segment]}]})

    async def cause(self, event: str) -> None:
        if event not in EVENTS:
            raise Cannot(f"the format of requests has no {event}")
        self._post(EVENTS[event])

    async def again(self) -> None:
        self._send(self._last.body, self._last.header("idempotency-key"))

    async def resend(self) -> None:
        for request in [self._untaken.pop(0) for _ in list(self._untaken)]:
            self._send(request.body, request.header("idempotency-key"))

    async def malformed(self) -> None:
        for number, body in enumerate((b"{", b"[]", b"\xff", b'{"chat": {"id": 5}, "text": ["x"]}')):
            self._send(body, f"malformed{number}")

    async def refuse(self, reason: str, retry_after: float = 1.0) -> None:
        if reason not in STATUSES:
            raise Cannot(f"no status of a callback means {reason}")
        self._statuses.append(
            web.Response(status=STATUSES[reason], headers={"Retry-After": str(int(retry_after))})
        )

    async def stall(self) -> None:
        self._stall, self.stalled = asyncio.Event(), False

    async def release(self) -> None:
        if self._stall is not None:
            self._stall.set()
            self._stall = None


def create() -> LocalPlatform:
    """For `--server tests.platforms.webhook.fixture:create`."""
    return Program()
