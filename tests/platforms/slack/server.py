"""The HTTP side: tokens, methods in their own shapes, rate limits, files."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from tests.platforms.slack.sockets import Sockets
from tests.platforms.slack.workspace import BOT, TEAM, Refused, Workspace

BOT_TOKEN = "xoxb-1-test"
APP_TOKEN = "xapp-1-A1-1-test"
SIGNING_SECRET = "a signing secret"
# Methods that Slack reads as a query or a form only.
QUERY_ONLY = ("files.getUploadURLExternal", "conversations.info", "users.info", "files.info")


class SlackServer:
    """`async with SlackServer() as slack`. `fail(method, ...)` makes the next call of a method fail."""

    def __init__(self) -> None:
        self.workspace = Workspace()
        self.sockets = Sockets()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.responses: list[dict[str, Any]] = []
        self.tokens = {BOT_TOKEN}
        self.url = ""
        self._faults: dict[str, list[web.Response | float]] = {}
        self._changed = asyncio.Condition()

    @property
    def api(self) -> str:
        """The base address for SDKs."""
        return f"{self.url}/api/"

    def fail(self, method: str, status: int = 200, error: str = "", **headers: str) -> None:
        """The next call is answered so: a word at 200, or a status."""
        body = {"ok": False, "error": error or ("ratelimited" if status == 429 else "internal_error")}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._faults.setdefault(method, []).append(web.json_response(body, status=status, headers=named))

    def slow(self, method: str, seconds: float) -> None:
        """The next call is answered so much later."""
        self._faults.setdefault(method, []).append(seconds)

    async def until(self, holds: Any, seconds: float = 20.0) -> None:
        """Waits until a condition on what was called holds."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(holds)

    def called(self, method: str) -> list[dict[str, Any]]:
        """Arguments of each call of a method."""
        return [arguments for name, arguments in self.calls if name == method]

    def posts(self) -> list[str]:
        """Texts that the bot posted."""
        return [message["text"] for message in self.workspace.own_messages()]

    async def _method(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        arguments = await _arguments(request, method)
        for fault in self._faults.get(method, [])[:1]:
            self._faults[method].pop(0)
            if isinstance(fault, web.Response):
                return fault
            await asyncio.sleep(fault)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        answer = self._answer(method, arguments, token)
        self.calls.append((method, arguments))
        async with self._changed:
            self._changed.notify_all()
        return web.json_response(answer)

    def _answer(self, method: str, arguments: dict[str, Any], token: str) -> dict[str, Any]:
        if method == "apps.connections.open":
            if token != APP_TOKEN:
                return {
                    "ok": False,
                    "error": "not_allowed_token_type" if token in self.tokens else "invalid_auth",
                }
            ticket = self.sockets.ticket()
            return {"ok": True, "url": f"{self.url.replace('http', 'ws')}/link/?ticket={ticket}"}
        if not token:
            return {"ok": False, "error": "not_authed"}
        if token not in self.tokens:
            return {"ok": False, "error": "invalid_auth"}
        if method == "auth.test":
            return {
                "ok": True,
                "user_id": BOT,
                "user": "robot",
                "bot_id": "B1",
                "team_id": TEAM,
                "team": "Test",
            }
        handler = getattr(self.workspace, method.replace(".", "_"), None)
        if handler is None:
            return {"ok": False, "error": "unknown_method"}
        try:
            return {"ok": True, **handler(self.url, arguments)}
        except Refused as refused:
            return {"ok": False, "error": refused.word, **refused.more}

    async def _upload(self, request: web.Request) -> web.Response:
        data = await request.read()
        file = self.workspace.files.get(request.match_info["file"])
        if file is None or len(data) != file["size"]:
            return web.Response(status=400)
        file["content"] = data
        return web.Response(text=f"OK - {len(data)}")

    async def _file(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {BOT_TOKEN}":
            # As Slack does: a page to sign in.
            return web.Response(status=302, headers={"Location": f"{self.url}/signin"})
        file = self.workspace.files.get(request.match_info["file"])
        return web.Response(body=file["content"]) if file else web.Response(status=404)

    async def _respond(self, request: web.Request) -> web.Response:
        if request.match_info["id"] == "expired":
            return web.json_response({"ok": False, "error": "expired_url"}, status=404)
        self.responses.append(await request.json())
        return web.Response(text="ok")

    async def __aenter__(self) -> SlackServer:
        app = web.Application(client_max_size=70 << 20)
        app.router.add_route("*", "/api/{method}", self._method)
        app.router.add_get("/link/", self.sockets.serve)
        app.router.add_post("/upload/{file}", self._upload)
        app.router.add_get("/files/{file}", self._file)
        app.router.add_post("/respond/{id}", self._respond)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.sockets.close()
        await self._runner.cleanup()


async def _arguments(request: web.Request, method: str) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json" and method not in QUERY_ONLY:
        text = await request.text()
        arguments |= json.loads(text) if text else {}
    elif request.method == "POST":
        arguments |= {name: str(value) for name, value in (await request.post()).items()}
    for name in ("blocks", "files", "view"):
        if isinstance(arguments.get(name), str):
            arguments[name] = json.loads(arguments[name])
    return arguments
