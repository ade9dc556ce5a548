"""The layout of the journal file and its forward migrations.

Runs in the writer process: light imports only.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence

APPLICATION_ID = 0x4A41434B  # "JACK", in the file's header: tells a journal from another program's database

Migration = Callable[[sqlite3.Connection], None]


class SchemaTooNew(Exception):
    """The file was written by a newer kernel: (found, supported)."""


class ForeignFile(Exception):
    """The file is a database, but not a journal."""


LAYOUT = (
    "CREATE TABLE log"
    " (seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, ref TEXT NOT NULL, body BLOB NOT NULL)",
    "CREATE INDEX log_ref ON log (ref)",
    "CREATE TABLE bucket"
    " (bucket TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, version INTEGER NOT NULL,"
    " expires_at REAL NOT NULL, PRIMARY KEY (bucket, key)) WITHOUT ROWID",
    "CREATE INDEX bucket_expiry ON bucket (expires_at) WHERE expires_at > 0",
    "CREATE TABLE claim (key TEXT PRIMARY KEY, expires_at REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX claim_expiry ON claim (expires_at)",
    "CREATE TABLE head"
    " (id INTEGER PRIMARY KEY CHECK (id = 0), identity TEXT NOT NULL, boot INTEGER NOT NULL,"
    " sequence INTEGER NOT NULL, version INTEGER NOT NULL, time REAL NOT NULL, wall REAL NOT NULL)",
    "CREATE TABLE answer"
    " (slot INTEGER PRIMARY KEY, boot INTEGER NOT NULL, number INTEGER NOT NULL, outcomes BLOB NOT NULL)",
)


def create(connection: sqlite3.Connection) -> None:
    """Version 1. The one row of `head` is rewritten by every group, so it also carries the fence (`boot`).

    `answer` holds the outcomes of the last few groups, so that a group whose answer was lost with its writer
    can be sent again: it is written once.
    """
    for statement in LAYOUT:
        connection.execute(statement)
    connection.execute("INSERT INTO head VALUES (0, ?, 0, 0, 0, 0.0, 0.0)", (os.urandom(16).hex(),))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


MIGRATIONS: tuple[Migration, ...] = (create,)
"""Step n takes a file of version n to n + 1; an empty file is version 0. Released steps never change."""


def prepare(connection: sqlite3.Connection, path: str, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Bring the file to the newest version and return that; an existing journal is copied to
    `<path>.v<n>.backup` before.

    All steps stand in one transaction. Raises SchemaTooNew, ForeignFile, sqlite3.Error, OSError.
    """
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if application != APPLICATION_ID and (application or found or tables):
        raise ForeignFile(path)
    if found > len(migrations):
        raise SchemaTooNew(found, len(migrations))
    if found == 0:  # these two have an effect on an empty file only
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if found == len(migrations):
        return found
    if found:
        copy(connection, f"{path}.v{found}.backup")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in migrations[found:]:
            step(connection)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    sync_folder(path)
    return len(migrations)


def copy(connection: sqlite3.Connection, target: str) -> None:
    """A consistent, compact and durable copy.

    `target` appears complete or not at all, and replaces an older file.
    """
    partial = f"{target}.partial"
    if os.path.exists(partial):
        os.unlink(partial)
    try:
        connection.execute("VACUUM INTO ?", (partial,))
        descriptor = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # VACUUM INTO does not
        finally:
            os.close(descriptor)
        os.replace(partial, target)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise
    sync_folder(target)


def sync_folder(path: str) -> None:
    """Make the name `path` durable in its folder."""
    descriptor = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
