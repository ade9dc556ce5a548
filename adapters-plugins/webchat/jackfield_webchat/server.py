"""The web server: the page, its files and the WebSocket."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Mapping
from importlib.resources import files
from urllib.parse import unquote

from aiohttp import WSMsgType, web
from jackfield_sdk import Bot, ContentTooLarge

from jackfield_webchat import frames, guard
from jackfield_webchat.frames import MAX_FRAME, ClientFrame, FrameError
from jackfield_webchat.history import History, Room
from jackfield_webchat.history_thread import HistoryThread
from jackfield_webchat.intake import Intake
from jackfield_webchat.media import MAX_UPLOAD, MediaStore, kind_of
from jackfield_webchat.rooms import Connection, Rooms

# Seconds a client has to name its token, and a connection may be without any frame.
AUTHENTICATE_SECONDS = 10.0
IDLE_SECONDS = 86_400.0
# Between two pings of ours, and for the answer to our farewell.
HEARTBEAT_SECONDS = 30.0
FAREWELL_SECONDS = 2.0
# Frames of one connection that wait for the kernel.
MAX_INBOX = 16

TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class WebServer:
    """Routes requests to the open bots. `bots` is the adapter's own table and changes under us."""

    def __init__(
        self,
        bots: Mapping[str, Bot],
        default_bot: str,
        history: HistoryThread,
        rooms: Rooms,
        media: MediaStore,
    ) -> None:
        self._bots = bots
        self._default_bot = default_bot
        self._history = history
        self._rooms = rooms
        self._media = media
        self._intake = Intake(history, rooms, media)
        self._page = {file.name: file.read_bytes() for file in files(__package__).joinpath("page").iterdir()}
        self._working: set[asyncio.Task[None]] = set()

    def app(self) -> web.Application:
        """The application to serve."""
        app = web.Application(client_max_size=MAX_UPLOAD)
        app.router.add_get("/assets/{name}", self._asset)
        app.router.add_get("/b/{bot}", self._with_slash)
        for prefix in ("", "/b/{bot}"):
            app.router.add_get(f"{prefix}/", self._index)
            app.router.add_get(f"{prefix}/about", self._about)
            app.router.add_get(f"{prefix}/ws", self._socket)
            app.router.add_post(f"{prefix}/upload", self._upload)
            app.router.add_get(f"{prefix}/media/{{key}}", self._file)
        return app

    async def settle(self) -> None:
        """Gives up what still waits for the kernel; browsers send it again."""
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    # The page.

    async def _index(self, request: web.Request) -> web.Response:
        self._bot(request)
        return self._static(request, "index.html")

    async def _asset(self, request: web.Request) -> web.Response:
        guard.check_host(request, self._all_origins())
        return self._static(request, request.match_info["name"])

    async def _with_slash(self, request: web.Request) -> web.Response:
        raise web.HTTPPermanentRedirect(f"/b/{request.match_info['bot']}/")

    def _static(self, request: web.Request, name: str) -> web.Response:
        if name not in self._page:
            raise web.HTTPNotFound()
        body = self._page[name]
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers = guard.page_headers(request.host) | {"ETag": tag}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        kind = TYPES.get(name[name.rfind(".") :], "application/octet-stream")
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    async def _about(self, request: web.Request) -> web.Response:
        bot = self._bot(request)
        about = {
            "bot": bot.name,
            "title": _title(bot),
            "token_required": bool(guard.token_of(bot)),
            "max_upload": MAX_UPLOAD,
        }
        return web.json_response(about, headers={"Cache-Control": "no-store"})

    # Files.

    async def _upload(self, request: web.Request) -> web.Response:
        bot = self._bot(request)
        guard.check_origin(request, guard.origins_of(bot))
        room = await self._room_of_header(request, bot)
        data = await request.read()
        if not data:
            raise web.HTTPBadRequest(text="The file is empty.\n")
        name = unquote(request.headers.get("X-File-Name", "")).replace("/", "_").replace("\\", "_")
        try:
            media = await self._media.keep(room, data, name, time.time())
        except ContentTooLarge as error:
            raise web.HTTPInsufficientStorage(text=f"{error.message}\n") from error
        answer = {"key": media.key, "type": kind_of(media.mime), "mime": media.mime, "size": media.size}
        return web.json_response(answer | {"name": media.name})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        bot = self._bot(request)
        guard.check_origin(request, guard.origins_of(bot))
        room = await self._room_of_header(request, bot)
        media = await self._media.find(bot.name, request.match_info["key"])
        if media is None or media.room != room:
            raise web.HTTPNotFound()
        headers = {
            "Content-Type": media.mime,
            "Content-Disposition": "attachment",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "private, max-age=3600",
        }
        return web.FileResponse(self._media.path(media), headers=headers)

    async def _room_of_header(self, request: web.Request, bot: Bot) -> Room:
        if not guard.is_token(bot, guard.bearer(request)):
            raise web.HTTPUnauthorized(text="The token is missing or wrong.\n")
        kind, _, session = request.headers.get("X-Session", "").partition(":")
        if kind not in ("person", "group") or not guard.SESSION.fullmatch(session):
            raise web.HTTPBadRequest(text="X-Session must say person:<session> or group:<session>.\n")
        room = Room(bot.name, "person" if kind == "person" else "group", session)
        if not await self._history.run(History.knows, room):
            raise web.HTTPNotFound()
        return room

    # The WebSocket.

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        bot = self._bot(request)
        guard.check_origin(request, guard.origins_of(bot))
        if self._rooms.full:
            raise web.HTTPServiceUnavailable(text="Too many connections.\n", headers={"Retry-After": "30"})
        socket = web.WebSocketResponse(
            max_msg_size=MAX_FRAME, heartbeat=HEARTBEAT_SECONDS, timeout=FAREWELL_SECONDS, compress=False
        )
        await socket.prepare(request)
        try:
            connection = await self._admit(request, bot, socket)
        except FrameError as error:
            await socket.send_json(frames.error(error.code, str(error)))
            await socket.close(code=4401 if error.code == "UNAUTHENTICATED" else 4400)
            return socket
        await self._history.run(History.enter, connection.room, time.time())
        connection.uses(request.transport)
        greeting = frames.connected(connection.id, connection.room, connection.user, _title(bot), time.time())
        connection.send(greeting)
        self._rooms.join(connection)
        writer = asyncio.ensure_future(connection.write())
        inbox: asyncio.Queue[ClientFrame | None] = asyncio.Queue(MAX_INBOX)
        work = asyncio.ensure_future(self._work(bot, connection, inbox))
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        try:
            await self._read(socket, connection, inbox)
        finally:
            self._rooms.leave(connection)
            writer.cancel()
            await asyncio.wait({writer})
            # What was read is still published, even when its sender closed the page at once.
            if work.done() or inbox.full():
                work.cancel()
            else:
                inbox.put_nowait(None)
        return socket

    async def _admit(self, request: web.Request, bot: Bot, socket: web.WebSocketResponse) -> Connection:
        query = request.query
        kind = query.get("session_type", "person")
        session = query.get("session") or secrets.token_urlsafe(16)
        browser = query.get("user") or session
        if kind not in ("person", "group"):
            raise FrameError("INVALID_ARGUMENT", "session_type is person or group")
        if not guard.SESSION.fullmatch(session) or not guard.USER.fullmatch(browser):
            raise FrameError("INVALID_ARGUMENT", "session and user are 1 to 64 of A-Z a-z 0-9 _ . -")
        if not guard.is_token(bot, guard.bearer(request)):
            await self._authenticate(bot, socket)
        room = Room(bot.name, "person" if kind == "person" else "group", session)
        user = session if kind == "person" else guard.public_id(browser)
        return Connection(secrets.token_hex(16), room, user, query.get("nickname", "")[:64], socket)

    async def _authenticate(self, bot: Bot, socket: web.WebSocketResponse) -> None:
        """Waits for the `authenticate` frame; browsers cannot set headers on a WebSocket."""
        try:
            first = await socket.receive(timeout=AUTHENTICATE_SECONDS)
        except TimeoutError as error:
            raise FrameError("UNAUTHENTICATED", "no authenticate frame came in time") from error
        frame = frames.read(first.data) if first.type is WSMsgType.TEXT else ClientFrame("", "", {})
        if frame.type != "authenticate" or not guard.is_token(bot, frame.text("token", 4096)):
            raise FrameError("UNAUTHENTICATED", "the token is missing or wrong", frame.id)

    async def _read(
        self,
        socket: web.WebSocketResponse,
        connection: Connection,
        inbox: asyncio.Queue[ClientFrame | None],
    ) -> None:
        while True:
            try:
                received = await socket.receive(timeout=IDLE_SECONDS)
            except TimeoutError:
                await connection.close(4408, "idle")
                return
            if received.type is WSMsgType.BINARY:
                connection.send(frames.error("INVALID_FRAME", "frames are text"))
                continue
            if received.type is WSMsgType.CLOSING:
                await connection.closed.wait()
            if received.type is not WSMsgType.TEXT:
                return
            try:
                frame = frames.read(received.data)
            except FrameError as error:
                connection.send(frames.error(error.code, str(error), error.request_id))
                continue
            if frame.type == "ping":
                connection.send(frames.pong(time.time()))
            elif frame.type == "disconnect":
                await connection.close(1000, "goodbye")
                return
            elif frame.type == "authenticate":
                # Without a token configured a client may still send one.
                continue
            # One place stays free for the end.
            elif inbox.qsize() >= MAX_INBOX - 1:
                connection.send(frames.error("OVERLOADED", "too many frames wait; send it later", frame.id))
            else:
                inbox.put_nowait(frame)

    async def _work(self, bot: Bot, connection: Connection, inbox: asyncio.Queue[ClientFrame | None]) -> None:
        while (frame := await inbox.get()) is not None:
            try:
                await self._intake.handle(bot, connection, frame)
            except Exception:
                # The border to the browser: a fault of ours (a full disk) must not end the conversation.
                bot.log.exception("a frame could not be handled")
                connection.send(frames.error("INTERNAL", "this could not be stored; see the log", frame.id))

    def _bot(self, request: web.Request) -> Bot:
        guard.check_host(request, self._all_origins())
        name = request.match_info.get("bot", self._default_bot)
        bot = self._bots.get(name)
        if bot is None:
            text = f"No bot named {name[:40]} is open here.\n"
            if name == self._default_bot:
                raise web.HTTPServiceUnavailable(text=text, headers={"Retry-After": "2"})
            raise web.HTTPNotFound(text=text)
        return bot

    def _all_origins(self) -> set[str]:
        return {origin for bot in self._bots.values() for origin in guard.origins_of(bot)}


def _title(bot: Bot) -> str:
    return str(bot.config.get("title") or bot.name)
