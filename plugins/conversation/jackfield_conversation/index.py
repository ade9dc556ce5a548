"""The two indexes: whole words of every script, and parts of words.

Characters of Chinese, Japanese and Korean stand apart in the first one, so that a search for any of their words is one for
neighbours; the second one knows every run of three characters.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from typing import NamedTuple

CANDIDATES = 1_000
"""The newest matches, which are put in order; more would cost a user's patience and bring nothing."""
LONGEST_QUERY = 400
TRIGRAM = 3
_WIDE = re.compile(
    r"([\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff])"
)
_TERM = re.compile(r"\w+")


class Query(NamedTuple):
    """A search as both indexes want it; an empty one cannot be asked there."""

    words: str
    parts: str
    terms: tuple[str, ...]


def add(connection: sqlite3.Connection, n: int, text: str, scope: str, parts: bool) -> None:
    """Index one turn."""
    connection.execute("INSERT INTO words (rowid, text, scope) VALUES (?, ?, ?)", (n, spaced(text), scope))
    if parts:
        connection.execute("INSERT INTO parts (rowid, text) VALUES (?, ?)", (n, text))


def remove(connection: sqlite3.Connection, n: int, text: str, scope: str, parts: bool) -> None:
    """Take one turn out; the index wants to hear what was put in."""
    connection.execute(
        "INSERT INTO words (words, rowid, text, scope) VALUES ('delete', ?, ?, ?)", (n, spaced(text), scope)
    )
    if parts:
        connection.execute("INSERT INTO parts (parts, rowid, text) VALUES ('delete', ?, ?)", (n, text))


def query_of(typed: str) -> Query:
    """What a user typed; nothing in it is read as an operator."""
    terms = tuple(dict.fromkeys(term.casefold() for term in _TERM.findall(typed[:LONGEST_QUERY])))
    words = " ".join(f'text : "{spaced(term).strip()}"' for term in terms)
    fit = [term for term in terms if len(term) >= TRIGRAM]
    parts = " ".join(f'"{term}"' for term in fit) if len(fit) == len(terms) else ""
    return Query(words, parts, terms)


def spaced(text: str) -> str:
    """A blank on both sides of each wide character."""
    return _WIDE.sub(r" \1 ", text)


def scope_of(conversation: int, chat_key: str) -> str:
    """The words under which the turns of one conversation are found: its own, and that of the chat it began in."""
    return f"{conversation_word(conversation)} {chat_word(chat_key)}"


def conversation_word(conversation: int) -> str:
    """Stands at every turn of a conversation."""
    return f"c{conversation}"


def chat_word(chat_key: str) -> str:
    """Stands at every turn of the conversations that began in a chat."""
    return "k" + hashlib.blake2b(chat_key.encode(), digest_size=8).hexdigest()


def weight(text: str, terms: tuple[str, ...]) -> float:
    """How well a text fits: how often the terms stand in it, for its length."""
    folded = text.casefold()
    length = 1.0 + len(folded) / 400.0
    return sum((count := folded.count(term)) / (count + length) for term in terms)


def excerpt(text: str, terms: tuple[str, ...], size: int = 160) -> str:
    """The place of the first match with words around it."""
    folded = text.casefold()
    places = [place for term in terms if (place := folded.find(term)) >= 0]
    # Folding may change the length of a text: the place is near enough, and never outside.
    start = max(0, min(min(places, default=0), len(text)) - size // 3)
    cut = text[start : start + size]
    head = "… " if start else ""
    tail = " …" if start + size < len(text) else ""
    return head + " ".join(cut.split()) + tail
