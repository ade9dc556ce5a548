"""A server that plays Discord: discord.py's gateway socket and any REST client connect to it unmodified but for the base URL.

It checks tokens, keeps sessions and replays them on RESUME, acknowledges heartbeats, answers like the REST API does, and fails on
demand.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSCloseCode, web

from tests.platforms.discord import world
from tests.platforms.discord.methods import Methods, Refused

TOKEN = "MTAwMA.Gx0000.fake-token-of-the-bot"
PRIVILEGED = {"members": 1 << 1, "presences": 1 << 8, "message_content": 1 << 15}


@dataclass(frozen=True, slots=True)
class Fault:
    """What one request gets instead of its answer. `after`: it is carried out, only its answer is lost."""

    status: int = 500
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    after: bool = False

    @classmethod
    def limited(cls, seconds: float) -> Fault:
        """Too many requests."""
        body = {"message": "You are being rate limited.", "retry_after": seconds, "global": False}
        return cls(429, body, {"Retry-After": str(seconds), "Via": "1.1 google"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was made."""

    method: str
    path: str
    body: Any
    files: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class Session:
    """A gateway session: what was dispatched in it, so that it can be replayed."""

    id: str
    intents: int
    sent: list[dict[str, Any]] = field(default_factory=list)
    sockets: list[Connection] = field(default_factory=list)

    @property
    def sequence(self) -> int:
        """Of the last dispatch."""
        return len(self.sent)


class Connection:
    """One socket; compressed as asked for, one context for all of it."""

    def __init__(self, socket: web.WebSocketResponse, compress: bool) -> None:
        self.socket = socket
        self._context = zlib.compressobj() if compress else None

    async def send(self, frame: dict[str, Any]) -> None:
        await self.send_text(json.dumps(frame, separators=(",", ":")))

    async def send_text(self, text: str) -> None:
        # A socket that was cut swallows what is sent into it, as a network does.
        with suppress(ConnectionError):
            await self._write(text)

    async def _write(self, text: str) -> None:
        if self.socket.closed:
            return
        if self._context is None:
            await self.socket.send_str(text)
        else:
            data = self._context.compress(text.encode()) + self._context.flush(zlib.Z_SYNC_FLUSH)
            # Split as Discord may do: a message ends with the flush mark.
            await self.socket.send_bytes(data[: len(data) // 2])
            await self.socket.send_bytes(data[len(data) // 2 :])


class Server:
    """The platform for one bot. `requests` are those that the bot made, `identified` and `resumed` how it connected."""

    def __init__(self) -> None:
        self.url = ""
        self.token = TOKEN
        self.heartbeat_ms = 41_250
        self.acknowledges = True
        self.allowed = frozenset({"members", "message_content"})
        self.requests: list[Request] = []
        self.identified: list[dict[str, Any]] = []
        self.resumed: list[dict[str, Any]] = []
        self.beats = 0
        self.methods = Methods(self)
        self.sessions: dict[str, Session] = {}
        self.current: Session | None = None
        self.remaining = 1000
        self._faults: list[tuple[str, str, deque[Fault]]] = []
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    # What tests do.

    async def dispatch(self, kind: str, native: dict[str, Any]) -> None:
        """Something happened: into the session, and to its socket where one is open."""
        session = self.current
        if session is None:
            return
        frame = {"t": kind, "s": session.sequence + 1, "op": 0, "d": native}
        session.sent.append(frame)
        await self._to_all(session, frame)

    async def say(
        self, text: str, channel: str = world.GENERAL, author: Any = None, **fields: Any
    ) -> dict[str, Any]:
        """Somebody writes; returns the native message."""
        native = self.methods.store(channel, {"content": text, "author": author or world.ANN, **fields})
        await self.dispatch("MESSAGE_CREATE", self.methods.told(native))
        return native

    async def interact(
        self, kind: int, data: dict[str, Any], channel: str = world.GENERAL, **fields: Any
    ) -> dict[str, Any]:
        """Ann uses a command (2), a control (3), a form (5)."""
        token = f"token-{world.snowflake()}"
        self.methods.tokens[token] = channel
        native = {
            "id": world.snowflake(),
            "application_id": world.APPLICATION,
            "type": kind,
            "data": data,
            "token": token,
            "channel_id": channel,
            "guild_id": world.GUILD,
            "member": {"user": world.ANN, "nick": "Annie", "roles": []},
            **fields,
        }
        await self.dispatch("INTERACTION_CREATE", native)
        return native

    async def again(self, number: int = -1) -> None:
        """The same dispatch once more."""
        assert self.current is not None
        await self._to_all(self.current, self.current.sent[number])

    async def raw(self, text: str) -> None:
        """Something that is no proper frame."""
        assert self.current is not None
        for connection in self.current.sockets:
            await connection.send_text(text)

    async def ask_to_reconnect(self) -> None:
        """Opcode 7."""
        assert self.current is not None
        await self._to_all(self.current, {"op": 7, "d": None, "s": None, "t": None})

    async def cut(self, code: int = 1006) -> None:
        """Drops the socket, or closes it with a code."""
        for session in self.sessions.values():
            for connection in list(session.sockets):
                if code == 1006 and (transport := connection.socket._req.transport) is not None:
                    transport.abort()
                else:
                    await connection.socket.close(code=code)

    def forget_sessions(self) -> None:
        """No session can be resumed any more."""
        self.sessions.clear()
        self.current = None

    def fail(self, method: str, part: str, *faults: Fault) -> None:
        """The next requests with this method whose path holds `part` fail."""
        self._faults.append((method, part, deque(faults)))

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Waits until something is true of the server."""
        async with asyncio.timeout(15), self._changed:
            while not (found := condition()):
                await self._changed.wait()
            return found

    async def request(self, method: str, part: str, number: int = 1) -> Request:
        """Waits for the n-th request with this method whose path holds `part`."""
        found = await self.until(lambda: len(fitting := self.made(method, part)) >= number and fitting)
        return found[number - 1]

    def made(self, method: str, part: str) -> list[Request]:
        """The requests so far."""
        return [one for one in self.requests if one.method == method and part in one.path]

    # Serving.

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        """Serves on a free port."""
        application = web.Application(client_max_size=64 << 20)
        application.router.add_get("/gateway", self._gateway)
        application.router.add_get("/cdn/{path:.*}", self._cdn)
        application.router.add_route("*", "/api/v10/{path:.*}", self._rest)
        self._runner = web.AppRunner(application, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/api/v10"
        try:
            yield self
        finally:
            await self.cut(WSCloseCode.GOING_AWAY)
            await self._runner.cleanup()

    @property
    def gateway_url(self) -> str:
        """Where the gateway is."""
        return self.url.replace("http", "ws", 1).replace("/api/v10", "/gateway")

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        body, files = await _body_of(request)
        fault = self._fault(request.method, path)
        answer: Any = None
        status = 200
        if fault is None or fault.after:
            try:
                if request.headers.get("Authorization") != f"Bot {self.token}" and not path.startswith(
                    ("webhooks", "interactions")
                ):
                    raise Refused(401, 0, "401: Unauthorized")
                answer = await self.methods.answer(request.method, path, body, files, dict(request.query))
                status = 204 if answer is None else 200
            except Refused as refused:
                status, answer = refused.status, refused.body
        self.requests.append(Request(request.method, path, body, tuple(files)))
        await self._notify()
        if fault is not None:
            if fault.drop:
                assert request.transport is not None
                request.transport.abort()
                raise web.HTTPInternalServerError
            status, answer = (
                fault.status,
                fault.body if fault.body is not None else {"message": "fault", "code": 0},
            )
        headers = {"Content-Type": "application/json", **(fault.headers if fault is not None else {})}
        text = "" if status == 204 else answer if isinstance(answer, str) else json.dumps(answer)
        return web.Response(status=status, body=text.encode(), headers=headers)

    async def _cdn(self, request: web.Request) -> web.Response:
        data = self.methods.files.get(request.match_info["path"])
        return web.Response(body=data) if data is not None else web.Response(status=404)

    async def _gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=1 << 20)
        await socket.prepare(request)
        connection = Connection(socket, request.query.get("compress") == "zlib-stream")
        await connection.send(
            {"op": 10, "d": {"heartbeat_interval": self.heartbeat_ms}, "s": None, "t": None}
        )
        session: Session | None = None
        try:
            async for message in socket:
                frame = json.loads(message.data)
                op, given = frame["op"], frame.get("d")
                if op == 1:
                    self.beats += 1
                    if self.acknowledges:
                        await connection.send({"op": 11, "d": None, "s": None, "t": None})
                elif op == 2:
                    session = await self._identify(connection, given)
                elif op == 6:
                    session = await self._resume(connection, given)
                else:
                    await socket.close(code=4001)
                await self._notify()
        finally:
            if session is not None and connection in session.sockets:
                session.sockets.remove(connection)
            await self._notify()
        return socket

    async def _identify(self, connection: Connection, given: dict[str, Any]) -> Session | None:
        self.identified.append(given)
        if given["token"] != self.token:
            await connection.socket.close(code=4004)
            return None
        for name, bit in PRIVILEGED.items():
            if given["intents"] & bit and name not in self.allowed:
                await connection.socket.close(code=4014, message=b"Disallowed intent(s).")
                return None
        session = Session(f"session-{len(self.identified)}", given["intents"], sockets=[connection])
        self.sessions[session.id] = self.current = session
        await self.dispatch(
            "READY",
            {
                "v": 10,
                "user": world.ME,
                "session_id": session.id,
                "resume_gateway_url": self.gateway_url,
                "guilds": [{"id": world.GUILD, "unavailable": True}],
                "private_channels": [],
                "application": {"id": world.APPLICATION, "flags": 0},
            },
        )
        await self.dispatch("GUILD_CREATE", self.methods.guild_create())
        return session

    async def _resume(self, connection: Connection, given: dict[str, Any]) -> Session | None:
        self.resumed.append(given)
        session = self.sessions.get(given["session_id"])
        if session is None or given["token"] != self.token or given["seq"] > session.sequence:
            await connection.send({"op": 9, "d": False, "s": None, "t": None})
            return None
        for frame in session.sent[given["seq"] :]:
            await connection.send(frame)
        session.sockets.append(connection)
        await self.dispatch("RESUMED", {})
        return session

    async def _to_all(self, session: Session, frame: dict[str, Any]) -> None:
        for connection in list(session.sockets):
            await connection.send(frame)

    def _fault(self, method: str, path: str) -> Fault | None:
        for wanted, part, faults in self._faults:
            if wanted == method and part in path and faults:
                return faults.popleft()
        return None

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


async def _body_of(request: web.Request) -> tuple[Any, list[tuple[str, bytes]]]:
    if request.content_type == "application/json":
        return await request.json(), []
    if not request.content_type.startswith("multipart/"):
        return None, []
    body: Any = None
    files: list[tuple[str, bytes]] = []
    async for part in await request.multipart():
        if part.name == "payload_json":
            body = json.loads(await part.text())
        else:
            files.append((part.filename or "", bytes(await part.read())))
    return body, files
