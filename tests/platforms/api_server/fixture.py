"""A program with a key, for the conformance kit: it asks, reads the answer as it grows, and asks again."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from jackfield_sdk import Chat
from jackfield_sdk.conformance import Cannot, LocalPlatform, Reach, Seen

KEY = "a key of sixteen or more"
IMAGE = {"type": "image_url", "image_url": {"url": "https://h/image.png"}}


@dataclass
class Posted:
    """One question; `taken` when it is durable, or was refused."""

    body: bytes
    key: str
    taken: asyncio.Future[None]


class Client(LocalPlatform):
    """One session. Questions go one after another: the next one gives up the one before that has no answer yet."""

    private = Chat.private("c1")
    user, other = "c1", "c2"

    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._numbers = itertools.count(1)
        self._changed = asyncio.Condition()
        self._questions: asyncio.Queue[Posted] = asyncio.Queue()
        self._untaken: list[Posted] = []
        self._last: Posted
        self._url = ""
        self._readers: set[asyncio.Task[None]] = set()
        self._open: aiohttp.ClientResponse | None = None
        self._http: aiohttp.ClientSession
        self._asking: asyncio.Task[None]

    async def start(self) -> None:
        self._http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}", "X-Session-Id": "c1"})
        self._asking = asyncio.create_task(self._ask_all())

    async def stop(self) -> None:
        tasks = {self._asking, *self._readers}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self._http.close()

    def plugin_config(self) -> dict[str, Any]:
        return {"port": 0}

    def bot_config(self) -> dict[str, Any]:
        return {"key": KEY}

    def wrong_config(self) -> dict[str, Any]:
        raise Cannot("the key is asked of clients; the bot itself shows it to nobody")

    async def connect(self, reach: Reach) -> None:
        self._url = reach.urls[0]

    async def until(self, holds: Callable[[], Any]) -> Any:
        async with self._changed:
            return await self._changed.wait_for(holds)

    @property
    def seen(self) -> list[Seen]:
        return self._seen

    async def _ask_all(self) -> None:
        while True:
            posted = await self._questions.get()
            try:
                await self._ask(posted)
            except aiohttp.ClientError:
                self._untaken.append(posted)
            if not posted.taken.done():
                posted.taken.set_result(None)

    async def _ask(self, posted: Posted) -> None:
        while True:
            headers = {"Idempotency-Key": posted.key}
            answer = await self._http.post(f"{self._url}/chat/completions", data=posted.body, headers=headers)
            if answer.status == 200:
                self._open = answer
                reader = asyncio.create_task(self._read(answer))
                self._readers.add(reader)
                reader.add_done_callback(self._readers.discard)
                return
            answer.close()
            if answer.status != 409:
                raise aiohttp.ClientError(f"{answer.status}")
            if self._open is not None:
                # The question before was not answered: it is given up.
                self._open.close()
            await asyncio.sleep(0.002)

    async def _read(self, answer: aiohttp.ClientResponse) -> None:
        text, message_id = "", ""
        with suppress(aiohttp.ClientError, ConnectionError):
            async for line in answer.content:
                if not line.startswith(b"data: {"):
                    continue
                chunk = json.loads(line[6:])
                if "choices" not in chunk:
                    return
                message_id = chunk["id"]
                (choice,) = chunk["choices"]
                text += choice["delta"].get("content", "")
                if choice["finish_reason"] == "stop":
                    self._seen.append(Seen("send_message", text, message_id))
                    async with self._changed:
                        self._changed.notify_all()
        answer.close()

    def _post(self, content: Any) -> Posted:
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": content}]}
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last = Posted(json.dumps(body).encode(), f"k{next(self._numbers)}", taken)
        self._questions.put_nowait(self._last)
        return self._last

    async def invite(self, chat: Chat) -> None:
        await self._post("go on").taken

    async def say(self, text: str, chat: Chat | None = None) -> None:
        self._post(text)

    async def show(self, segment: str) -> None:
        if segment != "image":
            raise Cannot(f"the interface has no {segment}")
        self._post([{"type": "text", "text": "see "}, IMAGE])

    async def again(self) -> None:
        self._questions.put_nowait(self._last)

    async def resend(self) -> None:
        for posted in [self._untaken.pop(0) for _ in list(self._untaken)]:
            self._questions.put_nowait(posted)

    async def drop(self) -> None:
        raise Cannot("each question is a connection of its own")

    async def malformed(self) -> None:
        for body in (
            b"{",
            b"[]",
            b"\xff",
            b"",
            b'{"messages": [{"role": "user", "content": 5}]}',
            b"[" * 100_000,
        ):
            async with self._http.post(f"{self._url}/chat/completions", data=body) as answer:
                assert answer.status == 400, await answer.text()


def create() -> LocalPlatform:
    """For `--server tests.platforms.api_server.fixture:create`."""
    return Client()
