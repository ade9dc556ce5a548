"""Every question to the store, each a function on one consistent view."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from jackfield.v1 import conversation_pb2, model_pb2
from jackfield_sdk import InvalidArgument, NotFound

from jackfield_conversation import index
from jackfield_conversation.records import turn_of
from jackfield_conversation.writing import by_n

MAX_BYTES = 256 * 1024
PAGE = 200


class History(NamedTuple):
    """The newest turns that fit, oldest first, and whether there are older ones."""

    turns: list[conversation_pb2.ConversationTurn]
    has_more: bool


class Filter(NamedTuple):
    """What narrows a search. Empty and zero fields do not; times in microseconds."""

    bot: str
    chat_key: str = ""
    conversation: int = 0
    role: int = 0
    since: int = 0
    until: int = 0
    places: tuple[str, ...] = ()


class Hit(NamedTuple):
    """A turn that fits, with its conversation."""

    conversation: sqlite3.Row
    turn: sqlite3.Row
    excerpt: str


def history(db: sqlite3.Connection, n: int, most: int, tokens: int, before_turn: str = "") -> History:
    """The end of a conversation: at most so many turns, so many tokens (0: any), 256 KiB. Raises NotFound."""
    end = _place_of_turn(db, n, before_turn) if before_turn else 1 << 62
    rows = db.execute(
        "SELECT n, tokens, body FROM turns WHERE conversation = ? AND n < ? ORDER BY n DESC LIMIT ?",
        (n, end, most + 1),
    )
    taken: list[conversation_pb2.ConversationTurn] = []
    size = spent = 0
    has_more = False
    for row in rows:
        size += len(row["body"]) + 16
        spent += row["tokens"]
        # One turn alone always fits into a frame, however large it is.
        if len(taken) == most or (taken and size > MAX_BYTES) or (tokens and spent > tokens):
            has_more = True
            break
        taken.append(turn_of(row))
    taken.reverse()
    answered = _without_orphans(taken)
    return History(answered, has_more or len(answered) < len(taken))


def _without_orphans(
    turns: Iterable[conversation_pb2.ConversationTurn],
) -> list[conversation_pb2.ConversationTurn]:
    """Answers of tools whose call is not among the turns before them go."""
    called: set[str] = set()
    kept = []
    for turn in turns:
        message = turn.message
        called.update(call.id for call in message.tool_calls)
        if message.role != model_pb2.MODEL_ROLE_TOOL or message.tool_call_id in called:
            kept.append(turn)
    return kept


def search(db: sqlite3.Connection, typed: str, wanted: Filter, most: int, parts: bool) -> list[Hit]:
    """The best of the newest matches: whole words first, then parts of words. Raises InvalidArgument."""
    query = index.query_of(typed)
    if not query.terms:
        raise InvalidArgument(
            "the query holds no word", remedy="Write a word to find.", metadata={"field": "query"}
        )
    rows = _matches(db, "words", query.words, wanted)
    if len(rows) < most and parts and query.parts:
        known = {row["n"] for row in rows}
        rows += [row for row in _matches(db, "parts", query.parts, wanted) if row["n"] not in known]
    weighed = sorted(
        ((index.weight(row["text"], query.terms), row["n"], row) for row in rows), key=lambda one: one[:2]
    )
    best = [row for _, _, row in reversed(weighed[-most:])]
    hits = []
    for row in best:
        conversation = by_n(db, row["conversation"])
        assert conversation is not None
        hits.append(Hit(conversation, row, index.excerpt(row["text"], query.terms)))
    return hits


def _matches(db: sqlite3.Connection, table: str, query: str, wanted: Filter) -> list[sqlite3.Row]:
    if table == "words":
        if wanted.conversation:
            query += f" scope : {index.conversation_word(wanted.conversation)}"
        elif wanted.chat_key:
            query += f" scope : {index.chat_word(wanted.chat_key)}"
    clauses = ["conversations.bot = ?"] if wanted.bot else []
    values: list[Any] = [wanted.bot] if wanted.bot else []
    for clause, value in (
        ("conversations.chat_key = ?", wanted.chat_key),
        ("turns.conversation = ?", wanted.conversation),
        ("turns.role = ?", wanted.role),
        ("turns.time >= ?", wanted.since),
        ("turns.time < ?", wanted.until),
    ):
        if value:
            clauses.append(clause)
            values.append(value)
    if wanted.places:
        clauses.append(f"conversations.place IN ({', '.join('?' * len(wanted.places))})")
        values += wanted.places
    condition = "".join(f" AND {clause}" for clause in clauses)
    return db.execute(
        f"SELECT turns.* FROM {table} CROSS JOIN turns ON turns.n = {table}.rowid"
        " CROSS JOIN conversations ON conversations.n = turns.conversation"
        f" WHERE {table} MATCH ?{condition} ORDER BY {table}.rowid DESC LIMIT {index.CANDIDATES}",
        (query, *values),
    ).fetchall()


def listed(
    db: sqlite3.Connection, bot: str, chat_key: str, user_id: str, after: tuple[int, int] | None, most: int
) -> list[sqlite3.Row]:
    """Conversations of a bot, newest use first, behind the one at `after` (its time of use and number)."""
    clauses, values = ["bot = ?"], [bot]
    if chat_key:
        clauses.append("chat_key = ?")
        values.append(chat_key)
    if user_id:
        clauses.append("user_id = ?")
        values.append(user_id)
    numbers: list[Any] = []
    if after is not None:
        clauses.append("(used_at, n) < (?, ?)")
        numbers += after
    return db.execute(
        f"SELECT * FROM conversations WHERE {' AND '.join(clauses)} ORDER BY used_at DESC, n DESC LIMIT ?",
        (*values, *numbers, most),
    ).fetchall()


def of_places(db: sqlite3.Connection, places: Sequence[str], most: int) -> list[sqlite3.Row]:
    """Conversations of some places, newest use first."""
    marks = ", ".join("?" * len(places))
    return db.execute(
        f"SELECT * FROM conversations WHERE place IN ({marks}) ORDER BY used_at DESC, n DESC LIMIT ?",
        (*places, most),
    ).fetchall()


def named(rows: Iterable[sqlite3.Row], name: str) -> sqlite3.Row | None:
    """The conversation of an id or a title; titles are compared without case."""
    for row in rows:
        if row["id"] == name or (row["title"] and row["title"].casefold() == name.casefold()):
            return row
    return None


def by_name(db: sqlite3.Connection, bot: str, name: str) -> sqlite3.Row:
    """A conversation of a bot by id or title. Raises NotFound."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM conversations WHERE bot = ? AND (id = ? OR (title <> '' AND title = ?)) ORDER BY id = ? DESC",
        (bot, name, name, name),
    ).fetchone()
    if row is None:
        raise NotFound(f"bot {bot} has no conversation {name!r}")
    return row


def by_id(db: sqlite3.Connection, conversation_id: str) -> sqlite3.Row:
    """A conversation that is known to be there."""
    row: sqlite3.Row = db.execute("SELECT * FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    return row


def turns_after(db: sqlite3.Connection, n: int, after: int, most: int = PAGE) -> list[sqlite3.Row]:
    """A page of a conversation's turns, oldest first, within 256 KiB."""
    page: list[sqlite3.Row] = []
    size = 0
    for row in db.execute(
        "SELECT n, body FROM turns WHERE conversation = ? AND n > ? ORDER BY n LIMIT ?", (n, after, most)
    ):
        size += len(row["body"])
        page.append(row)
        if size > MAX_BYTES:
            break
    return page


def _place_of_turn(db: sqlite3.Connection, n: int, turn_id: str) -> int:
    row = db.execute("SELECT n FROM turns WHERE conversation = ? AND id = ?", (n, turn_id)).fetchone()
    if row is None:
        raise NotFound(f"the conversation has no turn {turn_id!r}", metadata={"field": "before_turn_id"})
    return int(row["n"])
