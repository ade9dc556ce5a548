"""From frames to events: each frame is understood, given its deduplication key and checkpoint, and put into the intake."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from jackfield_sdk import Bot, BotState, Event, JackfieldError, PlatformEvent, Unavailable
from jackfield_sdk.spool import Spooled
from jackfield_sdk.spooling import Intake

from jackfield_discord.catchup import CatchUp
from jackfield_discord.checkpoint import Checkpoint
from jackfield_discord.convert.events import OWN, Setting, event_of
from jackfield_discord.convert.values import (
    integer_of,
    snowflake_at,
    snowflake_time,
    table,
    tables,
    text_of,
    well_formed,
)
from jackfield_discord.directory import DM, Directory, place_of

Frame = Mapping[str, Any]
# Told by the gateway about itself.
_SESSION = ("READY", "RESUMED")


class Reader:
    """Makes the events of frames. Knows the bot's account and what its channels are."""

    def __init__(self, me: str, directory: Directory) -> None:
        self.me = me
        self.directory = directory
        # Native commands that other plugins answer as text.
        self.commands: frozenset[str] = frozenset()

    async def event_of(self, frame: Frame, raw: bytes) -> Event | None:
        """The event of one dispatch; None where there is nothing to tell."""
        kind, native = text_of(frame.get("t")), table(frame.get("d"))
        chat = None
        if channel := text_of(native.get("channel_id")):
            author = table(native.get("author")) or table(native.get("user"))
            guild = text_of(native.get("guild_id"))
            given = native.get("channel_type", table(native.get("channel")).get("type"))
            known = given if isinstance(given, int) else None
            who = text_of(author.get("id"))
            # In a private channel it is the other one who gives the chat its name.
            user = who if not guild and who != self.me else ""
            chat = (await self.directory.meet(channel, guild, known, user)).chat
        try:
            event = event_of(kind, native, Setting(self.me, chat, self.commands))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            event = Event(
                payload=PlatformEvent("unreadable", {"type": kind[:64], "error": type(error).__name__})
            )
        return replace(event, raw_json=raw) if event is not None else None

    async def read(self, record: Spooled) -> Event | None:
        """The event of a frame that an earlier process left."""
        return await self.event_of(table(json.loads(record.frame)), record.frame)


class Feed:
    """What the gateway of one bot says, in order."""

    def __init__(
        self,
        bot: Bot,
        reader: Reader,
        intake: Intake,
        catch_up: CatchUp,
        checkpoint: Checkpoint,
        interaction: Callable[[Frame], Awaitable[bool]],
    ) -> None:
        self._bot = bot
        self._reader = reader
        self._intake = intake
        self._catch_up = catch_up
        self._interaction = interaction
        self.checkpoint = checkpoint
        # Set with the first session of this process.
        self.started = asyncio.Event()
        # Servers that READY named: the bot is inside already.
        self._expected: set[str] = set()
        # After a gap: the message after which history is read.
        self._missed_after = 0

    async def frame(self, text: str) -> None:
        """One dispatch, as it came."""
        try:
            frame = table(json.loads(text))
        except (ValueError, RecursionError):
            self._bot.log.error("a frame of the gateway is no JSON")
            return
        sequence = integer_of(frame.get("s"))
        kind, native = text_of(frame.get("t")), table(frame.get("d"))
        if kind in _SESSION:
            await self._session(kind, native, sequence)
            return
        self.checkpoint = replace(self.checkpoint, sequence=max(sequence, self.checkpoint.sequence))
        await self._learn(kind, native)
        if kind == "GUILD_CREATE" and text_of(native.get("id")) in self._expected:
            self._expected.discard(text_of(native.get("id")))
            if self._missed_after:
                await self._fetch(self._catch_up.of_guild(native, self._missed_after))
            return
        if kind == "INTERACTION_CREATE" and not await self._interaction(native):
            return
        parts = list(_parts(frame))
        for number, part in enumerate(parts):
            key = f"s:{self.checkpoint.session}:{sequence}"
            await self._put(part, key if len(parts) == 1 else f"{key}:{number}")

    async def _put(self, frame: Frame, key: str) -> None:
        kind, native = text_of(frame.get("t")), table(frame.get("d"))
        event = await self._reader.event_of(frame, _encoded(frame))
        if kind in ("MESSAGE_CREATE", "INTERACTION_CREATE"):
            # The same message may also come out of the history.
            key = f"m:{text_of(native.get('id'))}"
            channel = text_of(native.get("channel_id"))
            place = self._reader.directory.known(channel)
            private = channel if place is not None and place.kind == DM else ""
            if kind == "MESSAGE_CREATE":
                self.checkpoint = self.checkpoint.saw(integer_of(native.get("id")), private)
        if event is not None:
            self._intake.put(event, self.checkpoint.session, key, self.checkpoint.encode())

    async def _session(self, kind: str, native: Frame, sequence: int) -> None:
        if kind == "READY":
            before = self.checkpoint
            now = snowflake_at(datetime.now(UTC))
            self.checkpoint = Checkpoint(
                text_of(native.get("session_id")),
                text_of(native.get("resume_gateway_url")),
                sequence,
                before.message or now,
                before.private,
            )
            self._expected = {text_of(guild.get("id")) for guild in tables(native.get("guilds"))}
            self._tell("session_started", {"guilds": len(self._expected)})
            self._missed_after = before.message
            if before.message:
                await self._gap(before.message)
        else:
            self.checkpoint = replace(self.checkpoint, sequence=max(sequence, self.checkpoint.sequence))
        self._bot.state(BotState.ACTIVE)
        self.started.set()

    async def _gap(self, after: int) -> None:
        """The last session is gone: what happened since is lost but for what history tells."""
        since = snowflake_time(after) or datetime.now(UTC)
        self._tell(
            "gap", {"reason": "session", "since": since.isoformat(), "until": datetime.now(UTC).isoformat()}
        )
        self._bot.log.warning("Discord kept no session since %s: reading the history", since.isoformat())
        self._catch_up.begin()
        for channel in self.checkpoint.private:
            await self._fetch(self._catch_up.of_channel(channel, after))

    async def _fetch(self, pages: Any) -> None:
        try:
            async for found in pages:
                if isinstance(found, PlatformEvent):
                    self._tell(found.action, found.data or {})
                else:
                    await self._put({"op": 0, "t": "MESSAGE_CREATE", "d": found}, "")
        except JackfieldError as error:
            self._bot.log.warning("the history was not read: %s", error)

    def _tell(self, action: str, values: dict[str, Any]) -> None:
        """An event of the adapter itself; its frame is for the file."""
        raw = _encoded({"op": 0, "t": OWN + action.upper(), "d": values})
        event = Event(payload=PlatformEvent(action, values), raw_json=raw)
        self._intake.put(event, self.checkpoint.session, "", self.checkpoint.encode())

    async def _learn(self, kind: str, native: Frame) -> None:
        directory = self._reader.directory
        if kind == "GUILD_CREATE":
            directory.learn_guild(native)
        elif kind in ("CHANNEL_CREATE", "CHANNEL_UPDATE", "THREAD_CREATE", "THREAD_UPDATE"):
            directory.learn(place_of(native))
        elif kind == "THREAD_LIST_SYNC":
            for thread in tables(native.get("threads")):
                directory.learn(place_of(thread, text_of(native.get("guild_id"))))
        elif kind in ("CHANNEL_DELETE", "THREAD_DELETE"):
            directory.forget(text_of(native.get("id")))

    def lost(self, problem: JackfieldError) -> None:
        """The connection went; another one is made."""
        self._bot.state(BotState.CONNECTING, Unavailable(f"{problem.message}; connecting again"))


def _parts(frame: Frame) -> Iterator[Frame]:
    """One frame for each thing that happened."""
    native = table(frame.get("d"))
    if frame.get("t") != "MESSAGE_DELETE_BULK":
        yield frame
        return
    ids = native.get("ids")
    place = {name: native.get(name) for name in ("channel_id", "guild_id") if name in native}
    for message_id in ids if isinstance(ids, list) else ():
        yield {**frame, "t": "MESSAGE_DELETE", "d": {"id": message_id, **place}}


def _encoded(frame: Frame) -> bytes:
    return json.dumps(well_formed(frame), ensure_ascii=False, separators=(",", ":")).encode()
