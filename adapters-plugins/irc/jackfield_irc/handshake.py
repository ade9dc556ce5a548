"""The first words on a connection: password, capabilities, SASL, nickname."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

from jackfield_sdk import AuthExpired, InvalidArgument, JackfieldError, PermissionDenied, Unavailable

from jackfield_irc.line import Line
from jackfield_irc.settings import Settings

WANTED = frozenset({"account-tag", "message-tags", "multi-prefix", "server-time"})
SASL = "sasl"
CHUNK = 400
NICK_TRIES = 4

Read = Callable[[], Awaitable[Line]]
Write = Callable[..., Awaitable[None]]


class Handshake:
    """One of them. `run` returns the nickname that the server gave."""

    def __init__(self, settings: Settings, read: Read, write: Write) -> None:
        self._settings = settings
        self._read = read
        self._write = write
        self._nick = settings.nick
        self._offered: set[str] = set()

    async def run(self) -> str:
        """Raises AuthExpired, PermissionDenied, InvalidArgument, Unavailable."""
        settings = self._settings
        if settings.server_password:
            await self._write("PASS", settings.server_password)
        await self._write("CAP", "LS", "302")
        await self._write("NICK", self._nick)
        await self._write("USER", settings.nick[:9], "0", "*", settings.realname)
        while True:
            line = await self._read()
            if line.command == "001":
                if settings.password and SASL not in self._offered:
                    raise _no_sasl()
                return line.param(0) or self._nick
            await self._answer(line)

    async def _answer(self, line: Line) -> None:
        command = line.command
        if command == "CAP":
            await self._capabilities(line)
        elif command == "AUTHENTICATE":
            await self._authenticate()
        elif command == "903":
            await self._write("CAP", "END")
        elif command in ("433", "436", "437"):
            await self._another_nick()
        else:
            _judge(line)

    async def _capabilities(self, line: Line) -> None:
        verb = line.param(1).upper()
        if verb == "LS":
            self._offered |= {one.partition("=")[0] for one in line.params[-1].split()}
            if line.param(2) == "*":
                return
            wanted = sorted(self._offered & (WANTED | ({SASL} if self._settings.password else set())))
            if self._settings.password and SASL not in wanted:
                raise _no_sasl()
            if wanted:
                await self._write("CAP", "REQ", " ".join(wanted))
            else:
                await self._write("CAP", "END")
        elif verb == "ACK" and SASL in line.params[-1].split():
            await self._write("AUTHENTICATE", "PLAIN")
        elif verb in ("ACK", "NAK"):
            await self._write("CAP", "END")

    async def _authenticate(self) -> None:
        settings = self._settings
        secret = f"{settings.account}\0{settings.account}\0{settings.password}"
        text = base64.b64encode(secret.encode()).decode()
        for start in range(0, len(text), CHUNK):
            await self._write("AUTHENTICATE", text[start : start + CHUNK])
        if len(text) % CHUNK == 0:
            await self._write("AUTHENTICATE", "+")

    async def _another_nick(self) -> None:
        """The nickname is taken, most often by a connection of ours that the server has not given up yet."""
        if len(self._nick) >= len(self._settings.nick) + NICK_TRIES:
            raise Unavailable(f"the nickname {self._settings.nick} is in use", retry_after=30.0)
        self._nick += "_"
        await self._write("NICK", self._nick)


def _judge(line: Line) -> None:
    """Raises what a refusal means; anything else is small talk."""
    words = line.params[-1] if line.params else ""
    error: JackfieldError | None = None
    if line.command in ("464", "902", "904", "905", "906", "907"):
        error = AuthExpired(
            f"the server refused the credentials: {words}",
            remedy="Set `account` and `password` of the bot anew.",
        )
    elif line.command == "432":
        error = InvalidArgument(f"the server refuses the nickname: {words}", metadata={"field": "nick"})
    elif line.command in ("465", "466"):
        error = PermissionDenied(f"the server does not want the bot: {words}")
    elif line.command == "ERROR":
        error = Unavailable(f"the server closed the connection: {words}", retry_after=10.0)
    if error is not None:
        raise error


def _no_sasl() -> InvalidArgument:
    return InvalidArgument(
        "the server offers no SASL, so the password cannot be used safely",
        remedy="Remove `password`; a password of the server itself is `server_password`.",
        metadata={"field": "password"},
    )
