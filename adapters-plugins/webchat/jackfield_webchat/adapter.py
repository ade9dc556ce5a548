"""The adapter: what the kernel may ask of a web chat bot."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Any

from aiohttp import web
from jackfield_sdk import (
    Adapter,
    Bot,
    BotAddress,
    BotState,
    Call,
    ChatDetails,
    ChatType,
    CloseReason,
    Event,
    Group,
    InvalidArgument,
    Media,
    MediaChunk,
    Message,
    MessageReceived,
    NotFound,
    NotSupported,
    OpenedBot,
    Plugin,
    SendResult,
    StreamSteps,
    Text,
    User,
)
from jackfield_sdk.listening import CannotListen, is_loopback, listen

from jackfield_webchat import frames, guard
from jackfield_webchat.chain import Chain, chain_of, message_of
from jackfield_webchat.history import Entry, History, Room, TextState
from jackfield_webchat.history_thread import HistoryThread
from jackfield_webchat.intake import chat_of, room_of
from jackfield_webchat.media import MediaStore
from jackfield_webchat.rooms import Rooms
from jackfield_webchat.server import WebServer

DEFAULT_PORT = 8420
RETRY_SECONDS = 2.0


class WebChat(Adapter):
    """Serves every web chat bot on one port. `retry_seconds`: how often a taken port is tried again."""

    platform = "webchat"

    def __init__(self, retry_seconds: float = RETRY_SECONDS) -> None:
        self._retry_seconds = retry_seconds
        self._bots: dict[str, Bot] = {}
        self._rooms = Rooms()
        self._history: HistoryThread
        self._media: MediaStore
        self._server: WebServer
        self._runner: web.AppRunner
        self._port = 0
        self._listening: asyncio.Task[None] | None = None
        self._set_up = asyncio.Event()

    # Life.

    async def setup(self) -> None:
        folder = self.plugin.data_dir
        config = self.plugin.config
        self._history = HistoryThread(folder / "history.sqlite")
        self._media = MediaStore(folder / "media", self._history)
        await self._media.prepare()
        default_bot = str(config.get("default_bot") or "web")
        self._server = WebServer(self._bots, default_bot, self._history, self._rooms, self._media)
        self._runner = web.AppRunner(self._server.app(), access_log=None)
        await self._runner.setup()
        self._default_bot = default_bot
        self._host = str(config.get("host") or "localhost")
        self._wanted = int(config.get("port", DEFAULT_PORT))
        if not await self._listen():
            self._listening = asyncio.ensure_future(self._listen_later())
        self._set_up.set()

    async def teardown(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})
        await self._server.settle()
        await self._runner.cleanup()
        self._history.close()

    async def _listen_later(self) -> None:
        while True:
            await asyncio.sleep(self._retry_seconds)
            if await self._listen():
                return

    async def _listen(self) -> bool:
        """Opens the port and says so; False, with the reason reported, when it cannot be had."""
        try:
            sockets = await asyncio.to_thread(
                listen,
                [self._host],
                self._wanted,
                plugin="webchat (WEBCHAT_PORT)",
                successor=self.plugin.successor,
            )
        except CannotListen as error:
            self._unready = error
            self.plugin.not_ready(error)
            return False
        for opened in sockets:
            await web.SockSite(self._runner, opened).start()
        self._port = sockets[0].getsockname()[1]
        self.plugin.ready(addresses=[("Web chat", self._url(self._default_bot))])
        for bot in self._bots.values():
            bot.state(BotState.ACTIVE)
        return True

    def _url(self, bot: str) -> str:
        host = "127.0.0.1" if self._host in ("localhost", "0.0.0.0") else self._host
        host = socket.gethostname() if host == "::" else host
        place = f"[{host}]" if ":" in host else host
        return f"http://{place}:{self._port or self._wanted}/" + (
            "" if bot == self._default_bot else f"b/{bot}/"
        )

    async def open_bot(self, bot: Bot) -> OpenedBot:
        # The kernel may be quicker than our database.
        await self._set_up.wait()
        if not guard.token_of(bot) and not is_loopback(self._host):
            raise InvalidArgument(
                f"the bot {bot.name} has no token, and {self._host} can be reached from other machines",
                remedy="Set `token` for the bot (WEBCHAT_TOKEN), or `host: localhost` for the plugin.",
                metadata={"field": "token"},
            )
        self._bots[bot.name] = bot
        account = User(id=bot.name, nickname=str(bot.config.get("title") or bot.name), is_bot=True)
        if not self._port:
            bot.state(BotState.CONNECTING, self._unready, account)
        return OpenedBot(self=account, addresses=(BotAddress("Web chat", self._url(bot.name)),))

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        self._bots.pop(bot.name, None)
        if reason is CloseReason.HANDOVER and not self._bots:
            # Pages that come back must find the new version, not this one.
            for site in list(self._runner.sites):
                await site.stop()
        leaving = [one.close(1012, "the bot is closed") for one in self._rooms.of_bot(bot.name)]
        await asyncio.gather(*leaving)
        return None

    # Messages.

    async def send_message(self, call: Call, message: Message) -> SendResult:
        room = await self._room(call)
        chain, degraded = await self._chain(room, message)
        fresh = Entry(room, _new_id(), "assistant", chain, time.time(), call_key=call.key)
        entry, new = await self._history.run(History.add, fresh)
        if new:
            self._rooms.show(entry)
        return SendResult(message_id=entry.message_id, degraded=degraded)

    async def stream_reply(self, call: Call, steps: StreamSteps) -> SendResult:
        room = await self._room(call)
        opening = steps.opening
        quote: Chain = []
        if opening.quote_origin and opening.reference is not None:
            quote = [{"type": "Quote", "id": opening.reference.message_id}]
        entry: Entry | None = None
        degraded: tuple[str, ...] = ()
        try:
            async for step in steps:
                message = Message(Text(step.text, opening.format), step.attachments or Message())
                chain, degraded = await self._chain(room, message)
                chain = quote + chain
                if entry is None:
                    entry = await self._begin(call, room, chain)
                    if entry.state is TextState.FINAL:
                        return SendResult(message_id=entry.message_id)
                if step.is_final:
                    entry = await self._history.run(_finish, entry, chain)
                    self._rooms.settle(entry)
                else:
                    entry = replace(entry, chain=chain, state=TextState.STREAMING)
                    self._rooms.grow(entry)
        finally:
            if entry is not None and entry.state is TextState.STREAMING:
                # The writer vanished. The text stays as it is; the same call may go on with this message.
                stopped = await self._history.run(_interrupt, entry)
                self._rooms.settle(stopped)
        assert entry is not None  # a stream without a step raises
        return SendResult(message_id=entry.message_id, degraded=degraded)

    async def _begin(self, call: Call, room: Room, chain: Chain) -> Entry:
        """The message that a streamed reply fills: of an earlier attempt under the same key, or a new one."""
        fresh = Entry(
            room, _new_id(), "assistant", chain, time.time(), state=TextState.STREAMING, call_key=call.key
        )
        entry, _ = await self._history.run(History.add, fresh)
        return entry

    async def edit_message(self, call: Call, message_id: str, message: Message) -> Iterable[str] | None:
        entry = await self._own(call, message_id)
        chain, degraded = await self._chain(entry.room, message)
        self._rooms.show(await self._history.run(_finish, entry, chain))
        return degraded

    async def delete_message(self, call: Call, message_id: str) -> None:
        entry = await self._own(call, message_id)
        self._rooms.show(await self._history.run(_delete, entry))

    async def get_message(self, call: Call, message_id: str) -> Event:
        entry = await self._entry(call, message_id)
        text = message_of(entry.chain, {}) if entry.role == "user" and not _has_keys(entry.chain) else None
        message = text or Message("".join(part.get("text", "") for part in entry.chain))
        sender = (
            User(id=entry.sender, nickname=entry.nickname) if entry.role == "user" else call.bot.self_user
        )
        payload = MessageReceived(message_id=message_id, message=message)
        return call.bot.complete(Event(payload=payload, chat=chat_of(entry.room), sender=sender))

    async def add_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        entry = await self._entry(call, message_id)
        if reaction not in entry.reactions:
            self._rooms.show(await self._history.run(_react, entry, (*entry.reactions, reaction)))

    async def remove_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        entry = await self._entry(call, message_id)
        if reaction in entry.reactions:
            left = tuple(one for one in entry.reactions if one != reaction)
            self._rooms.show(await self._history.run(_react, entry, left))

    async def send_typing(self, call: Call) -> None:
        self._rooms.tell(room_of(call.bot.name, call.chat), frames.typing())

    async def answer_interaction(
        self,
        call: Call,
        interaction_id: str,
        message: Message | None,
        reply_context: bytes,
        ephemeral: bool,
        replace_origin: bool,
    ) -> SendResult | None:
        if message is None:
            return None
        origin, _, _ = interaction_id.partition("/")
        if replace_origin:
            degraded = await self.edit_message(call, origin, message)
            return SendResult(message_id=origin, degraded=tuple(degraded or ()))
        return await self.send_message(call, message)

    # Media, chats, users.

    async def fetch_media(
        self, call: Call, platform_id: str, message_id: str, max_bytes: int
    ) -> AsyncIterator[MediaChunk]:
        media = await self._media.find(call.bot.name, platform_id)
        if media is None:
            raise NotFound("there is no such file", metadata={"platform_id": platform_id})
        if media.size > max_bytes:
            raise InvalidArgument("the file is larger than max_bytes", metadata={"size": str(media.size)})
        first = True
        async for data in self._media.chunks(media):
            yield MediaChunk(data, media.mime, media.name, media.size) if first else MediaChunk(data)
            first = False

    async def get_chat_info(self, call: Call) -> ChatDetails:
        room = await self._room(call)
        if call.chat.type is ChatType.PRIVATE:
            return ChatDetails(chat=chat_of(room), user=await self.get_user_info(call, room.session))
        return ChatDetails(chat=chat_of(room), group=Group(id=room.session, name=room.session))

    async def get_user_info(self, call: Call, user_id: str) -> User:
        if user_id == call.bot.name and call.bot.self_user is not None:
            return call.bot.self_user
        nickname = await self._history.run(History.nickname, call.bot.name, user_id)
        if nickname is None and not await self._history.run(
            History.knows, Room(call.bot.name, "person", user_id)
        ):
            raise NotFound("nobody wrote under this id", metadata={"user_id": user_id})
        return User(id=user_id, nickname=nickname or "")

    async def call_platform_api(
        self, call: Call, action: str, params: dict[str, Any]
    ) -> dict[str, Any] | None:
        if action != "broadcast":
            raise NotSupported(f"web chat has no action {action}", metadata={"action": action})
        text = params.get("message")
        if not isinstance(text, str) or not text:
            raise InvalidArgument("`message` must be text", metadata={"field": "params.message"})
        reached = self._rooms.tell_all(call.bot.name, frames.broadcast(text, time.time()))
        return {"connections": reached}

    # Inside.

    async def _room(self, call: Call) -> Room:
        room = room_of(call.bot.name, call.chat)
        if not await self._history.run(History.knows, room):
            raise NotFound(
                f"no browser ever opened the conversation {call.chat}",
                remedy="Open the page once; its session is the chat's id.",
                metadata={"chat": str(call.chat)},
            )
        return room

    async def _entry(self, call: Call, message_id: str) -> Entry:
        entry = await self._history.run(History.get, room_of(call.bot.name, call.chat), message_id)
        if entry is None or entry.deleted:
            raise NotFound("there is no such message", metadata={"message_id": message_id})
        return entry

    async def _own(self, call: Call, message_id: str) -> Entry:
        entry = await self._entry(call, message_id)
        if entry.role != "assistant":
            raise InvalidArgument("that message is not the bot's own", metadata={"message_id": message_id})
        return entry

    async def _chain(self, room: Room, message: Message) -> tuple[Chain, tuple[str, ...]]:
        """The chain to show; bytes that are blobs become files that the room's sessions may fetch."""
        keys: dict[str, str] = {}
        for segment in message:
            media = getattr(segment, "media", None)
            if isinstance(media, Media) and media.blob_id and media.blob_id not in keys:
                data = await self.plugin.get_blob(media.blob_id)
                keys[media.blob_id] = (await self._media.keep(room, data, media.name, time.time())).key
        return chain_of(message, keys)


def _finish(history: History, entry: Entry, chain: Chain) -> Entry:
    return history.change(entry, chain=chain, state=TextState.FINAL)


def _interrupt(history: History, entry: Entry) -> Entry:
    return history.change(entry, state=TextState.INTERRUPTED)


def _delete(history: History, entry: Entry) -> Entry:
    return history.change(entry, deleted=True, chain=[])


def _react(history: History, entry: Entry, reactions: tuple[str, ...]) -> Entry:
    return history.change(entry, reactions=reactions)


def _has_keys(chain: Chain) -> bool:
    return any("key" in part for part in chain)


def _new_id() -> str:
    return f"r-{secrets.token_hex(12)}"


def create_plugin(retry_seconds: float = RETRY_SECONDS) -> Plugin:
    """The plugin with its adapter."""
    plugin = Plugin("webchat", version="0.1.0")
    plugin.adapter(WebChat(retry_seconds))
    return plugin
