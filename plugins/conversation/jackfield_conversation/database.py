"""One SQLite file: a thread that writes, a few that read, and nothing of it on the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from jackfield_sdk import Unavailable

from jackfield_conversation.schema import migrate

T = TypeVar("T")
A = TypeVar("A")
Work = Callable[[sqlite3.Connection], T]
READERS = 2
WAITING = 256
BUSY_SECONDS = 5.0
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA wal_autocheckpoint = 1000",
)


class Database:
    """Opens the file at `path` and brings it to the version of this plugin.

    Every write is one transaction, on disk when `write` returns. Raises InvalidArgument for a file of a later version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = ThreadPoolExecutor(1, "conversation-writer")
        self._readers = ThreadPoolExecutor(READERS, "conversation-reader")
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._waiting = 0
        connection = self._connect()
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        self.parts_of_words = migrate(connection)
        self._main = connection

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; an exception of it undoes all. Raises Unavailable when the disk refuses."""
        return await self._run(self._writer, self._write, work)

    async def read(self, work: Work[T]) -> T:
        """Run `work` on one consistent view. Raises Unavailable when the disk refuses."""
        return await self._run(self._readers, self._read, work)

    async def settle(self) -> None:
        """Merge the indexes, bring the log into the file and empty it, so that what was erased stands in none of them.

        Takes the writer a second or so per million turns.
        """
        await self._run(self._writer, self._settle, self._main)

    def close(self) -> None:
        """Finish what was begun and close the file. Blocks for as long as that takes."""
        self._writer.shutdown()
        self._readers.shutdown()
        for connection in self._open:
            connection.close()

    async def _run(self, pool: ThreadPoolExecutor, run: Callable[[A], T], work: A) -> T:
        if self._waiting >= WAITING:
            raise Unavailable(f"{WAITING} requests wait for the database already", retry_after=1.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, run, work)
        except sqlite3.OperationalError as error:
            raise Unavailable(
                f"the database {self._path.name} refuses: {error}",
                remedy="Look at the disk: it may be full or read-only.",
            ) from error
        finally:
            self._waiting -= 1

    def _write(self, work: Work[T]) -> T:
        self._main.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._main)
            self._main.execute("COMMIT")
        except BaseException:
            # Whatever stopped it: nothing of it stays.
            if self._main.in_transaction:
                self._main.execute("ROLLBACK")
            raise
        return result

    def _read(self, work: Work[T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
        with closing(connection.cursor()):
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                connection.execute("ROLLBACK")

    def _settle(self, connection: sqlite3.Connection) -> None:
        # Only a merge drops the words of removed rows from an index: SQLite before 3.42 knows no other way.
        for table in ("words", "parts") if self.parts_of_words else ("words",):
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        self._open.append(connection)
        return connection
