"""What chat users can do with their conversations. A person reaches only their own places, never those of others."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from jackfield.v1 import conversation_pb2, entity_pb2, model_pb2
from jackfield_sdk import (
    ChatType,
    CommandContext,
    Conflict,
    ContentTooLarge,
    Event,
    File,
    InvalidArgument,
    Message,
    NotFound,
    Text,
)

from jackfield_conversation import people, reading
from jackfield_conversation.export import file_of
from jackfield_conversation.records import dated, text_of
from jackfield_conversation.service import MAX_TITLE
from jackfield_conversation.store import Store
from jackfield_conversation.texts import told
from jackfield_conversation.writing import Place, current

LISTED = 10
CANDIDATES = 500
HITS = 5
LAST_TURNS = 6
Answer = Callable[[CommandContext, str], Awaitable[Message | str | None]]


class ChatCommands:
    """Answers by command name; `config` is read at each use."""

    def __init__(self, store: Callable[[], Store], config: Callable[[], Mapping[str, Any]]) -> None:
        self._store = store
        self._config = config

    @property
    def answers(self) -> dict[str, Answer]:
        """The functions by the names of the manifest."""
        return {
            "new": self.new,
            "sessions": self.sessions,
            "resume": self.resume,
            "search": self.search,
            "title": self.title,
            "history": self.history,
            "export": self.export,
            "forgetme": self.forgetme,
        }

    async def new(self, ctx: CommandContext, args: str) -> str:
        """Begin anew; the same event never does it twice."""
        place = await self._place(ctx.event)
        await self._store().reset(place, conversation_pb2.END_REASON_RESET, (), f"command/{ctx.event.id}")
        return told(ctx.locale, "begun")

    async def sessions(self, ctx: CommandContext, args: str) -> str:
        """The conversations that this person may resume here."""
        rows = await self._store().database.read(lambda db: self._reachable(db, ctx.event))
        if not rows:
            return told(ctx.locale, "none")
        here = {place.key for place in places_of(ctx.event)}
        lines = [told(ctx.locale, "list")]
        lines += [
            told(
                ctx.locale,
                "line",
                mark="* " if row["ended_at"] is None and row["place"] in here else "",
                number=number,
                title=row["title"] or told(ctx.locale, "untitled"),
                id=row["id"],
                turns=row["turns"],
                date=f"{dated(row['used_at']):%Y-%m-%d %H:%M}",
            )
            for number, row in enumerate(rows[:LISTED], start=1)
        ]
        return "\n".join([*lines, told(ctx.locale, "list_more")])

    async def resume(self, ctx: CommandContext, args: str) -> str:
        """Go on with one of their own."""
        name = args.strip()
        if not name:
            raise InvalidArgument(told(ctx.locale, "which"))
        place = await self._place(ctx.event)

        def find(db: sqlite3.Connection) -> sqlite3.Row:
            rows = self._reachable(db, ctx.event)
            number = int(name) if name.isascii() and name.isdigit() and len(name) < 4 else 0
            row = rows[number - 1] if 0 < number <= min(len(rows), LISTED) else reading.named(rows, name)
            if row is None:
                raise NotFound(told(ctx.locale, "unknown", name=name[:60]))
            if place.chat.type is not ChatType.PRIVATE and _began_in_private(row):
                raise Conflict(told(ctx.locale, "private_only"))
            return row

        chosen: list[str] = []

        def find_once(db: sqlite3.Connection) -> sqlite3.Row:
            # A number means another conversation once the first change was made; an id does not.
            if chosen:
                return reading.by_id(db, chosen[0])
            row = find(db)
            chosen.append(row["id"])
            return row

        try:
            begun = await self._store().resume(place, find_once, take_over=self._across)
        except NotFound as error:
            return error.message
        except Conflict as error:
            return told(ctx.locale, "elsewhere") if "another place" in error.message else error.message
        row = begun.current
        return told(ctx.locale, "resumed", title=row["title"] or row["id"], turns=row["turns"])

    async def search(self, ctx: CommandContext, args: str) -> str:
        """What was said in this person's places of this chat."""
        places = tuple(place.key for place in places_of(ctx.event))
        chat = _chat_key(ctx.event)
        store = self._store()
        wanted = reading.Filter(ctx.event.bot, chat_key=chat, places=places)
        if not args.strip():
            raise InvalidArgument(told(ctx.locale, "query"))
        try:
            hits = await store.database.read(
                lambda db: reading.search(db, args, wanted, HITS, store.database.parts_of_words)
            )
        except InvalidArgument:
            hits = []
        if not hits:
            return told(ctx.locale, "nothing")
        return "\n".join(
            f"{dated(hit.turn['time']):%Y-%m-%d %H:%M} {_speaker(ctx.locale, hit.turn['role'])}: {hit.excerpt}"
            for hit in hits
        )

    async def title(self, ctx: CommandContext, args: str) -> str:
        """Show or set the title of the current conversation."""
        title = " ".join(args.split())
        if len(title) > MAX_TITLE:
            raise InvalidArgument(told(ctx.locale, "title_long", most=MAX_TITLE))
        place = await self._place(ctx.event)
        store = self._store()

        def change(db: sqlite3.Connection) -> sqlite3.Row | None:
            row = current(db, place.key)
            return store.writing.rename(db, row, title) if row is not None and title else row

        try:
            row = await store.database.write(change)
        except Conflict:
            return told(ctx.locale, "title_taken")
        if row is None:
            return told(ctx.locale, "none")
        shown = row["title"] or told(ctx.locale, "untitled")
        return told(ctx.locale, "title_set" if title else "title_is", title=shown)

    async def history(self, ctx: CommandContext, args: str) -> Message | str:
        """The last turns, or all of them as a file."""
        if args.strip() == "export":
            return await self.export(ctx, "")
        row = await self._current(ctx.event)
        if row is None or not row["turns"]:
            return told(ctx.locale, "none")
        found = await self._store().database.read(lambda db: reading.history(db, row["n"], LAST_TURNS, 0))
        lines = []
        for turn in found.turns:
            text = " ".join(text_of(turn.message).split())
            if turn.message.role in (model_pb2.MODEL_ROLE_USER, model_pb2.MODEL_ROLE_ASSISTANT) and text:
                cut = text if len(text) <= 200 else text[:199] + "…"
                lines.append(f"{_speaker(ctx.locale, turn.message.role)}: {cut}")
        return "\n".join(lines) or told(ctx.locale, "none")

    async def export(self, ctx: CommandContext, args: str) -> Message | str:
        """The whole current conversation as a JSON file."""
        row = await self._current(ctx.event)
        if row is None:
            return told(ctx.locale, "none")
        try:
            content = await file_of(self._store(), row)
        except ContentTooLarge:
            return told(ctx.locale, "too_large")
        media = await ctx.put_blob(content, mime="application/json", name=f"conversation_{row['id']}.json")
        return Message(Text(told(ctx.locale, "export")), File(media))

    async def forgetme(self, ctx: CommandContext, args: str) -> str:
        """Erase this person's data with this bot, once confirmed."""
        event = ctx.event
        if event.sender is None or not event.sender.id:
            return told(ctx.locale, "no_sender")
        user, bot = event.sender.id, event.bot
        if args.strip().lower() != "confirm":
            rows = await self._store().database.read(lambda db: people.own(db, user, bot))
            return told(ctx.locale, "forget_ask", conversations=len(rows))
        gone = await self._store().forget(user, bot)
        return told(ctx.locale, "forgotten", conversations=gone.conversations, turns=gone.turns)

    @property
    def _across(self) -> bool:
        return bool(self._config().get("resume_across_chats"))

    async def _current(self, event: Event) -> sqlite3.Row | None:
        place = await self._place(event)
        return await self._store().database.read(lambda db: current(db, place.key))

    async def _place(self, event: Event) -> Place:
        """The person's own place when they have a conversation of their own in this chat, else the shared one."""
        shared, *own = places_of(event)

        def look(db: sqlite3.Connection) -> Place:
            return next((place for place in own if current(db, place.key) is not None), shared)

        return await self._store().database.read(look)

    def _reachable(self, db: sqlite3.Connection, event: Event) -> list[sqlite3.Row]:
        rows = reading.of_places(db, [place.key for place in places_of(event)], CANDIDATES)
        if not self._across or event.sender is None or not event.sender.id:
            return rows
        known = {row["n"] for row in rows}
        for bot, user in self._accounts(event.bot, event.sender.id):
            for row in people.own(db, user, bot):
                if row["n"] not in known:
                    known.add(row["n"])
                    rows.append(row)
        return sorted(rows, key=lambda row: (row["used_at"], row["n"]), reverse=True)

    def _accounts(self, bot: str, user: str) -> list[tuple[str, str]]:
        """The accounts of a person: this one, and those that the operator linked with it."""
        own = f"{bot}:{user}"
        linked = [account for link in self._config().get("links") or () if own in link for account in link]
        pairs = [account.partition(":") for account in dict.fromkeys([own, *linked])]
        return [(head, tail) for head, _, tail in pairs]


def places_of(event: Event) -> list[Place]:
    """The places that an event's author shares or owns in its chat, the shared one first. Raises InvalidArgument."""
    if event.chat is None:
        raise InvalidArgument("the event has no chat")
    places = [Place(event.bot, event.chat)]
    if event.sender is not None and event.sender.id:
        places.append(Place(event.bot, event.chat, event.sender.id))
    return places


def _chat_key(event: Event) -> str:
    return str(event.chat)


def _began_in_private(row: sqlite3.Row) -> bool:
    return entity_pb2.Chat.FromString(row["chat"]).type == entity_pb2.CHAT_TYPE_PRIVATE


def _speaker(locale: str, role: int) -> str:
    return told(locale, "user" if role == model_pb2.MODEL_ROLE_USER else "assistant")
