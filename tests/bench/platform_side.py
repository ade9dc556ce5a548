"""The platform's side of OneBot v11: connections that send numbered messages and check every reply."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

USERS = 50
FIRST_ACCOUNT = 10_000
FIRST_USER = 20_000
LOST_SECONDS = 15.0
REDIAL_SECONDS = 0.01
ANSWERS: dict[str, dict[str, Any]] = {
    "get_login_info": {"user_id": FIRST_ACCOUNT, "nickname": "bench"},
    "get_status": {"online": True, "good": True},
    "get_version_info": {"app_name": "bench", "app_version": "1", "protocol_version": "v11"},
}


@dataclass
class Figures:
    """What one run gave; times in seconds."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    sent: int = 0
    lost: int = 0
    wrong: int = 0

    def summary(self) -> dict[str, float]:
        """For the table and the file."""
        ordered = sorted(self.latencies) or [float("nan")]
        return {
            "messages": self.sent,
            "lost": self.lost,
            "wrong": self.wrong,
            "per_second": len(self.latencies) / self.seconds if self.seconds else 0.0,
            "p50_ms": 1000 * ordered[len(ordered) // 2],
            "p99_ms": 1000 * ordered[int(len(ordered) * 0.99)],
        }


class Client:
    """One connection of one account. `wrong` counts actions that answer nothing, twice, or to someone else."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, account: int) -> None:
        self._socket = socket
        self._account = account
        self._numbers = itertools.count(1)
        self._ids = itertools.count(1)
        self._waiting: dict[str, tuple[int, asyncio.Future[None]]] = {}
        self.wrong = 0

    async def greet(self) -> None:
        """The first frame of every connection."""
        await self._send({"post_type": "meta_event", "meta_event_type": "lifecycle", "sub_type": "connect"})

    async def round_trip(self, timeout: float = LOST_SECONDS) -> float:
        """Sends one message; seconds until its reply. Raises TimeoutError when none comes."""
        number = next(self._numbers)
        key = f"k{self._account}.{number}"
        # Every account has users of its own: one conversation never gets two messages by coincidence.
        user = FIRST_USER + (self._account - FIRST_ACCOUNT) * USERS + number % USERS
        replied = asyncio.get_running_loop().create_future()
        self._waiting[key] = (user, replied)
        event = {
            "post_type": "message",
            "message_type": "private",
            "sub_type": "friend",
            "message_id": number,
            "user_id": user,
            "message": [{"type": "text", "data": {"text": key}}],
            "raw_message": key,
            "font": 0,
            "sender": {"user_id": user, "nickname": "somebody"},
        }
        started = time.perf_counter()
        try:
            await self._send(event)
            async with asyncio.timeout(timeout):
                await replied
        finally:
            self._waiting.pop(key, None)
        return time.perf_counter() - started

    async def read(self) -> None:
        """Takes actions until the connection ends."""
        async for frame in self._socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                await self._action(json.loads(frame.data))

    async def _send(self, event: dict[str, Any]) -> None:
        await self._socket.send_str(json.dumps({"time": int(time.time()), "self_id": self._account, **event}))

    async def _action(self, action: dict[str, Any]) -> None:
        name, params = action["action"], action.get("params") or {}
        data = ANSWERS.get(name, {})
        if name in ("send_msg", "send_private_msg"):
            user, replied = self._waiting.get(text_in(params.get("message")), (0, None))
            if replied is None or replied.done() or int(params["user_id"]) != user:
                self.wrong += 1
            else:
                replied.set_result(None)
            data = {"message_id": next(self._ids)}
        answer = {"status": "ok", "retcode": 0, "data": data, "echo": action.get("echo")}
        await self._socket.send_str(json.dumps(answer))


def text_in(message: Any) -> str:
    """The text of a message in either form."""
    if isinstance(message, str):
        return message
    if isinstance(message, dict):
        message = [message]
    return "".join(part["data"]["text"] for part in message if part["type"] == "text")


@asynccontextmanager
async def connected(url: str, count: int = 1, patience: float = 30.0) -> AsyncIterator[list[Client]]:
    """`count` connections of as many accounts; dials again until somebody listens."""
    deadline = time.monotonic() + patience
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        readers: list[asyncio.Task[None]] = []
        clients: list[Client] = []
        try:
            for number in range(count):
                headers = {"X-Self-ID": str(FIRST_ACCOUNT + number), "X-Client-Role": "Universal"}
                while True:
                    try:
                        socket = await session.ws_connect(url, headers=headers, max_msg_size=0)
                        break
                    except aiohttp.ClientError:
                        if time.monotonic() > deadline:
                            raise
                        await asyncio.sleep(REDIAL_SECONDS)
                client = Client(socket, FIRST_ACCOUNT + number)
                readers.append(asyncio.create_task(client.read()))
                clients.append(client)
                await client.greet()
            yield clients
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)


async def load(clients: Sequence[Client], outstanding: int, count: int) -> Figures:
    """`count` messages, `outstanding` at a time on each connection; a lost one frees its place."""
    figures = Figures()
    left = itertools.count()
    before = sum(client.wrong for client in clients)

    async def place(client: Client) -> None:
        while next(left) < count:
            figures.sent += 1
            try:
                figures.latencies.append(await client.round_trip())
            except TimeoutError:
                figures.lost += 1

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for client in clients:
            for _ in range(outstanding):
                group.create_task(place(client))
    figures.seconds = time.perf_counter() - started
    figures.wrong = sum(client.wrong for client in clients) - before
    return figures
