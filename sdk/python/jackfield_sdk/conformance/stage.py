"""Where a case plays: fake kernel, adapter process, local platform, one open bot."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jackfield.v1 import adapter_message_pb2, ingress_pb2

from jackfield_sdk import convert
from jackfield_sdk.adapter_types import OpenedBot
from jackfield_sdk.conformance.declared import Declared, with_defaults
from jackfield_sdk.conformance.platform import Cannot, LocalPlatform, Seen
from jackfield_sdk.conformance.process import AdapterProcess
from jackfield_sdk.entity import Chat
from jackfield_sdk.event import Event
from jackfield_sdk.ingress import HANDLE, HttpRequest, HttpResponse
from jackfield_sdk.message import Message
from jackfield_sdk.target import Target
from jackfield_sdk.testing import FakeKernel, Published
from jackfield_sdk.testing.fake_calls import KernelCall

BOT = "one"
ADAPTER = "/jackfield.v1.Adapter/"


class Stage:
    """What cases use. `steps` are the evidence of the case that runs."""

    def __init__(
        self, kernel: FakeKernel, process: AdapterProcess, platform: LocalPlatform, declared: Declared
    ) -> None:
        self.kernel = kernel
        self.process = process
        self.platform = platform
        self.declared = declared
        self.steps: list[dict[str, Any]] = []
        self._opened: OpenedBot | None = None
        self._fences = 0

    # The bot.

    async def open(self, config: dict[str, Any] | None = None, checkpoint: bytes = b"") -> None:
        """Opens the bot and lets the platform find it."""
        given = self.platform.bot_config() if config is None else config
        filled = with_defaults(self.declared.bot_config, given)
        self._opened = await self.kernel.open_bot(
            BOT, filled, plugin=self.declared.name, checkpoint=checkpoint
        )
        await self.platform.connect(self)

    async def close(self) -> bytes:
        """Closes it and returns its checkpoint."""
        return await self.kernel.close_bot(BOT)

    async def fresh(self) -> None:
        """The bot is open on a running process, whatever the case before left."""
        if not self.process.alive:
            await self.process.start()
            await self.open(checkpoint=self.checkpoint)

    async def killed(self) -> None:
        """SIGKILL, a new process, the bot open again from its last durable checkpoint."""
        await self.process.kill()
        await self.process.start()
        await self.open(checkpoint=self.checkpoint)

    @property
    def checkpoint(self) -> bytes:
        """What the adapter committed last."""
        kept = [one.checkpoint for one in self.kernel.published if one.checkpoint]
        return kept[-1] if kept else b""

    # How the platform reaches the adapter.

    @property
    def urls(self) -> tuple[str, ...]:
        """Addresses of the plugin and of the bot."""
        plugin = [one.url for one in self.process.session.report.addresses]
        bot = [one.url for one in self._opened.addresses] if self._opened is not None else []
        return (*bot, *plugin)

    async def request(self, request: HttpRequest) -> HttpResponse:
        """What ingress hands over."""
        proto = ingress_pb2.HandleRequestRequest(
            route=request.route, method=request.method, query=request.query, body=request.body
        )
        for name, value in request.headers:
            proto.headers.add(name=name, value=value)
        answer = await self.kernel.call_service(
            HANDLE, proto, ingress_pb2.HandleRequestResponse, target=Target(bot=BOT)
        )
        return HttpResponse(answer.status or 200, answer.body)

    # Events.

    @property
    def mark(self) -> int:
        """How many events were published so far."""
        return len(self.kernel.published)

    async def event(self, since: int, fits: Callable[[Event], bool]) -> Event:
        """The first event after `since` that fits; the runner's deadline bounds the wait."""
        return (await self.published(since, fits)).event

    async def published(self, since: int, fits: Callable[[Event], bool]) -> Published:
        """The same with its checkpoint and its name of the occurrence."""
        at = since
        while True:
            for one in self.kernel.published[at:]:
                at += 1
                if fits(one.event):
                    self.note(event=one.event)
                    return one
            await self.kernel.wait_published(at + 1)

    async def received(self, text: str, since: int) -> Event:
        """The message with this text."""
        return await self.event(since, lambda e: e.type == "message.received" and e.text == text)

    async def fence(self, since: int) -> list[Event]:
        """Lets the user write once more and returns what was published since and before that."""
        self._fences += 1
        text = f"fence {self._fences}"
        await self.platform.say(text)
        await self.received(text, since)
        return [one.event for one in self.kernel.published[since:] if one.event.text != text]

    # Calls.

    async def call(self, api: str, chat: Chat | None = None, *, key: str = "", **fields: Any) -> Any:
        """A unary Adapter method by its name in the manifest. Raises what the adapter raises."""
        try:
            answer = await self.kernel.call(BOT, camel(api), chat=chat, key=key, **fields)
        except Exception as error:
            self.note(action=api, input=sorted(fields), error=repr(error)[:300])
            raise
        self.note(action=api, input=sorted(fields), result=type(answer).__name__)
        return answer

    async def send(self, *parts: Any, chat: Chat | None = None, key: str = "") -> Any:
        """Sends a message to the private chat, or to `chat`."""
        chat = chat or self.platform.private
        await self.platform.invite(chat)
        return await self.call("send_message", chat, key=key, message=Message(*parts))

    def opened_call(self, method: str, request: Any, chat: Chat | None = None, **how: Any) -> KernelCall:
        """A call to stream on, or to cancel."""
        self.note(action=method)
        return self.kernel.open_call(ADAPTER + method, request, target=Target(bot=BOT, chat=chat), **how)

    def sending(self, text: str) -> KernelCall:
        """SendMessage that is not waited for."""
        request = adapter_message_pb2.SendMessageRequest(message=convert.message_to_proto(Message(text)))
        return self.opened_call("SendMessage", request, self.platform.private)

    async def seen(self, since: int, action: str, fits: Callable[[Seen], bool] | None = None) -> Seen:
        """The first thing after `since` that the bot did on the platform."""

        def found() -> list[Seen]:
            new = self.platform.seen[since:]
            return [one for one in new if one.action == action and (fits is None or fits(one))]

        await self.platform.until(found)
        self.note(seen=action)
        return found()[0]

    @property
    def group(self) -> Chat:
        """The group of the platform. Raises Cannot without one."""
        if self.platform.group is None:
            raise Cannot("the platform has no groups")
        return self.platform.group

    def note(self, **step: Any) -> None:
        """A step of the evidence."""
        event = step.pop("event", None)
        if event is not None:
            step |= {
                "event": event.type,
                "bot": event.bot,
                "chat": event.chat,
                "sender": event.sender,
                "components": [type(segment).__name__ for segment in event.message],
            }
        self.steps.append(step)


def camel(api: str) -> str:
    """`send_message` → `SendMessage`."""
    return "".join(word.capitalize() for word in api.split("_"))


@asynccontextmanager
async def staged(declared: Declared, platform: LocalPlatform) -> AsyncIterator[Stage]:
    """Everything started and the bot open; everything ended after it."""
    with tempfile.TemporaryDirectory(prefix="jf-") as folder:
        async with FakeKernel() as kernel:
            process = AdapterProcess(kernel, declared, platform.plugin_config(), Path(folder))
            await platform.start()
            try:
                async with asyncio.timeout(30):
                    await process.start()
                    stage = Stage(kernel, process, platform, declared)
                    await stage.open()
                yield stage
            finally:
                await process.stop()
                await platform.stop()
