"""The HTTP side: tokens, methods by their paths, rate limits, files, and the address of the long connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.platforms.lark.chats import ANN, APP_ID, BOB, BOT, DIRECT, TEAM, Chats, Refused, text_of
from tests.platforms.lark.connections import Connections

APP_SECRET = "a secret of the app"
__all__ = ["APP_ID", "APP_SECRET", "LarkServer"]


class LarkServer:
    """`async with LarkServer() as lark`. `fail(call, ...)` makes the next call fail, such as `POST messages`."""

    def __init__(self) -> None:
        self.chats = Chats()
        self.calls: list[tuple[str, str, Any]] = []
        self.done: list[tuple[str, str, str]] = []
        """(what, text, message id) of what the bot did."""
        self.tokens: set[str] = set()
        self.token_seconds = 7200
        self.url = ""
        self.stall: asyncio.Event | None = None
        self.stalled = False
        self.repeats = 0
        """Messages that came again under a key that was used."""
        self._held: asyncio.Event | None = None
        self._changed = asyncio.Condition()
        self.connections = Connections(self._changed)
        self._faults: dict[str, list[tuple[int, int, dict[str, str]]]] = {}
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/callback/ws/endpoint", self._endpoint)
        app.router.add_get("/ws", self.connections.handle)
        app.router.add_post("/open-apis/auth/v3/tenant_access_token/internal", self._token)
        app.router.add_route("*", "/open-apis/{path:.+}", self._call)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)

    async def __aenter__(self) -> LarkServer:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.connections.close()
        self.let_go()
        if self.stall is not None:
            self.stall.set()
        await self._runner.cleanup()

    def fail(self, call: str, status: int = 200, code: int = 0, **headers: str) -> None:
        """The next call is answered so."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._faults.setdefault(call, []).append((status, code, named))

    def hold_answers(self) -> None:
        """What the bot sends is taken, and it is not told so until `let_go`."""
        self._held = asyncio.Event()

    def let_go(self) -> None:
        """Answers again."""
        if self._held is not None:
            self._held.set()
            self._held = None

    def revoke(self) -> None:
        """No token is taken any more; a new one is."""
        self.tokens.clear()

    def posts(self) -> list[str]:
        """What the bot said."""
        return [text for what, text, _ in self.done if what == "send_message"]

    async def until(self, holds: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Waits until something is true of the platform."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(holds)

    async def notify(self) -> None:
        """Wakes who waits."""
        async with self._changed:
            self._changed.notify_all()

    async def _endpoint(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("AppSecret") != APP_SECRET or body.get("AppID") != APP_ID:
            return web.json_response({"code": 514, "msg": "the secret is wrong"})
        settings = {"ReconnectCount": -1, "ReconnectInterval": 1, "ReconnectNonce": 0, "PingInterval": 1}
        url = f"{self.url.replace('http', 'ws')}/ws?device_id=1&service_id=7"
        return web.json_response({"code": 0, "msg": "ok", "data": {"URL": url, "ClientConfig": settings}})

    async def _token(self, request: web.Request) -> web.Response:
        body = await _body(request)
        if body.get("app_secret") != APP_SECRET or body.get("app_id") != APP_ID:
            return web.json_response({"code": 10014, "msg": "app secret invalid"})
        token = f"t-{self.chats.number()}"
        self.tokens.add(token)
        return web.json_response(
            {"code": 0, "msg": "ok", "tenant_access_token": token, "expire": self.token_seconds}
        )

    async def _call(self, request: web.Request) -> web.StreamResponse:
        words = request.match_info["path"].split("/")
        body = await _body(request)
        self.calls.append((request.method, request.match_info["path"], body))
        name = f"{request.method} {words[-1] if len(words) < 4 else words[2] + ('/' + words[4] if len(words) > 4 else '/:id')}"
        sends = request.method == "POST" and name in ("POST messages", "POST messages/reply")
        if sends and self.stall is not None:
            self.stalled = True
            await self.notify()
            await self.stall.wait()
        answer = self._answer(request, name, words, body)
        await self.notify()
        if sends and self._held is not None:
            await self._held.wait()
        return answer

    def _answer(self, request: web.Request, name: str, words: list[str], body: Any) -> web.StreamResponse:
        for fault in ("messages sent" if name in ("POST messages", "POST messages/reply") else "", name):
            if self._faults.get(fault):
                status, code, headers = self._faults[fault].pop(0)
                return web.json_response({"code": code, "msg": "as wanted"}, status=status, headers=headers)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return web.json_response({"code": 99991663, "msg": "Invalid access token"}, status=400)
        try:
            found = self._do(name, words, body, request)
        except Refused as refused:
            return web.json_response({"code": refused.code, "msg": "refused"}, status=400)
        if isinstance(found, web.StreamResponse):
            return found
        return web.json_response(found if "bot" in found else {"code": 0, "msg": "success", "data": found})

    def _do(self, name: str, words: list[str], body: Any, request: web.Request) -> Any:
        chats, query = self.chats, request.query
        one = words[3] if len(words) > 3 else ""
        match name:
            case "GET info":
                bot = {"app_name": "Bot", "open_id": BOT, "avatar_url": "", "activate_status": 2}
                return {"code": 0, "msg": "ok", "bot": bot}
            case "POST messages":
                if query["receive_id_type"] not in ("chat_id", "open_id", "union_id", "user_id", "email"):
                    raise Refused(230001)
                return self._sent(chats.post(body["receive_id"], body))
            case "POST messages/reply":
                origin = chats.find(one)
                more: dict[str, Any] = {"parent_id": one, "root_id": origin.get("root_id", one)}
                if body.get("reply_in_thread") or origin.get("thread_id"):
                    more["thread_id"] = origin.setdefault("thread_id", f"omt_{one}")
                return self._sent(chats.post(origin["chat_id"], body, **more))
            case "POST messages/forward":
                copy = {
                    **chats.find(one),
                    "message_id": f"om_{chats.number()}",
                    "chat_id": body["receive_id"],
                }
                chats.messages[copy["message_id"]] = copy
                self.done.append(("send_message", "", copy["message_id"]))
                return copy
            case "PUT messages/:id":
                item = chats.edit(one, body)
                self.done.append(("edit_message", text_of(body["msg_type"], body["content"]), one))
                return item
            case "PATCH messages/:id":
                chats.update(one, body)
                self.done.append(("edit_message", text_of("interactive", body["content"]), one))
                return {}
            case "PATCH messages/urgent_app":
                chats.find(one)
                return {"invalid_user_id_list": []}
            case "DELETE messages/:id":
                chats.find(one)
                del chats.messages[one]
                self.done.append(("delete_message", "", one))
                return {}
            case "GET messages/:id":
                return {"items": [chats.find(one)]}
            case "GET messages":
                wanted = query["container_id"]
                return {"items": [m for m in chats.messages.values() if m.get("thread_id") == wanted][:1]}
        return self._rest(name, words, body, request, one)

    def _rest(self, name: str, words: list[str], body: Any, request: web.Request, one: str) -> Any:
        chats = self.chats
        match name:
            case "GET messages/resources":
                chats.find(one)
                return self._file(words[5])
            case "GET images/:id" | "GET files/:id":
                return self._file(one)
            case "POST images" | "POST files":
                kind = "image" if name.endswith("images") else "file"
                if not body[kind] or (kind == "file" and "file_type" not in body):
                    raise Refused(234001)
                key = f"{'img' if kind == 'image' else 'file'}_{chats.number()}"
                chats.files[key] = body[kind]
                return {f"{kind}_key": key}
            case "POST messages/reactions":
                chats.find(one)
                number = f"r{chats.number()}"
                kind = body["reaction_type"]["emoji_type"]
                operator = {"operator_id": APP_ID, "operator_type": "app"}
                chats.reactions[number] = {
                    "reaction_id": number, "message_id": one, "operator": operator, "reaction_type": {"emoji_type": kind},
                }  # fmt: skip
                self.done.append(("add_reaction", kind, one))
                return chats.reactions[number]
            case "GET messages/reactions":
                wanted = request.query["reaction_type"]
                found = [r for r in chats.reactions.values() if r["message_id"] == one]
                return {
                    "items": [r for r in found if r["reaction_type"]["emoji_type"] == wanted],
                    "has_more": False,
                }
            case "DELETE messages/reactions":
                if chats.reactions.pop(words[5], None) is None:
                    raise Refused(231003)
                self.done.append(("remove_reaction", "", one))
                return {}
            case "POST pins":
                chats.find(body["message_id"])
                chats.pins.add(body["message_id"])
                self.done.append(("pin_message", "", body["message_id"]))
                return {"pin": {"message_id": body["message_id"]}}
            case "DELETE pins/:id":
                chats.pins.discard(one)
                self.done.append(("unpin_message", "", one))
                return {}
        return self._groups(name, body, one)

    def _groups(self, name: str, body: Any, one: str) -> Any:
        chats = self.chats
        if name.startswith(("GET chats/", "PUT chats/", "DELETE chats/")) and one not in chats.members:
            raise Refused(232006)
        match name:
            case "GET chats":
                return {"items": [{"chat_id": TEAM, "name": chats.names[TEAM]}], "has_more": False}
            case "GET chats/:id":
                mode = "p2p" if one == DIRECT else "group"
                return {
                    "chat_mode": mode,
                    "name": chats.names.get(one, ""),
                    "owner_id": ANN,
                    "user_count": "2",
                }
            case "PUT chats/:id":
                chats.names[one] = body["name"]
                self.done.append(("set_group_name", body["name"], ""))
                return {}
            case "GET chats/members":
                people = [each for each in chats.members[one] if each != APP_ID]
                items = [
                    {"member_id": each, "member_id_type": "open_id", "name": each[3:].title()}
                    for each in people
                ]
                return {"items": items, "has_more": False}
            case "DELETE chats/members":
                for each in body["id_list"]:
                    if each in chats.members[one]:
                        chats.members[one].remove(each)
                    self.done.append(("leave_group" if each == APP_ID else "kick_member", "", ""))
                return {"invalid_id_list": []}
            case "GET users/:id":
                if one not in (ANN, BOB):
                    raise Refused(41012)
                return {"user": {"open_id": one, "name": one[3:].title(), "en_name": one[3:]}}
        raise Refused(9499)

    def _sent(self, item: dict[str, Any]) -> dict[str, Any]:
        message_id = item["message_id"]
        if all(known != message_id for _, _, known in self.done):
            text = text_of(item["msg_type"], item["body"]["content"])
            self.done.append(("send_message", text, message_id))
        else:
            self.repeats += 1
        return item

    def _file(self, key: str) -> web.Response:
        if key not in self.chats.files:
            raise Refused(234003)
        return web.Response(body=self.chats.files[key], content_type="application/octet-stream")


async def _body(request: web.Request) -> Any:
    if request.content_type.startswith("multipart/"):
        form = await request.post()
        return {
            key: value.file.read() if isinstance(value, web.FileField) else value
            for key, value in form.items()
        }
    text = await request.text()
    return json.loads(text) if text else {}
