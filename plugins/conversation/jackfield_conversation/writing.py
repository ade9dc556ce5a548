"""Every change of the store, each a function that runs inside one transaction."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from jackfield.v1 import conversation_pb2, model_pb2
from jackfield_sdk import Chat, Conflict, NotFound, convert

from jackfield_conversation import index
from jackfield_conversation.places import place_key
from jackfield_conversation.records import add_usage, dated, micros_of, stamp, text_of, tokens_of

ACTS_KEPT = 7 * 86_400 * 1_000_000
"""How long a repeated act is known, in microseconds: longer than the kernel repeats anything."""


class Place(NamedTuple):
    """Where people talk; `user_id` when the place is kept per user."""

    bot: str
    chat: Chat
    user_id: str = ""

    @property
    def key(self) -> str:
        """Its key in the store."""
        return place_key(self.bot, self.chat, self.user_id)


class Begun(NamedTuple):
    """A new current conversation, and the one that was archived for it."""

    current: sqlite3.Row
    archived: sqlite3.Row | None


class Writing:
    """Changes of the database. `parts`: whether parts of words are indexed."""

    def __init__(self, parts: bool) -> None:
        self._parts = parts

    def open(self, db: sqlite3.Connection, place: Place, now: int) -> tuple[sqlite3.Row, bool]:
        """The current conversation of a place, and whether this call began it."""
        row = current(db, place.key)
        return (row, False) if row is not None else (self._begin(db, place, now), True)

    def append(
        self,
        db: sqlite3.Connection,
        row: sqlite3.Row,
        turns: Iterable[conversation_pb2.ConversationTurn],
        now: int,
    ) -> int:
        """Add turns; those that are there are skipped. Returns how many the conversation has. Raises Conflict."""
        if row["ended_at"] is not None:
            raise Conflict(
                f"conversation {row['id']} is archived",
                remedy="Open the place again and append to its current conversation.",
            )
        usage = model_pb2.ModelUsage.FromString(row["usage"])
        count = row["turns"]
        for turn in turns:
            if self._add(db, row, turn, now):
                count += 1
                add_usage(usage, turn.usage)
        db.execute(
            "UPDATE conversations SET turns = ?, usage = ?, used_at = max(used_at, ?) WHERE n = ?",
            (count, usage.SerializeToString(), now, row["n"]),
        )
        return int(count)

    def reset(
        self,
        db: sqlite3.Connection,
        place: Place,
        reason: int,
        turns: Iterable[conversation_pb2.ConversationTurn],
        now: int,
        key: str = "",
    ) -> Begun:
        """Archive the current conversation and begin another; under a known key nothing but tell what was done."""
        if key and (act := db.execute("SELECT * FROM acts WHERE key = ?", (key,)).fetchone()) is not None:
            done = by_n(db, act["conversation"])
            if done is not None:
                return Begun(done, by_n(db, act["archived"]))
        before = current(db, place.key)
        parent = title = ""
        if before is not None:
            self.archive(db, before, reason, now)
            if reason == conversation_pb2.END_REASON_COMPRESSED:
                parent, title = before["id"], _numbered(db, before)
        row = self._begin(db, place, now, parent=parent, title=title)
        self.append(db, row, turns, now)
        if key:
            archived = before["n"] if before is not None else None
            db.execute("INSERT OR REPLACE INTO acts VALUES (?, ?, ?, ?)", (key, row["n"], archived, now))
            db.execute("DELETE FROM acts WHERE time < ?", (now - ACTS_KEPT,))
        return Begun(require_n(db, row["n"]), by_n(db, before["n"]) if before is not None else None)

    def resume(self, db: sqlite3.Connection, row: sqlite3.Row, place: Place, now: int) -> Begun:
        """Make a conversation the current one of a place. Raises Conflict when it is current at another."""
        key = place.key
        before = current(db, key)
        if before is not None and before["n"] == row["n"]:
            return Begun(row, None)
        if row["ended_at"] is None:
            raise Conflict(
                f"conversation {row['id']} is going on at another place",
                remedy="Begin a new one there, then resume this one here.",
            )
        if row["title"] and row["bot"] != place.bot:
            _check_title(db, place.bot, row["title"], row["n"])
        if before is not None:
            self.archive(db, before, conversation_pb2.END_REASON_REPLACED, now)
        db.execute(
            "UPDATE conversations SET place = ?, bot = ?, user_id = ?, ended_at = NULL, end_reason = 0, used_at = ? WHERE n = ?",
            (key, place.bot, place.user_id, now, row["n"]),
        )
        return Begun(require_n(db, row["n"]), by_n(db, before["n"]) if before is not None else None)

    def rename(self, db: sqlite3.Connection, row: sqlite3.Row, title: str) -> sqlite3.Row:
        """Set or remove the title. Raises Conflict when another conversation of the bot has it."""
        if title:
            _check_title(db, row["bot"], title, row["n"])
        db.execute("UPDATE conversations SET title = ? WHERE n = ?", (title, row["n"]))
        return require_n(db, row["n"])

    def archive(self, db: sqlite3.Connection, row: sqlite3.Row, reason: int, now: int) -> None:
        """End a conversation; its place has none then."""
        db.execute(
            "UPDATE conversations SET ended_at = ?, end_reason = ? WHERE n = ?", (now, reason, row["n"])
        )

    def expire(self, db: sqlite3.Connection, before: int, now: int, most: int = 100) -> list[sqlite3.Row]:
        """Archive conversations that nobody used since `before`, at most so many; returns them."""
        idle = db.execute(
            "SELECT * FROM conversations WHERE ended_at IS NULL AND used_at < ? ORDER BY used_at LIMIT ?",
            (before, most),
        ).fetchall()
        for row in idle:
            self.archive(db, row, conversation_pb2.END_REASON_EXPIRED, now)
        return idle

    def delete(self, db: sqlite3.Connection, row: sqlite3.Row) -> int:
        """Remove a conversation with all that is known of it; returns how many turns went."""
        turns = db.execute("SELECT * FROM turns WHERE conversation = ?", (row["n"],)).fetchall()
        self._drop(db, row, turns)
        db.execute("DELETE FROM acts WHERE conversation = ? OR archived = ?", (row["n"], row["n"]))
        db.execute("DELETE FROM conversations WHERE n = ?", (row["n"],))
        return len(turns)

    def drop_turns_of(self, db: sqlite3.Connection, row: sqlite3.Row, user: str) -> int:
        """Remove what one person said in a shared conversation; returns how many turns went."""
        turns = db.execute(
            "SELECT * FROM turns WHERE conversation = ? AND user_id = ?", (row["n"], user)
        ).fetchall()
        usage = model_pb2.ModelUsage.FromString(row["usage"])
        for turn in turns:
            add_usage(usage, conversation_pb2.ConversationTurn.FromString(turn["body"]).usage, -1)
        self._drop(db, row, turns)
        db.execute(
            "UPDATE conversations SET turns = turns - ?, usage = ? WHERE n = ?",
            (len(turns), usage.SerializeToString(), row["n"]),
        )
        return len(turns)

    def _drop(self, db: sqlite3.Connection, row: sqlite3.Row, turns: Iterable[sqlite3.Row]) -> None:
        scope = index.scope_of(row["n"], row["chat_key"])
        for turn in turns:
            index.remove(db, turn["n"], turn["text"], scope, self._parts)
            db.execute("DELETE FROM turns WHERE n = ?", (turn["n"],))

    def _begin(
        self, db: sqlite3.Connection, place: Place, now: int, *, parent: str = "", title: str = ""
    ) -> sqlite3.Row:
        chat = convert.chat_to_proto(place.chat)
        cursor = db.execute(
            "INSERT INTO conversations (id, bot, place, chat, chat_key, user_id, title, parent_id, started_at, used_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                f"{dated(now):%Y%m%d_%H%M%S}_{secrets.token_hex(4)}",
                place.bot,
                place.key,
                chat.SerializeToString(),
                str(place.chat),
                place.user_id,
                title,
                parent,
                now,
                now,
            ),
        )
        assert cursor.lastrowid is not None
        return require_n(db, cursor.lastrowid)

    def _add(
        self, db: sqlite3.Connection, row: sqlite3.Row, turn: conversation_pb2.ConversationTurn, now: int
    ) -> bool:
        if not turn.HasField("time"):
            timed = conversation_pb2.ConversationTurn()
            timed.CopyFrom(turn)
            timed.time.CopyFrom(stamp(now))
            turn = timed
        text = text_of(turn.message)
        cursor = db.execute(
            "INSERT INTO turns (conversation, id, role, time, user_id, tokens, text, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (conversation, id) DO NOTHING",
            (
                row["n"],
                turn.id,
                turn.message.role,
                micros_of(turn.time),
                turn.user_id,
                tokens_of(turn.message),
                text,
                turn.SerializeToString(),
            ),
        )
        if cursor.rowcount == 0:
            return False
        assert cursor.lastrowid is not None
        index.add(db, cursor.lastrowid, text, index.scope_of(row["n"], row["chat_key"]), self._parts)
        return True


def current(db: sqlite3.Connection, place: str) -> sqlite3.Row | None:
    """The current conversation of a place."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM conversations WHERE place = ? AND ended_at IS NULL", (place,)
    ).fetchone()
    return row


def by_n(db: sqlite3.Connection, n: int | None) -> sqlite3.Row | None:
    """A conversation by its number."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM conversations WHERE n = ?", (n,)).fetchone()
    return row


def require_n(db: sqlite3.Connection, n: int) -> sqlite3.Row:
    """A conversation that is there."""
    row = by_n(db, n)
    assert row is not None
    return row


def require(db: sqlite3.Connection, bot: str, conversation_id: str) -> sqlite3.Row:
    """A conversation of a bot. Raises NotFound, also for one of another bot."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM conversations WHERE id = ? AND bot = ?", (conversation_id, bot)
    ).fetchone()
    if row is None:
        raise NotFound(f"bot {bot} has no conversation {conversation_id!r}")
    return row


def _check_title(db: sqlite3.Connection, bot: str, title: str, n: int) -> None:
    other = db.execute(
        "SELECT id FROM conversations WHERE bot = ? AND title = ? AND n <> ?", (bot, title, n)
    ).fetchone()
    if other is not None:
        raise Conflict(f"another conversation has the title {title!r}", remedy="Choose another title.")


def _numbered(db: sqlite3.Connection, before: sqlite3.Row) -> str:
    """The title of a continuation: with a running number."""
    title: str = before["title"]
    if not title:
        return ""
    stem, _, last = title.rpartition(" #")
    stem, number = (
        (stem, int(last)) if stem and last.isascii() and last.isdigit() and len(last) < 9 else (title, 1)
    )
    while True:
        number += 1
        tail = f" #{number}"
        numbered = stem[: 100 - len(tail)] + tail
        taken = db.execute(
            "SELECT 1 FROM conversations WHERE bot = ? AND title = ?", (before["bot"], numbered)
        ).fetchone()
        if taken is None:
            return numbered
