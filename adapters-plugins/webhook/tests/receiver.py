"""A program on the other side: takes posts, checks their signature by itself, answers what the test wants."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any

from aiohttp import web

SECRET = "a secret of sixteen"


def sign(secret: str, time: int, key: str, body: bytes) -> dict[str, str]:
    """Headers of a caller, from the page and not from the adapter's code."""
    digest = hmac.new(secret.encode(), b"%d.%s.%s" % (time, key.encode(), body), hashlib.sha256).hexdigest()
    return {"X-Jackfield-Signature": f"v1={digest}", "X-Jackfield-Time": str(time), "Idempotency-Key": key}


class Receiver:
    """`statuses` are answered first, one each."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.statuses: list[tuple[int, dict[str, str]]] = []
        self.url = ""
        self._changed = asyncio.Condition()

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        key = request.headers["Idempotency-Key"]
        wanted = sign(SECRET, int(request.headers["X-Jackfield-Time"]), key, body)
        if request.headers["X-Jackfield-Signature"] != wanted["X-Jackfield-Signature"]:
            return web.Response(status=401)
        self.keys.append(key)
        if self.statuses:
            status, headers = self.statuses.pop(0)
            return web.Response(status=status, headers=headers)
        async with self._changed:
            self.taken.append(json.loads(body))
            self._changed.notify_all()
        return web.Response(status=204)

    async def until(self, count: int) -> list[dict[str, Any]]:
        """Waits for so many posts."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: len(self.taken) >= count)
        return self.taken

    async def __aenter__(self) -> Receiver:
        app = web.Application()
        app.router.add_post("/hook", self._post)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/hook"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()
