"""An IRC server with one channel, for one client at a time: registration, SASL, answers in order, trouble on demand."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress

from jackfield_irc.line import Line, encoded, parse

HOST = "local.irc"
ROOM = "#room"
ACCOUNT, PASSWORD = "jack", "a password of the local server"
PEOPLE = ("ann", "ben")


class Server:
    """Everything the client said is in `said`. `deeds` are what came of it."""

    def __init__(self) -> None:
        self.said: list[Line] = []
        self.deeds: list[tuple[str, str]] = []
        self.refusals: list[str] = []
        self.taken: set[str] = set()
        self.stalls = False
        self.stalled = False
        self.joined = False
        self.nick = ""
        self.changed = asyncio.Condition()
        self._waiting: list[tuple[str, str]] = []
        self._writer: asyncio.StreamWriter | None = None
        self._sasl = False
        self._held = False
        self._server: asyncio.Server

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """On a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """With its client."""
        self._server.close()
        self.drop()
        await self._server.wait_closed()

    def drop(self) -> None:
        """The connection breaks."""
        self.joined = False
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    def send(self, source: str, command: str, *params: str, tags: str = "") -> None:
        """A line to the client, from a person or from the server."""
        prefix = f"{source}!{source}@home" if source in PEOPLE or source == self.nick else source
        self.raw(f"{tags}:{prefix} ".encode() + encoded(command, *params))

    def raw(self, data: bytes) -> None:
        """Bytes to the client."""
        if self._writer is not None:
            self._writer.write(data)

    def numeric(self, number: str, *params: str) -> None:
        """A reply of the server."""
        self.send(HOST, number, self.nick or "*", *params)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.drop()
        self._writer, self.joined, self._sasl, self._held, self.nick = writer, False, False, False, ""
        try:
            with suppress(ConnectionError):
                while data := await reader.readline():
                    self._take(parse(data.rstrip(b"\r\n")))
                    async with self.changed:
                        self.changed.notify_all()
        finally:
            writer.close()

    def _take(self, line: Line) -> None:
        self.said.append(line)
        answer = getattr(self, f"_{line.command.lower()}", None)
        if answer is not None:
            answer(line)

    def _cap(self, line: Line) -> None:
        verb = line.param(0).upper()
        self._held = verb != "END"
        if verb == "LS":
            self.send(HOST, "CAP", "*", "LS", "sasl=PLAIN account-tag server-time message-tags")
        elif verb == "REQ":
            self.send(HOST, "CAP", "*", "ACK", line.param(1))
        self._welcome()

    def _authenticate(self, line: Line) -> None:
        if line.param(0) == "PLAIN":
            self.raw(b"AUTHENTICATE +\r\n")
            return
        self._sasl = base64.b64decode(line.param(0)).decode().split("\0")[1:] == [ACCOUNT, PASSWORD]
        self.numeric(*(("903", "welcome back") if self._sasl else ("904", "SASL authentication failed")))

    def _nick(self, line: Line) -> None:
        if line.param(0) in self.taken:
            self.numeric("433", line.param(0), "Nickname is already in use")
            return
        if self.joined or self.nick:
            self.send(self.nick, "NICK", line.param(0))
        self.nick = line.param(0)

    def _user(self, line: Line) -> None:
        self._welcome()

    def _welcome(self) -> None:
        if self.nick and not self._held:
            self.numeric("001", f"Welcome {self.nick}")
            self.numeric("376", "End of MOTD")

    def _join(self, line: Line) -> None:
        if line.param(0) != ROOM:
            self.numeric("403", line.param(0), "No such channel")
            return
        if self.joined:
            self.deeds.append(("JOIN", ""))
        self.joined = True
        self.send(self.nick, "JOIN", ROOM)
        self._names(line)

    def _names(self, line: Line) -> None:
        if line.param(0) == ROOM:
            self.numeric("353", "=", ROOM, f"@ann ben {self.nick}")
        self.numeric("366", line.param(0), "End of NAMES")

    def _topic(self, line: Line) -> None:
        if line.param(0) != ROOM:
            self.numeric("403", line.param(0), "No such channel")
        elif len(line.params) > 1:
            self.send(self.nick, "TOPIC", ROOM, line.param(1))
        else:
            self.numeric("332", ROOM, "what we talk about")

    def _whois(self, line: Line) -> None:
        if line.param(0) in PEOPLE:
            self.numeric("311", line.param(0), line.param(0), "home", "*", "A person")
        else:
            self.numeric("401", line.param(0), "No such nick")
        self.numeric("318", line.param(0), "End of WHOIS")

    def _mode(self, line: Line) -> None:
        self.send(self.nick, "MODE", *line.params)

    def _kick(self, line: Line) -> None:
        self.deeds.append(("KICK", ""))
        self.send(self.nick, "KICK", line.param(0), line.param(1))

    def _part(self, line: Line) -> None:
        self.joined = False
        self.deeds.append(("PART", ""))
        self.send(self.nick, "PART", line.param(0))

    def _privmsg(self, line: Line) -> None:
        target = line.param(0)
        if self.refusals:
            number = self.refusals.pop()
            self.numeric(number, target, "Cannot send")
        elif target != ROOM and target not in PEOPLE:
            self.numeric("401", target, "No such nick")
        else:
            self._waiting.append((target, line.param(1)))

    def _ping(self, line: Line) -> None:
        if self.stalls and self._waiting:
            self.stalls, self.stalled = False, True
            self._waiting.clear()
            return
        if self._waiting:
            self.deeds += [("PRIVMSG", text) for _, text in self._waiting]
            self._waiting.clear()
        self.send(HOST, "PONG", HOST, line.param(0))
