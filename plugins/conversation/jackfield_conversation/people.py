"""What belongs to one person, and its end."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from jackfield_sdk import Chat

from jackfield_conversation.writing import Writing

_OWN = "(user_id = :user OR chat_key = :private OR chat_key LIKE :threads ESCAPE '\\')"


class Forgotten(NamedTuple):
    """What went: whole conversations, and turns (theirs included)."""

    conversations: int
    turns: int


def own(db: sqlite3.Connection, user: str, bot: str = "") -> list[sqlite3.Row]:
    """The conversations of a person: of their private chat, and those kept for them; `bot` empty for all bots."""
    private = str(Chat.private(user))
    escaped = private.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    values = {"user": user, "private": private, "threads": f"{escaped}:%", "bot": bot}
    return db.execute(
        f"SELECT * FROM conversations WHERE {_OWN} AND (:bot = '' OR bot = :bot) ORDER BY n", values
    ).fetchall()


def forget(db: sqlite3.Connection, writing: Writing, user: str, bot: str = "") -> Forgotten:
    """Erase a person: their conversations whole, and their turns in those that are shared. Repeatable."""
    conversations = own(db, user, bot)
    turns = sum(writing.delete(db, row) for row in conversations)
    shared = db.execute(
        "SELECT * FROM conversations WHERE n IN (SELECT conversation FROM turns WHERE user_id = ?)"
        " AND (? = '' OR bot = ?)",
        (user, bot, bot),
    ).fetchall()
    turns += sum(writing.drop_turns_of(db, row, user) for row in shared)
    return Forgotten(len(conversations), turns)
