"""A OneBot implementation, played by the test: it dials in, sends events, answers actions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from jackfield_onebot.adapter import build
from jackfield_sdk.testing import FakeKernel, RunningPlugin

Answer = Callable[[dict[str, Any]], Any]


class Refusal(Exception):
    """A failed answer with this code."""

    def __init__(self, code: int, words: str = "") -> None:
        super().__init__(words)
        self.code = code


class Client:
    """One simulated implementation. `answers[action]` gives the data of an action's answer."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, self_id: int) -> None:
        self.socket = socket
        self.self_id = self_id
        self.actions: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.answers: dict[str, Answer] = {
            "get_login_info": lambda params: {"user_id": self_id, "nickname": f"bot{self_id}"}
        }
        self.silent: set[str] = set()
        self.sent = 0

    async def run(self) -> None:
        async for frame in self.socket:
            action = json.loads(frame.data)
            if action["action"] != "get_login_info":
                self.actions.put_nowait(action)
            if action["action"] in self.silent:
                continue
            await self.socket.send_json({**self._answer(action), "echo": action["echo"]})

    def _answer(self, action: dict[str, Any]) -> dict[str, Any]:
        answer = self.answers.get(action["action"])
        if answer is None:
            self.sent += 1
            return {"status": "ok", "retcode": 0, "data": {"message_id": self.sent}}
        try:
            return {"status": "ok", "retcode": 0, "data": answer(action["params"])}
        except Refusal as refusal:
            return {"status": "failed", "retcode": refusal.code, "data": None, "wording": str(refusal)}

    async def event(self, **native: Any) -> None:
        await self.socket.send_json({"time": 1_700_000_000, "self_id": self.self_id, **native})

    async def private(self, message: Any, **more: Any) -> None:
        await self.event(**message_of("private", message), **more)

    async def group(self, message: Any, **more: Any) -> None:
        await self.event(**message_of("group", message), **more)

    async def next_action(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.actions.get(), 5)


def message_of(kind: str, message: Any) -> dict[str, Any]:
    native = {
        "post_type": "message",
        "message_type": kind,
        "sub_type": "friend" if kind == "private" else "normal",
        "message_id": 42,
        "user_id": 7,
        "message": message,
        "sender": {"user_id": 7, "nickname": "Ann", "card": "Annie" if kind == "group" else ""},
    }
    return native if kind == "private" else {**native, "group_id": 5}


class World:
    """A fake kernel, the plugin, and any number of clients."""

    def __init__(self, kernel: FakeKernel, running: RunningPlugin) -> None:
        self.kernel = kernel
        self.running = running

    @property
    def url(self) -> str:
        (address,) = self.running.runtime.context.addresses
        return address.url

    @asynccontextmanager
    async def client(
        self,
        self_id: int = 10000,
        *,
        token: str = "",
        role: str = "Universal",
        path: str = "",
        **headers: str,
    ) -> AsyncIterator[Client]:
        given = {"X-Self-ID": str(self_id), "X-Client-Role": role, **headers}
        if token:
            given["Authorization"] = f"Bearer {token}"
        url = self.url.replace("/onebot/v11/ws", path) if path else self.url
        async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=given) as socket:
            client = Client(socket, self_id)
            task = asyncio.create_task(client.run())
            try:
                yield client
            finally:
                await socket.close()
                task.cancel()
                await asyncio.wait([task])


@asynccontextmanager
async def world(**config: Any) -> AsyncIterator[World]:
    config = {"port": 0, **config}
    async with FakeKernel() as kernel, kernel.running(build(), config=config) as running:
        yield World(kernel, running)
