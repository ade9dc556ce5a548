"""The adapter: a bot's first answer in a chat answers the request that waits there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiohttp import web
from jackfield_sdk import (
    Adapter,
    Bot,
    BotAddress,
    BotState,
    Call,
    ChatType,
    CloseReason,
    InvalidArgument,
    Message,
    OpenedBot,
    Plugin,
    ReplyReference,
    SendResult,
    StreamSteps,
    Text,
    User,
)
from jackfield_sdk.listening import CannotListen, listen

from jackfield_api_server import __version__
from jackfield_api_server.desk import Desk, Waiting
from jackfield_api_server.door import Door
from jackfield_api_server.server import ApiServer
from jackfield_api_server.wording import text_of

DEFAULT_PORT = 8424
DEFAULT_DEADLINE = 600.0
RETRY_SECONDS = 2.0


class OpenAiApi(Adapter):
    """Serves every bot on one port. `retry_seconds`: how often a taken port is tried again."""

    platform = "api"

    def __init__(self, retry_seconds: float = RETRY_SECONDS) -> None:
        self._retry_seconds = retry_seconds
        self._bots: dict[str, Bot] = {}
        self._desk = Desk()
        self._door: Door
        self._port = 0
        self._trouble: CannotListen | None = None
        self._listening: asyncio.Task[None] | None = None
        self._set_up = asyncio.Event()

    async def setup(self) -> None:
        config = self.plugin.config
        self._host = str(config.get("host") or "localhost")
        self._wanted = int(config.get("port", DEFAULT_PORT))
        server = ApiServer(self._bots, self._desk, float(config.get("deadline", DEFAULT_DEADLINE)))
        # A client that leaves ends its handler: nobody would read the answer.
        runner = web.AppRunner(server.app(), access_log=None, handler_cancellation=True, shutdown_timeout=2.0)
        self._door = Door(runner)
        await runner.setup()
        if not await self._listen():
            self._listening = asyncio.ensure_future(self._listen_later())
        self._set_up.set()

    async def teardown(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})
        await self._door.close()

    async def _listen_later(self) -> None:
        while not self._port:
            await asyncio.sleep(self._retry_seconds)
            await self._listen()

    async def _listen(self) -> bool:
        """Opens the port and says so; False, with the reason reported, when it cannot be had."""
        try:
            sockets = await asyncio.to_thread(
                listen,
                [self._host],
                self._wanted,
                plugin="api-server (API_SERVER_PORT)",
                successor=self.plugin.successor,
            )
        except CannotListen as error:
            self._trouble = error
            self.plugin.not_ready(error)
            return False
        await self._door.open(sockets)
        self._port = sockets[0].getsockname()[1]
        self.plugin.ready(addresses=[("API server", self._url())])
        for bot in self._bots.values():
            bot.state(BotState.ACTIVE)
        return True

    def _url(self) -> str:
        host = {"localhost": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        place = f"[{host}]" if ":" in host else host
        return f"http://{place}:{self._port or self._wanted}/v1"

    async def open_bot(self, bot: Bot) -> OpenedBot:
        # The kernel may be quicker than our port.
        await self._set_up.wait()
        if not bot.config.get("key"):
            raise InvalidArgument(
                f"the bot {bot.name} has no key",
                remedy="Set `key` of the bot (API_SERVER_KEY), at least 16 characters.",
                metadata={"field": "key"},
            )
        self._bots[bot.name] = bot
        account = User(id=bot.name, nickname=bot.name, is_bot=True)
        if not self._port:
            bot.state(BotState.CONNECTING, self._trouble, account)
        return OpenedBot(self=account, addresses=(BotAddress("API server", self._url()),))

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        self._bots.pop(bot.name, None)
        self._desk.close(bot.name)
        if reason is CloseReason.HANDOVER and not self._bots:
            # Clients that come back must find the new version, not this one.
            self._door.stop_listening()
        return None

    async def send_message(self, call: Call, message: Message) -> SendResult:
        return await self._say(call, message, call.reply_context.decode("utf-8", "replace"))

    async def reply_message(
        self, call: Call, message: Message, reference: ReplyReference, quote_origin: bool
    ) -> SendResult:
        # The answer stands in the response to its question: there is nothing to quote.
        return await self._say(call, message, reference.message_id)

    async def _say(self, call: Call, message: Message, question: str) -> SendResult:
        if given := self._desk.called(call.key):
            return SendResult(message_id=given)
        writer = call.key or object()
        waiting = self._desk.claim(call.bot.name, _chat(call), question, writer)
        text, degraded = text_of(message)
        waiting.grow(text, is_final=True)
        return await self._delivered(call, waiting, degraded)

    async def stream_reply(self, call: Call, steps: StreamSteps) -> SendResult:
        if given := self._desk.called(call.key):
            return SendResult(message_id=given)
        reference = steps.opening.reference
        question = (
            call.reply_context.decode("utf-8", "replace") if reference is None else reference.message_id
        )
        writer = call.key or object()
        waiting = self._desk.claim(call.bot.name, _chat(call), question, writer)
        degraded: tuple[str, ...] = ()
        try:
            async for step in steps:
                text, degraded = text_of(Message(Text(step.text), step.attachments or Message()))
                waiting.grow(text, is_final=step.is_final)
        finally:
            self._desk.release(waiting, writer)
        return await self._delivered(call, waiting, degraded)

    async def _delivered(self, call: Call, waiting: Waiting, degraded: Iterable[str]) -> SendResult:
        await waiting.delivered()
        answer = f"a-{waiting.question}"
        self._desk.note(call.key, answer)
        return SendResult(message_id=answer, degraded=tuple(degraded))


def _chat(call: Call) -> str:
    if call.chat.type is not ChatType.PRIVATE:
        raise InvalidArgument("this platform has private chats only", metadata={"field": "target.chat"})
    return call.chat.id


def create_plugin(retry_seconds: float = RETRY_SECONDS) -> Plugin:
    """The plugin with its adapter."""
    plugin = Plugin("api-server", version=__version__)
    plugin.adapter(OpenAiApi(retry_seconds))
    return plugin
