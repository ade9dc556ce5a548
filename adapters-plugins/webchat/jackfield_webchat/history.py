"""What was said, in SQLite: survives reloads and restarts, and answers what a client missed."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal

from jackfield_webchat.chain import Chain

SessionType = Literal["person", "group"]

# Bounds, so that strangers cannot fill the disk.
MESSAGES_PER_ROOM = 100
ROOMS_PER_BOT = 1000

SCHEMA = """
CREATE TABLE rooms (
  bot TEXT, kind TEXT, session TEXT, cursor INTEGER NOT NULL, updated REAL NOT NULL,
  PRIMARY KEY (bot, kind, session)
) WITHOUT ROWID;
CREATE TABLE entries (
  bot TEXT, kind TEXT, session TEXT, message_id TEXT,
  seq INTEGER NOT NULL, cursor INTEGER NOT NULL, role TEXT NOT NULL, sender TEXT NOT NULL,
  nickname TEXT NOT NULL, chain TEXT NOT NULL, state INTEGER NOT NULL, deleted INTEGER NOT NULL,
  time REAL NOT NULL, reactions TEXT NOT NULL, call_key TEXT,
  PRIMARY KEY (bot, kind, session, message_id)
);
CREATE UNIQUE INDEX entries_by_call ON entries (bot, call_key);
CREATE TABLE media (
  key TEXT PRIMARY KEY, bot TEXT, kind TEXT, session TEXT, mime TEXT NOT NULL, name TEXT NOT NULL,
  size INTEGER NOT NULL, time REAL NOT NULL
);
PRAGMA user_version = 1;
"""


class TextState(IntEnum):
    """How far the text of a message is."""

    STREAMING = 0
    # The writer vanished; the same call may go on later.
    INTERRUPTED = 1
    FINAL = 2


@dataclass(frozen=True, slots=True)
class Room:
    """One conversation: a browser session, or a group that several share."""

    bot: str
    kind: SessionType
    session: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as it is now. `seq` is its place; `cursor` the number of its last change."""

    room: Room
    message_id: str
    role: Literal["user", "assistant"]
    chain: Chain
    time: float
    seq: int = 0
    cursor: int = 0
    sender: str = ""
    nickname: str = ""
    state: TextState = TextState.FINAL
    deleted: bool = False
    reactions: tuple[str, ...] = field(default=())
    call_key: str = ""


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """One file that came or went through the page. `size` in bytes."""

    key: str
    room: Room
    mime: str
    name: str
    size: int


class History:
    """Owns the database. Not for concurrent use: the adapter calls it from one thread of its own."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        # A reply counts as delivered once it stands here, so it must survive a power cut.
        self._db.execute("PRAGMA synchronous=FULL")
        if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
            self._db.executescript(SCHEMA)
        self._db.execute(
            "UPDATE entries SET state=? WHERE state=?", (TextState.INTERRUPTED, TextState.STREAMING)
        )
        self._cursors: dict[Room, int] = {}

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def enter(self, room: Room, now: float) -> None:
        """Notes that a room is used; forgets the rooms unused for longest beyond the bound."""
        with _Transaction(self._db):
            self._db.execute(
                "INSERT INTO rooms VALUES (?,?,?,0,?) ON CONFLICT DO UPDATE SET updated=excluded.updated",
                (*_key(room), now),
            )
            surplus = self._db.execute(
                "SELECT bot, kind, session FROM rooms WHERE bot=? ORDER BY updated DESC LIMIT -1 OFFSET ?",
                (room.bot, ROOMS_PER_BOT),
            ).fetchall()
            for key in surplus:
                for table in ("entries", "media", "rooms"):
                    self._db.execute(f"DELETE FROM {table} WHERE bot=? AND kind=? AND session=?", key)
                self._cursors.pop(Room(*key), None)

    def knows(self, room: Room) -> bool:
        """Whether somebody ever opened this room."""
        row = self._db.execute("SELECT 1 FROM rooms WHERE bot=? AND kind=? AND session=?", _key(room))
        return row.fetchone() is not None

    def reserve(self, room: Room) -> int:
        """The next place in the room: taken before a message is published, so that no reply overtakes it."""
        cursor = self._cursor(room) + 1
        self._cursors[room] = cursor
        return cursor

    def add(self, entry: Entry) -> tuple[Entry, bool]:
        """Stores a message once per id and per call key; False when it was there already. Without `seq` it
        goes to the end."""
        known = self._by_call(entry.room.bot, entry.call_key) or self.get(entry.room, entry.message_id)
        if known is not None:
            return known, False
        cursor = self.reserve(entry.room)
        stored = replace(entry, seq=entry.seq or cursor, cursor=cursor)
        self._write(stored)
        return stored, True

    def change(self, entry: Entry, **values: Any) -> Entry:
        """Stores a message as changed, under a new cursor."""
        changed = replace(entry, cursor=self.reserve(entry.room), **values)
        self._write(changed)
        return changed

    def get(self, room: Room, message_id: str) -> Entry | None:
        """One message; also a deleted one."""
        where = "bot=? AND kind=? AND session=? AND message_id=?"
        found = self._select(where, (*_key(room), message_id))
        return found[0] if found else None

    def since(self, room: Room, cursor: int) -> list[Entry]:
        """What changed after a cursor, in the order of the conversation. From 0: all that is kept."""
        where = "bot=? AND kind=? AND session=? AND cursor>? AND NOT (deleted AND ?=0)"
        return self._select(where, (*_key(room), cursor, cursor))

    def nickname(self, bot: str, user: str) -> str | None:
        """The last name under which a user wrote; None for a user who never did."""
        row = self._db.execute(
            "SELECT nickname FROM entries WHERE bot=? AND sender=? AND role='user'"
            " ORDER BY time DESC LIMIT 1",
            (bot, user),
        ).fetchone()
        return row and str(row[0])

    def add_media(self, media: StoredMedia, now: float) -> None:
        """Notes a file."""
        values = (media.key, *_key(media.room), media.mime, media.name, media.size, now)
        self._db.execute("INSERT INTO media VALUES (?,?,?,?,?,?,?,?)", values)

    def media(self, bot: str, key: str) -> StoredMedia | None:
        """One file by its key."""
        row = self._db.execute(
            "SELECT key, bot, kind, session, mime, name, size FROM media WHERE bot=? AND key=?", (bot, key)
        ).fetchone()
        return StoredMedia(row[0], Room(*row[1:4]), *row[4:]) if row else None

    def media_size(self, bot: str) -> int:
        """Bytes of all files of a bot."""
        row = self._db.execute("SELECT COALESCE(SUM(size), 0) FROM media WHERE bot=?", (bot,)).fetchone()
        return int(row[0])

    def media_keys(self) -> set[str]:
        """Keys of all files that are still known; others on disk may go."""
        return {row[0] for row in self._db.execute("SELECT key FROM media")}

    def _cursor(self, room: Room) -> int:
        if room not in self._cursors:
            row = self._db.execute(
                "SELECT cursor FROM rooms WHERE bot=? AND kind=? AND session=?", _key(room)
            )
            self._cursors[room] = (row.fetchone() or (0,))[0]
        return self._cursors[room]

    def _by_call(self, bot: str, call_key: str) -> Entry | None:
        found = self._select("bot=? AND call_key=?", (bot, call_key)) if call_key else []
        return found[0] if found else None

    def _select(self, where: str, values: tuple[object, ...]) -> list[Entry]:
        rows = self._db.execute(
            "SELECT bot, kind, session, message_id, role, chain, time, seq, cursor, sender, nickname, state,"
            f" deleted, reactions, call_key FROM entries WHERE {where} ORDER BY seq",
            values,
        )
        return [
            Entry(
                room=Room(*row[0:3]),
                message_id=row[3],
                role=row[4],
                chain=json.loads(row[5]),
                time=row[6],
                seq=row[7],
                cursor=row[8],
                sender=row[9],
                nickname=row[10],
                state=TextState(row[11]),
                deleted=bool(row[12]),
                reactions=tuple(json.loads(row[13])),
                call_key=row[14] or "",
            )
            for row in rows
        ]

    def _write(self, entry: Entry) -> None:
        key = _key(entry.room)
        with _Transaction(self._db):
            self._db.execute(
                "INSERT OR REPLACE INTO entries VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    *key,
                    entry.message_id,
                    entry.seq,
                    entry.cursor,
                    entry.role,
                    entry.sender,
                    entry.nickname,
                    json.dumps(entry.chain),
                    int(entry.state),
                    entry.deleted,
                    entry.time,
                    json.dumps(entry.reactions),
                    entry.call_key or None,
                ),
            )
            self._db.execute(
                "INSERT INTO rooms VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE"
                " SET cursor=excluded.cursor, updated=excluded.updated",
                (*key, self._cursor(entry.room), entry.time),
            )
            self._db.execute(
                "DELETE FROM entries WHERE bot=? AND kind=? AND session=? AND seq <= (SELECT seq FROM entries"
                " WHERE bot=? AND kind=? AND session=? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
                (*key, *key, MESSAGES_PER_ROOM),
            )


def _key(room: Room) -> tuple[str, str, str]:
    return room.bot, room.kind, room.session


class _Transaction:
    """One group of writes: all or none."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
