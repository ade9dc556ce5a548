"""One connection to a server: lines in both directions, questions with their answers, kept alive.

IRC confirms nothing. But a server answers in order, so a PING behind a line is answered after whatever that line caused: what came
between belongs to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jackfield_sdk import OutcomeUnknown, Unavailable

from jackfield_irc.handshake import Handshake
from jackfield_irc.line import Line, NotALine, encoded, parse
from jackfield_irc.pace import Pace, Sleep
from jackfield_irc.settings import Settings

CONNECT_SECONDS = 20.0
ANSWER_SECONDS = 15.0
IDLE_SECONDS = 60.0
LONGEST_READ = 16_384
MOST_UNPARSED = 200

Words = tuple[str, ...]


@dataclass
class _Question:
    token: str
    answered: asyncio.Future[None]
    lines: list[Line] = field(default_factory=list)


class Connection:
    """`heard` gets every line but those of the handshake; `unparsed` gets bytes that are none."""

    def __init__(
        self,
        settings: Settings,
        heard: Callable[[Line, bytes], None],
        unparsed: Callable[[bytes], None],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._heard = heard
        self._unparsed = unparsed
        self._pace = Pace(settings.flood_lines, settings.flood_seconds, sleep)
        self._tokens = itertools.count(1)
        self._turn = asyncio.Lock()
        self._question: _Question | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> str:
        """Connects and registers; the nickname. Raises what the handshake raises."""
        settings = self._settings
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._reader, self._writer = await asyncio.open_connection(
                    settings.server, settings.port, ssl=settings.tls, limit=LONGEST_READ
                )
                return await Handshake(settings, self._next, self._write).run()
        except (OSError, TimeoutError, EOFError) as error:
            await self.close()
            said = str(error) or type(error).__name__
            raise Unavailable(f"{settings.server}:{settings.port} was not reached: {said}") from error
        except BaseException:
            await self.close()
            raise

    async def run(self) -> str:
        """Reads until the connection ends; why it did."""
        pinged = False
        try:
            while True:
                try:
                    async with asyncio.timeout(IDLE_SECONDS):
                        data = await self._read()
                except TimeoutError:
                    if pinged:
                        return "the server did not answer"
                    pinged = True
                    await self._write("PING", "alive")
                    continue
                pinged = False
                await self._take(data)
        except EOFError:
            return "the server closed the connection"
        except (OSError, ValueError) as error:
            return str(error) or type(error).__name__
        finally:
            self._lost()

    async def ask(self, *lines: Words) -> Sequence[Line]:
        """Sends lines, in one turn; what the server said until it had dealt with them.

        Raises Unavailable before anything was sent, OutcomeUnknown when the answer did not come.
        """
        async with self._turn:
            writer = self._writer
            if writer is None:
                raise Unavailable("the bot is not connected", retry_after=1.0)
            token = f"jackfield-{next(self._tokens)}"
            question = self._question = _Question(token, asyncio.get_running_loop().create_future())
            try:
                for line in (*lines, ("PING", token)):
                    await self._pace.turn()
                    await self._write(*line)
                async with asyncio.timeout(ANSWER_SECONDS):
                    await question.answered
            except (OSError, TimeoutError) as error:
                raise OutcomeUnknown("the server did not say what became of it") from error
            finally:
                self._question = None
            return question.lines

    async def close(self, reason: str = "") -> None:
        """Leaves; nothing is heard afterwards."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        with contextlib.suppress(OSError):
            writer.write(encoded("QUIT", reason))
            async with asyncio.timeout(1.0):
                await writer.drain()
        writer.close()
        self._lost()

    def answer(self, nick: str, text: str) -> None:
        """A NOTICE that waits for nobody and may be lost: answers to CTCP."""
        if self._writer is not None:
            self._writer.write(encoded("NOTICE", nick, text))

    async def _take(self, data: bytes) -> None:
        try:
            line = parse(data)
        except NotALine:
            self._unparsed(data[:MOST_UNPARSED])
            return
        if line.command == "PING":
            await self._write("PONG", *line.params)
            return
        question = self._question
        if question is not None:
            if line.command == "PONG" and line.param(1) == question.token:
                if not question.answered.done():
                    question.answered.set_result(None)
                return
            question.lines.append(line)
        self._heard(line, data)

    async def _next(self) -> Line:
        """The next line of the handshake."""
        while True:
            data = await self._read()
            with contextlib.suppress(NotALine):
                line = parse(data)
                if line.command != "PING":
                    return line
                await self._write("PONG", *line.params)

    async def _read(self) -> bytes:
        if self._reader is None:
            raise EOFError
        while True:
            data = await self._reader.readline()
            if not data:
                raise EOFError
            if stripped := data.rstrip(b"\r\n"):
                return stripped

    async def _write(self, command: str, *params: str) -> None:
        if self._writer is None:
            raise ConnectionResetError("the connection is closed")
        self._writer.write(encoded(command, *params))
        await self._writer.drain()

    def _lost(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        question = self._question
        if question is not None and not question.answered.done():
            question.answered.set_exception(ConnectionResetError("the connection ended"))
