"""What `jackfield new adapter` writes: an adapter of a small platform, that platform, and the kit's verdict as a test."""

from __future__ import annotations

MANIFEST = """\
manifest: 1
name: NAME
version: 0.1.0
contract: 1
kind: adapter
title: NAME
description: Speaks a small chat platform over TCP.
run: {python: PACKAGE}
provides:
  services: [jackfield.v1.Adapter]
  platform: NAME
  intake: acknowledged
  dedup_horizon: 24h
  events: [message.received]
  apis: [send_message, reply_message, stream_reply, get_capabilities]
  segments:
    receive: [text]
    send: [text]
  limits:
    text: {max: 1000, unit: codepoints}
bot_config:
  type: object
  required: [token]
  properties:
    token:
      type: string
      secret: true
      unique: true
      title: Token
    address:
      type: string
      default: "127.0.0.1:7000"
      title: Host and port of the platform
grants: [network]
"""

README = """\
# NAME

Speaks a small chat platform over TCP: one JSON object a line. Replace `line.py` by the wire of your platform and
`local_platform.py` by a local double of it.

    python -m venv .venv && .venv/bin/pip install -e '.[test]'
    .venv/bin/pytest
    jackfield conformance adapter --plugin . --server local_platform:create --out report

| bot_config | meaning |
| --- | --- |
| `token` | credential of the bot; one process at a time may use it |
| `address` | `host:port` of the platform |

| when | then |
| --- | --- |
| the token is refused | AUTH_EXPIRED; the kernel tries again later |
| the connection is lost | it connects again with growing waits; the platform sends again what was not acknowledged |
| the kernel is away | nothing is acknowledged, so nothing is lost |
"""

INIT = '''\
"""The adapter of NAME."""

from PACKAGE.adapter import plugin

__all__ = ["plugin"]
'''

MAIN = '''\
"""Runs the plugin: `python -m PACKAGE`."""

from PACKAGE import plugin

plugin.run()
'''

ADAPTER = '''\
"""What the kernel may ask of a bot."""

import re

from jackfield_sdk import (
    Adapter,
    Bot,
    Call,
    CloseReason,
    InvalidArgument,
    Message,
    Plugin,
    SendResult,
    Text,
    User,
)
from jackfield_sdk.chunking import split

from PACKAGE.line import Line

LONGEST_TEXT = 1000


class MyAdapter(Adapter):
    """Sends text; everything else goes as its words and is told as degraded."""

    platform = "NAME"

    async def open_bot(self, bot: Bot) -> User:
        if not bot.config.get("token"):
            raise InvalidArgument("the bot has no token", remedy="Set `token` of the bot.", metadata={"field": "token"})
        line = Line(bot)
        account = await line.open()
        bot.connection = line
        return account

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        await bot.connection.close()
        return None

    async def send_message(self, call: Call, message: Message) -> SendResult:
        degraded = tuple(dict.fromkeys(name_of(part) for part in message if not isinstance(part, Text)))
        ids = []
        for chunk in split(message.plain(), LONGEST_TEXT, unit="codepoints"):
            ids.append(await call.bot.connection.send(call.chat.id, chunk))
        return SendResult(message_id=ids[0], message_ids=tuple(ids), degraded=degraded)


def name_of(segment: object) -> str:
    """`MentionAll` is `mention_all` in manifests and in `degraded`."""
    name = type(segment).__name__.removesuffix("Segment")
    return re.sub("(?<!^)(?=[A-Z])", "_", name).lower()


plugin = Plugin("NAME", version="0.1.0")
plugin.adapter(MyAdapter())
'''

LINE = '''\
"""The connection of one bot: lines of JSON in both directions."""

import asyncio
import itertools
import json
import random
from contextlib import suppress
from typing import Any

from jackfield_sdk import (
    AuthExpired,
    Bot,
    BotState,
    Chat,
    Event,
    InvalidArgument,
    JackfieldError,
    Message,
    MessageReceived,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    PlatformError,
    RateLimited,
    Unavailable,
    User,
)

ANSWER_SECONDS = 10.0
FIRST_WAIT, LONGEST_WAIT = 0.1, 60.0
ERRORS: dict[str, type[JackfieldError]] = {
    "forbidden": PermissionDenied,
    "not_found": NotFound,
    "busy": Unavailable,
    "unauthorized": AuthExpired,
}


class Line:
    """Connects again by itself. An update is acknowledged when the kernel has it on disk, not before."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._writer: asyncio.StreamWriter | None = None
        self._running: asyncio.Task[None] | None = None

    async def open(self) -> User:
        """Raises AuthExpired and Unavailable."""
        reader, account = await self._connect()
        self._running = asyncio.create_task(self._run(reader))
        return account

    async def close(self) -> None:
        """Ends it; nothing is read or written afterwards."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
        self._lost()

    async def send(self, chat: str, text: str) -> str:
        """Sends a text and returns its id. Raises what the platform's refusal means."""
        if self._writer is None:
            raise Unavailable("the platform is not connected", retry_after=1.0)
        number = next(self._numbers)
        answered = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self._writer.write(encoded({"ref": number, "chat": chat, "text": text}))
                await self._writer.drain()
                answer = await answered
        except (TimeoutError, ConnectionError):
            raise OutcomeUnknown("the platform did not answer; the message may have been sent") from None
        finally:
            self._answers.pop(number, None)
        if "error" in answer:
            raise error_of(answer)
        return str(answer["id"])

    async def _connect(self) -> tuple[asyncio.StreamReader, User]:
        host, _, port = str(self._bot.config["address"]).rpartition(":")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(encoded({"token": self._bot.config["token"]}))
                hello = json.loads(await reader.readline() or b"{}")
        except (OSError, ValueError, TimeoutError) as error:
            raise Unavailable(f"the platform was not reached: {type(error).__name__}") from error
        if "account" not in hello:
            writer.close()
            raise AuthExpired("the platform refused the token", remedy="Set `token` of the bot anew.")
        self._writer = writer
        return reader, User(id=str(hello["account"]), is_bot=True)

    async def _run(self, reader: asyncio.StreamReader) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._read(reader)
            self._lost()
            self._bot.state(BotState.CONNECTING, "the platform closed the connection")
            reader = await self._again()

    async def _again(self) -> asyncio.StreamReader:
        for attempt in itertools.count():
            await asyncio.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt, 16)) * random.uniform(0.5, 1.0))
            try:
                reader, account = await self._connect()
            except JackfieldError as error:
                self._bot.state(BotState.CONNECTING, error)
                continue
            self._bot.state(BotState.ACTIVE, self_user=account)
            return reader
        raise AssertionError("unreachable")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.readline():
            self._bot.alive()
            try:
                native = json.loads(data)
                if isinstance(native, dict) and "ref" in native:
                    self._answered(native)
                else:
                    await self._received(native)
            except (ValueError, InvalidArgument) as error:
                self._bot.log.warning("ignored what makes no sense: %s", error)

    def _answered(self, native: dict[str, Any]) -> None:
        waiting = self._answers.get(native["ref"])
        if waiting is not None and not waiting.done():
            waiting.set_result(native)

    async def _received(self, native: Any) -> None:
        event = event_of(native)
        await self._bot.publish(event, dedup_key=event.message_id)
        if self._writer is not None:
            self._writer.write(encoded({"ack": native["id"]}))

    def _lost(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError())


def event_of(native: Any) -> Event:
    """A native message as an event. Raises InvalidArgument."""
    if not isinstance(native, dict) or not all(isinstance(native.get(key), str) for key in ("id", "user", "text")):
        raise InvalidArgument(f"expected an object with id, user and text: {str(native)[:100]!r}")
    return Event(
        payload=MessageReceived(message_id=native["id"], message=Message(native["text"])),
        chat=Chat.private(native["user"]),
        sender=User(id=native["user"]),
        platform_event_id=native["id"],
        raw=native,
    )


def error_of(answer: dict[str, Any]) -> JackfieldError:
    """The typed error of a refusal."""
    word = str(answer["error"])
    if word == "too_many":
        return RateLimited(float(answer.get("retry_after", 1.0)), "the platform asks to slow down")
    return ERRORS.get(word, PlatformError)(f"the platform refused: {word}", metadata={"platform_code": word})


def encoded(value: dict[str, Any]) -> bytes:
    """One line."""
    return json.dumps(value).encode() + b"\\n"
'''

LOCAL = '''\
"""The platform on this machine, for the conformance kit and for whoever has no account."""

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

from jackfield_sdk import Chat
from jackfield_sdk.conformance import LocalPlatform, Seen

TOKEN = "a token for the local platform"
WORDS = {
    "RATE_LIMITED": "too_many",
    "PERMISSION_DENIED": "forbidden",
    "NOT_FOUND": "not_found",
    "UNAVAILABLE": "busy",
    "AUTH_EXPIRED": "unauthorized",
}


class Local(LocalPlatform):
    """Keeps updates until they are acknowledged and sends them again on a new connection."""

    private = Chat.private("7")

    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._updates: dict[str, dict[str, Any]] = {}
        self._last: dict[str, Any] = {}
        self._numbers = itertools.count(1)
        self._refusals: list[dict[str, Any]] = []
        self._stalls = False
        self._writers: list[asyncio.StreamWriter] = []
        self._changed = asyncio.Condition()
        self._server: asyncio.Server

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        self._server.close()
        await self.drop()
        await self._server.wait_closed()

    def bot_config(self) -> dict[str, Any]:
        host, port = self._server.sockets[0].getsockname()
        return {"token": TOKEN, "address": f"{host}:{port}"}

    def wrong_config(self) -> dict[str, Any]:
        return self.bot_config() | {"token": "another token"}

    async def until(self, holds: Callable[[], Any]) -> Any:
        async with self._changed:
            return await self._changed.wait_for(holds)

    @property
    def seen(self) -> list[Seen]:
        return self._seen

    async def say(self, text: str, chat: Chat | None = None) -> None:
        self._last = {"id": f"m{next(self._numbers)}", "user": "7", "text": text}
        await self.again()

    async def again(self) -> None:
        self._updates[self._last["id"]] = self._last
        self._write(self._last)

    async def malformed(self) -> None:
        for value in ({}, [], 5, {"id": 5, "user": "7", "text": []}):
            self._write(value)

    async def refuse(self, reason: str, retry_after: float = 1.0) -> None:
        self._refusals.append({"error": WORDS[reason], "retry_after": retry_after})

    async def stall(self) -> None:
        self._stalls, self.stalled = True, False

    async def drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            hello = json.loads(await reader.readline() or b"{}")
            if hello.get("token") != TOKEN:
                writer.write(b"{}\\n")
                return
            self._writers.append(writer)
            self._write({"account": "1"})
            for update in list(self._updates.values()):
                self._write(update)
            while data := await reader.readline():
                await self._take(json.loads(data))
        except ConnectionError:
            return
        finally:
            if writer in self._writers:
                self._writers.remove(writer)
            writer.close()

    async def _take(self, request: dict[str, Any]) -> None:
        if "ack" in request:
            self._updates.pop(request["ack"], None)
        elif self._stalls:
            self._stalls, self.stalled = False, True
        elif self._refusals:
            self._write({"ref": request["ref"], **self._refusals.pop()})
        else:
            message_id = f"b{next(self._numbers)}"
            self._seen.append(Seen("send_message", request["text"], message_id))
            self._write({"ref": request["ref"], "id": message_id})
        async with self._changed:
            self._changed.notify_all()

    def _write(self, value: Any) -> None:
        if self._writers:
            self._writers[-1].write(json.dumps(value).encode() + b"\\n")


def create() -> LocalPlatform:
    """For `--server local_platform:create`."""
    return Local()
'''

TEST = '''\
"""The adapter does what its manifest says: the conformance kit says so."""

from pathlib import Path

from jackfield_sdk.conformance.case import Outcome
from jackfield_sdk.conformance.declared import read
from jackfield_sdk.conformance.runner import run
from local_platform import create


async def test_conformance() -> None:
    done = await run(read(Path(__file__).parents[1]), create())
    assert not [f"{one.case.key}: {one.reason}" for one in done.results if one.outcome is Outcome.FAIL]
'''

DEPENDENCY = "jackfield-sdk[manifest]>=0.1,<0.2"

FILES = {
    "README.md": README,
    "PACKAGE/__init__.py": INIT,
    "PACKAGE/__main__.py": MAIN,
    "PACKAGE/adapter.py": ADAPTER,
    "PACKAGE/line.py": LINE,
    "PACKAGE/jackfield-plugin.yaml": MANIFEST,
    "local_platform.py": LOCAL,
    "tests/test_conformance.py": TEST,
}
