"""A Bot API server: python-telegram-bot connects to it unmodified but for its base URL.

It keeps updates until an offset passes them, lets one poller live, checks every request against the published description, and
fails on demand.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.platforms.telegram import world
from tests.platforms.telegram.methods import METHODS, ApiRefusal, Store
from tests.platforms.telegram.specification import answer_problems, object_problems, request_problems

ME = {
    "id": 110201543,
    "is_bot": True,
    "first_name": "Jack",
    "username": "jack_bot",
    "can_join_groups": True,
    "can_read_all_group_messages": False,
    "supports_inline_queries": False,
}


@dataclass(slots=True)
class Fault:
    """What one request gets instead of its answer. `after`: the method runs, only its answer is lost."""

    status: int = 500
    description: str = "Internal Server Error"
    parameters: dict[str, Any] = field(default_factory=dict)
    drop: bool = False
    after: bool = False
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was made."""

    method: str
    params: dict[str, Any]
    files: dict[str, tuple[str, bytes]]


class Server:
    """The platform for one bot. `requests` are those with an effect, in order; `problems` breaches of the description."""

    def __init__(self) -> None:
        # One of its own: kernels on one machine share no credential.
        self.token = f"{ME['id']}:{secrets.token_urlsafe(26)}"
        self.url = ""
        self.requests: list[Request] = []
        self.problems: list[str] = []
        self.store = Store(ME)
        self.webhook: dict[str, Any] = {}
        self.offsets: list[int | None] = []
        self.confirmed = 0
        # Update and HTTP status of every attempt.
        self.sent_to_webhook: list[tuple[int, int]] = []
        # Called with a method's name before it runs; a test may wait in it.
        self.before: Callable[[str], Any] | None = None
        self._updates: dict[int, dict[str, Any]] = {}
        self._next_update = 500
        self._faults: dict[str, deque[Fault]] = {}
        self._changed = asyncio.Condition()
        self._poll = 0
        self._runner: web.AppRunner | None = None

    # What tests do.

    async def update(self, **native: Any) -> int:
        """Something happened; returns the update's id. The description is checked."""
        for value in native.values():
            if isinstance(value, dict) and value.get("message_id") == 0:
                value["message_id"] = self.store.next_message()
        self.problems += object_problems("Update", {"update_id": 1, **native})
        return await self.raw_update(native)

    async def raw_update(self, native: dict[str, Any]) -> int:
        """The same without a check."""
        update_id = self._next_update
        self._next_update += 1
        self._updates[update_id] = {"update_id": update_id, **native}
        await self._notify()
        return update_id

    async def say(self, text: str, chat: dict[str, Any] | None = None, **fields: Any) -> int:
        """Ann writes."""
        return await self.update(message=world.message(chat, text=text, **fields))

    async def press(self, sent: dict[str, Any], row: int = 0, column: int = 0) -> int:
        """Ann presses a button of a message of the bot."""
        button = sent["reply_markup"]["inline_keyboard"][row][column]
        query = {"id": str(self._next_update), "from": world.ANN, "message": sent, "chat_instance": "1"}
        return await self.update(callback_query={**query, "data": button["callback_data"]})

    def fail(self, method: str, *faults: Fault) -> None:
        """The next requests of this method fail."""
        self._faults.setdefault(method, deque()).extend(faults)

    async def again(self, *update_ids: int, native: dict[str, Any] | None = None) -> None:
        """Updates are sent again although they were acknowledged, as after trouble on the platform's side."""
        for update_id in update_ids:
            self._updates[update_id] = {"update_id": update_id, **(native or {})}
        await self._notify()

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Waits until something is true of the server."""
        async with asyncio.timeout(15), self._changed:
            while not (found := condition()):
                await self._changed.wait()
            return found

    async def request(self, method: str, number: int = 1) -> Request:
        """Waits for the n-th request of this method."""
        found: list[Request] = await self.until(
            lambda: (
                (all_of := [r for r in self.requests if r.method == method])
                and len(all_of) >= number
                and all_of
            )
        )
        return found[number - 1]

    async def until_confirmed(self, update_id: int) -> None:
        """Waits until the bot has acknowledged an update."""
        await self.until(lambda: self.confirmed > update_id)

    @property
    def pending(self) -> list[int]:
        """Updates that are not acknowledged."""
        return sorted(self._updates)

    # Serving.

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        """Serves on a free port; at the end no request may have been against the description."""
        application = web.Application(client_max_size=64 << 20)
        application.router.add_route("*", "/bot{token}/{method}", self._serve)
        application.router.add_get("/file/bot{token}/{path:.*}", self._file)
        self._runner = web.AppRunner(application, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        sending = asyncio.create_task(self._send())
        try:
            yield self
        finally:
            sending.cancel()
            await asyncio.wait([sending])
            self._poll += 1
            await self._notify()
            await self._runner.cleanup()
        assert not self.problems, self.problems

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        if request.match_info["token"] != self.token:
            known = ":" in request.match_info["token"]
            return _refused(*((401, "Unauthorized") if known else (404, "Not Found")))
        params, files = await _read(request)
        if self.before is not None:
            await self.before(method)
        faults = self._faults.get(method)
        fault = faults.popleft() if faults else None
        if fault is not None and not fault.after:
            return _failed(request, fault)
        self.problems += request_problems(method, params, set(files))
        try:
            answer = await self._answer(Request(method, params, files))
        except ApiRefusal as refusal:
            return _refused(refusal.code, refusal.description, **refusal.parameters)
        if fault is not None:
            return _failed(request, fault)
        return web.json_response({"ok": True, "result": answer})

    async def _answer(self, request: Request) -> Any:
        if request.method == "getUpdates":
            return await self._get_updates(request.params)
        if request.method == "setWebhook":
            self.webhook = request.params
            answer: Any = True
        elif request.method == "getWebhookInfo":
            answer = {
                "url": self.webhook.get("url", ""),
                "has_custom_certificate": False,
                "pending_update_count": len(self._updates),
            }
        elif request.method == "deleteWebhook":
            self.webhook = {}
            answer = True
        elif (serve := METHODS.get(request.method)) is not None:
            answer = serve(self.store, request.params, request.files)
        else:
            raise ApiRefusal(404, "Not Found")
        self.problems += answer_problems(request.method, answer)
        self.requests.append(request)
        await self._notify()
        return answer

    async def _get_updates(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        if self.webhook.get("url"):
            raise ApiRefusal(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook first",
            )
        self._poll += 1
        mine = self._poll
        offset = params.get("offset")
        self.offsets.append(offset)
        if offset is not None and offset > 0:
            self.confirmed = max(self.confirmed, offset)
            for update_id in [one for one in self._updates if one < offset]:
                del self._updates[update_id]
        await self._notify()
        try:
            async with asyncio.timeout(params.get("timeout", 0)), self._changed:
                await self._changed.wait_for(lambda: self._updates or self._poll != mine)
        except TimeoutError:
            pass
        if self._poll != mine:
            raise ApiRefusal(
                409,
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
            )
        return [self._updates[one] for one in sorted(self._updates)][: params.get("limit", 100)]

    async def _send(self) -> None:
        """Sends updates to the webhook, one after another, each until it is taken."""
        async with aiohttp.ClientSession() as http:
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda: self._updates and self.webhook.get("url"))
                update_id = min(self._updates)
                header = {"X-Telegram-Bot-Api-Secret-Token": self.webhook.get("secret_token", "")}
                try:
                    async with http.post(
                        self.webhook["url"], json=self._updates[update_id], headers=header
                    ) as answer:
                        taken = 200 <= answer.status <= 299
                        self.sent_to_webhook.append((update_id, answer.status))
                except aiohttp.ClientError:
                    taken = False
                if taken:
                    self._updates.pop(update_id, None)
                    self.confirmed = max(self.confirmed, update_id + 1)
                    await self._notify()
                else:
                    await asyncio.sleep(0.1)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        data = self.store.files.get(request.match_info["path"].removeprefix("files/").partition(".")[0])
        if request.match_info["token"] != self.token or data is None:
            return web.Response(status=404)
        return web.Response(body=data)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _read(request: web.Request) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
    """Parameters as JSON values, in whichever of the platform's three forms they come, and uploaded files."""
    params: dict[str, Any] = {}
    files: dict[str, tuple[str, bytes]] = {}
    if request.content_type == "application/json":
        return await request.json(), {}
    if request.content_type not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return params, files
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            files[name] = (value.filename, value.file.read())
        else:
            params[name] = _value(name, str(value))
    return params, files


_TEXTS = (
    "text",
    "caption",
    "question",
    "title",
    "description",
    "data",
    "url",
    "name",
    "address",
    "file_id",
    "phone_number",
)


def _value(name: str, text: str) -> Any:
    if name in _TEXTS or (name.endswith("_id") and not text.lstrip("-").isdigit()):
        return text
    if name.endswith(("query_id", "file_id")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _refused(code: int, description: str, **parameters: Any) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    if parameters:
        body["parameters"] = parameters
    return web.json_response(body, status=code)


def _failed(request: web.Request, fault: Fault) -> web.Response:
    if fault.drop:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
    if fault.body is not None:
        return web.Response(status=fault.status, body=fault.body)
    return _refused(fault.status, fault.description, **fault.parameters)
