"""One bot: its connection, made again whenever it ends, and what it hears."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from jackfield_sdk import Bot, BotState, Event, JackfieldError, PlatformEvent, User
from jackfield_sdk.spool import Spool, Spooled
from jackfield_sdk.spooling import Intake

from jackfield_irc.connection import Connection, Words
from jackfield_irc.incoming import Reader
from jackfield_irc.line import Line, NotALine, decoded, folded, parse
from jackfield_irc.pace import Sleep
from jackfield_irc.roster import Roster
from jackfield_irc.settings import Settings

FIRST_WAIT, LONGEST_WAIT = 1.0, 120.0
CTCP_ANSWERS = {"VERSION": "VERSION Jackfield", "CLIENTINFO": "CLIENTINFO ACTION CLIENTINFO PING VERSION"}


class Account:
    """A bot while it is open. Its tasks end with `close`."""

    def __init__(self, bot: Bot, settings: Settings, spool: Spool, sleep: Sleep = asyncio.sleep) -> None:
        self.settings = settings
        self.reader = Reader(Roster(), settings.nick)
        self._bot = bot
        self._sleep = sleep
        self._intake = Intake(bot, spool, self._read)
        self._connection = Connection(settings, self._heard, self._unparsed, sleep)
        self._tasks: list[asyncio.Task[None]] = []
        self._joining: set[asyncio.Task[None]] = set()

    async def open(self) -> User:
        """Raises what keeps the bot from connecting."""
        await self._intake.restore()
        await self._connect()
        self._tasks = [asyncio.create_task(self._intake.run()), asyncio.create_task(self._stay())]
        await self._enter()
        return self.user

    @property
    def user(self) -> User:
        """The bot's own account."""
        return User(id=self.reader.nick, nickname=self.reader.nick, is_bot=True)

    async def close(self, drain: float) -> None:
        """Leaves the server; what is not durable by then stands in the file."""
        for task in (*self._tasks[1:], *self._joining):
            task.cancel()
        await self._connection.close("Jackfield")
        if self._tasks:
            await self._intake.drained(drain)
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        await self._intake.file()

    async def ask(self, *lines: Words) -> Sequence[Line]:
        """See `Connection.ask`."""
        return await self._connection.ask(*lines)

    async def _connect(self) -> None:
        self.reader = Reader(Roster(), self.settings.nick)
        self.reader.nick = await self._connection.open()

    async def _stay(self) -> None:
        while True:
            why = await self._connection.run()
            self._bot.state(BotState.CONNECTING, why)
            await self._again()

    async def _again(self) -> None:
        wait = FIRST_WAIT
        while True:
            await self._sleep(wait * random.uniform(0.5, 1.0))
            try:
                await self._connect()
            except JackfieldError as error:
                state = BotState.CONNECTING if error.retryable else BotState.FAILED
                self._bot.state(state, error)
                wait = min(LONGEST_WAIT, 2 * wait)
                continue
            self._own(self._enter())
            self._bot.state(BotState.ACTIVE, self_user=self.user)
            return

    async def _enter(self) -> None:
        """Join the configured channels; one that does not let the bot in costs only itself. Then the own nickname is claimed back."""
        for channel, key in self.settings.channels:
            try:
                answers = await self.ask(("JOIN", channel, key) if key else ("JOIN", channel))
            except JackfieldError as error:
                self._bot.log.warning("channel %s was not joined: %s", channel, error)
                return
            refused = [line for line in answers if line.command.isdigit() and line.command[0] in "45"]
            if refused:
                self._bot.log.warning(
                    "channel %s was not joined: %s", channel, " ".join(refused[0].params[1:])
                )
        await self._claim()

    async def _claim(self) -> None:
        """The nickname was taken, most often by a connection of ours that the server had not given up yet."""
        if self.reader.mine(self.settings.nick):
            return
        try:
            await self.ask(("NICK", self.settings.nick))
        except JackfieldError as error:
            self._bot.log.info("the nickname %s is not free yet: %s", self.settings.nick, error)

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    def _heard(self, line: Line, data: bytes) -> None:
        self._bot.alive()
        stamp = datetime.now(UTC)
        if line.command == "QUIT" and folded(line.nick) == folded(self.settings.nick):
            self._own(self._claim())
        for event in self.reader.events(line):
            payload = event.payload
            if isinstance(payload, PlatformEvent) and payload.action == "ctcp":
                self._answer_ctcp(line, payload.data or {})
            raw = json.dumps({"line": decoded(data), "time": stamp.isoformat(), "nick": self.reader.nick})
            self._put(_complete(event, stamp), raw.encode())

    def _answer_ctcp(self, line: Line, data: dict[str, Any]) -> None:
        command = str(data.get("command", ""))
        answer = f"PING {data.get('text', '')}" if command == "PING" else CTCP_ANSWERS.get(command)
        if answer and line.user:
            self._connection.answer(line.nick, f"\x01{answer[:300]}\x01")

    def _unparsed(self, data: bytes) -> None:
        event = Event(payload=PlatformEvent("unparsed", {"line": decoded(data)}))
        self._put(event, json.dumps({"unparsed": decoded(data)}).encode())

    def _put(self, event: Event, raw: bytes) -> None:
        self._intake.put(_with_raw(event, raw), self.reader.nick)

    async def _read(self, record: Spooled) -> Event | None:
        """An event that an earlier process left in the file."""
        native = json.loads(record.frame)
        if "unparsed" in native:
            return _with_raw(
                Event(payload=PlatformEvent("unparsed", {"line": native["unparsed"]})), record.frame
            )
        try:
            line = parse(str(native["line"]).encode())
            stamp = datetime.fromisoformat(native["time"])
        except (NotALine, KeyError, ValueError):
            return None
        event = next(self.reader_of(str(native.get("nick", ""))).events(line), None)
        return None if event is None else _with_raw(_complete(event, stamp), record.frame)

    def reader_of(self, nick: str) -> Reader:
        """A reader for lines of an earlier connection."""
        return Reader(Roster(), nick or self.settings.nick)


def _complete(event: Event, stamp: datetime) -> Event:
    return event if event.time is not None else replace(event, time=stamp, time_is_receipt=True)


def _with_raw(event: Event, raw: bytes) -> Event:
    return replace(event, raw_json=raw)
