"""Tables of the database, and the way from one version to the next."""

from __future__ import annotations

import sqlite3

from jackfield_sdk import InvalidArgument

VERSION = 1

_FIRST = """
CREATE TABLE conversations (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    bot TEXT NOT NULL,
    place TEXT NOT NULL,
    chat BLOB NOT NULL,
    chat_key TEXT NOT NULL,
    user_id TEXT NOT NULL,
    title TEXT NOT NULL DEFAULT '',
    parent_id TEXT NOT NULL DEFAULT '',
    started_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    ended_at INTEGER,
    end_reason INTEGER NOT NULL DEFAULT 0,
    turns INTEGER NOT NULL DEFAULT 0,
    usage BLOB NOT NULL DEFAULT x''
) STRICT;
CREATE UNIQUE INDEX current_of_place ON conversations (place) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX title_of_bot ON conversations (bot, title) WHERE title <> '';
CREATE INDEX used_of_bot ON conversations (bot, used_at DESC, n DESC);
CREATE INDEX used_of_place ON conversations (place, used_at DESC, n DESC);
CREATE INDEX idle ON conversations (used_at) WHERE ended_at IS NULL;

CREATE TABLE turns (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversations (n),
    id TEXT NOT NULL,
    role INTEGER NOT NULL,
    time INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    text TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX turn_once ON turns (conversation, id);
CREATE INDEX turn_order ON turns (conversation, n);
CREATE INDEX turn_author ON turns (user_id) WHERE user_id <> '';

-- What a command or call under a key has done, so that its repeat does nothing.
CREATE TABLE acts (key TEXT PRIMARY KEY, conversation INTEGER NOT NULL, archived INTEGER, time INTEGER NOT NULL) STRICT;
CREATE INDEX act_time ON acts (time);

CREATE VIRTUAL TABLE words USING fts5 (text, scope, content = '', tokenize = "unicode61 remove_diacritics 2");
"""
_TRIGRAM = "CREATE VIRTUAL TABLE parts USING fts5 (text, content = '', tokenize = 'trigram')"
_STEPS = (_FIRST,)
"""What brings a database of version n to n + 1; each runs with the new version in one transaction."""


def migrate(connection: sqlite3.Connection) -> bool:
    """Bring the database to this version. Returns whether parts of words can be searched.

    Raises InvalidArgument for a database of a later version.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise InvalidArgument(
            f"the database has version {version}, this plugin knows {VERSION}",
            remedy="Install the plugin's later version again, or restore the backup made before it.",
        )
    for step in range(version, VERSION):
        connection.executescript(f"BEGIN IMMEDIATE; {_STEPS[step]} PRAGMA user_version = {step + 1}; COMMIT;")
    return _parts_of_words(connection)


def _parts_of_words(connection: sqlite3.Connection) -> bool:
    """The second index: there unless SQLite is older than 3.34. It is filled when a later SQLite meets an older database."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'parts'").fetchone():
        return True
    try:
        connection.execute(_TRIGRAM)
    except sqlite3.OperationalError:
        return False
    with connection:
        connection.execute("INSERT INTO parts (rowid, text) SELECT n, text FROM turns")
    return True
