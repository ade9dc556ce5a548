"""Who is connected to which conversation."""

from __future__ import annotations

import asyncio
import json
from asyncio import Transport

from aiohttp import web

from jackfield_webchat.frames import Frame, shown
from jackfield_webchat.history import Entry, Room, TextState

MAX_CONNECTIONS = 1024
# Frames that wait for one client; who reads slower than that is dropped, so that nobody waits for them.
MAX_QUEUE = 100


class Connection:
    """One open WebSocket that has passed authentication."""

    def __init__(
        self, connection_id: str, room: Room, user: str, nickname: str, socket: web.WebSocketResponse
    ) -> None:
        self.id = connection_id
        self.room = room
        self.user = user
        self.nickname = nickname
        self._socket = socket
        self._queue: asyncio.Queue[list[Frame]] = asyncio.Queue(MAX_QUEUE)
        self._transport: Transport | None = None
        # Whether it wants to see replies grow; each connection for itself.
        self.streams = True
        # Set when our own farewell is over; until then the socket must not be given up.
        self.closed = asyncio.Event()

    def uses(self, transport: asyncio.BaseTransport | None) -> None:
        """The transport below, which a slow client loses."""
        self._transport = transport if isinstance(transport, Transport) else None

    def send(self, *frames: Frame) -> None:
        """Queues frames as one item; a client whose queue is full is dropped."""
        try:
            self._queue.put_nowait(list(frames))
        except asyncio.QueueFull:
            if self._transport is not None:
                # A close handshake would wait behind the very bytes that the client does not read.
                self._transport.abort()

    async def write(self) -> None:
        """Writes queued frames until the connection ends."""
        try:
            while not self._socket.closed:
                for frame in await self._queue.get():
                    await self._socket.send_str(json.dumps(frame, ensure_ascii=False))
        except ConnectionError:
            # The reader sees the same end and cleans up.
            return

    async def close(self, code: int, reason: str) -> None:
        """Says goodbye."""
        try:
            await self._socket.close(code=code, message=reason.encode())
        finally:
            self.closed.set()


class Rooms:
    """The connections of every room, and the replies that are growing in it."""

    def __init__(self) -> None:
        self._connections: dict[Room, set[Connection]] = {}
        self._growing: dict[Room, dict[str, Entry]] = {}
        self._count = 0

    @property
    def full(self) -> bool:
        """No further connection is taken."""
        return self._count >= MAX_CONNECTIONS

    def join(self, connection: Connection) -> None:
        """A connection begins to see what happens in its room."""
        self._connections.setdefault(connection.room, set()).add(connection)
        self._count += 1

    def leave(self, connection: Connection) -> None:
        """A connection ended."""
        there = self._connections.get(connection.room, set())
        if connection in there:
            there.discard(connection)
            self._count -= 1
        if not there:
            self._connections.pop(connection.room, None)

    def of_bot(self, bot: str) -> list[Connection]:
        """All connections of a bot."""
        return [one for room, there in self._connections.items() if room.bot == bot for one in there]

    def tell_all(self, bot: str, frame: Frame) -> int:
        """Sends a frame to every connection of a bot; returns to how many."""
        there = self.of_bot(bot)
        for connection in there:
            connection.send(frame)
        return len(there)

    def tell(self, room: Room, frame: Frame, besides: Connection | None = None) -> None:
        """Sends a frame to every connection of a room but one."""
        for connection in list(self._connections.get(room, ())):
            if connection is not besides:
                connection.send(frame)

    def show(self, entry: Entry, besides: Connection | None = None) -> None:
        """Shows a message as it is now to its room."""
        for connection in list(self._connections.get(entry.room, ())):
            if connection is not besides and (connection.streams or entry.state is not TextState.STREAMING):
                connection.send(shown(entry, connection.id))

    def grow(self, entry: Entry) -> None:
        """Shows a reply that is not finished; who connects meanwhile sees it too."""
        self._growing.setdefault(entry.room, {})[entry.message_id] = entry
        self.show(entry)

    def settle(self, entry: Entry) -> None:
        """A reply stopped growing."""
        growing = self._growing.get(entry.room, {})
        growing.pop(entry.message_id, None)
        if not growing:
            self._growing.pop(entry.room, None)
        self.show(entry)

    def growing(self, room: Room) -> list[Entry]:
        """The unfinished replies of a room."""
        return list(self._growing.get(room, {}).values())
