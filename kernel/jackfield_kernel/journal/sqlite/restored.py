"""A copied journal file, checked and made a journal of its own before a kernel opens it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from jackfield_kernel.journal.errors import JournalFailed, JournalTooNew
from jackfield_kernel.journal.sqlite.reader import failed
from jackfield_kernel.journal.sqlite.schema import APPLICATION_ID, MIGRATIONS

META_BUCKET = "meta"
RESTORED_KEY = "restored"
"""Holds the last sequence of the journal when it was restored: what was open then is parked."""


class JournalFile(NamedTuple):
    """What a journal file says about itself."""

    identity: str
    schema: int
    last_sequence: int


def inspect(path: Path) -> JournalFile:
    """Read and check a journal file that no kernel has open. Raises JournalTooNew, JournalFailed."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return _inspect(connection, path)
    except sqlite3.Error as error:
        raise failed(error) from error


def _inspect(connection: sqlite3.Connection, path: Path) -> JournalFile:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if int(connection.execute("PRAGMA application_id").fetchone()[0]) != APPLICATION_ID:
        raise JournalFailed("NOT_A_JOURNAL", f"{path} is no journal")
    if version > len(MIGRATIONS):
        raise JournalTooNew(version, len(MIGRATIONS))
    faults = [row[0] for row in connection.execute("PRAGMA quick_check(3)") if row[0] != "ok"]
    if faults:
        raise JournalFailed("CORRUPT", f"{path} is damaged: {'; '.join(faults)}")
    identity, sequence = connection.execute("SELECT identity, sequence FROM head").fetchone()
    return JournalFile(identity, version, sequence)


def renew(path: Path) -> str:
    """Give the journal a new identity, and note up to where it was restored; returns the identity. Durable on return.

    Raises JournalFailed.
    """
    identity = os.urandom(16).hex()
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL").fetchall()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE head SET identity = ?, version = version + 1", (identity,))
            connection.execute(
                "INSERT OR REPLACE INTO bucket"
                " SELECT ?, ?, CAST(CAST(sequence AS TEXT) AS BLOB), version, 0 FROM head",
                (META_BUCKET, RESTORED_KEY),
            )
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise failed(error) from error
    return identity
