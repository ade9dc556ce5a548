"""The one connection that writes the journal. Runs in the writer process: light imports only."""

from __future__ import annotations

import marshal
import sqlite3

from jackfield_kernel.journal.group import OutcomeRow, PutRow, UnitRow, Writes, decide

CHECKPOINT_PAGES = 1_000  # a larger log means rarer but longer pauses, and no more throughput
CACHE_KIB = 8_192
ANSWERS = 8  # more than groups in flight
TRIM_ROWS = 500
PURGE_ROWS = 16
VACUUM_PAGES = 512
VACUUM_THRESHOLD = 4_096  # free pages are reused, so the file shrinks only when there are many of them


class TakenOver(Exception):
    """Another kernel raised the boot."""


def connect(path: str, max_bytes: int) -> sqlite3.Connection:
    """Open for writing.

    Every commit is synced, on macOS down to the platter; `max_bytes` 0 means no bound.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0, cached_statements=64)
    for pragma in (
        "synchronous = FULL",
        "fullfsync = ON",
        "checkpoint_fullfsync = ON",
        "secure_delete = OFF",  # some builds zero what is deleted, which doubles the writes of every purge
        "temp_store = MEMORY",
        f"cache_size = -{CACHE_KIB}",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    if max_bytes:
        pages = max(1, max_bytes // int(connection.execute("PRAGMA page_size").fetchone()[0]))
        connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
    return connection


class Store:
    """Commits groups and trims. Numbers advance in memory only after the transaction did."""

    def __init__(self, connection: sqlite3.Connection, boot: int = 0) -> None:
        """`boot` continues that start of the kernel, whose earlier writer died; 0 begins a new one.

        Raises TakenOver when another kernel began one since.
        """
        self._connection = connection
        if boot and connection.execute("SELECT boot FROM head").fetchone()[0] != boot:
            raise TakenOver
        if not boot:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE head SET boot = boot + 1")
            connection.execute("COMMIT")
        connection.execute("CREATE TEMP TABLE keep (ref TEXT PRIMARY KEY) WITHOUT ROWID")
        row = connection.execute("SELECT identity, boot, sequence, version, time, wall FROM head").fetchone()
        self.identity: str = row[0]
        self.boot: int = row[1]
        self.sequence: int = row[2]
        self.version: int = row[3]
        self.time: float = row[4]
        self.wall: float = row[5]

    def commit(
        self, number: int, units: list[UnitRow], puts: list[PutRow], time: float, wall: float
    ) -> list[OutcomeRow]:
        """One group, one transaction, one sync. A group whose `number` stands already gets its outcomes again.

        Raises TakenOver, sqlite3.Error, and ValueError family for bad values.
        """
        connection = self._connection
        row = connection.execute(
            "SELECT outcomes FROM answer WHERE slot = ? AND boot = ? AND number = ?",
            (number % ANSWERS, self.boot, number),
        ).fetchone()
        if row is not None:
            known: list[OutcomeRow] = marshal.loads(row[0])
            return known
        time = max(time, self.time)
        connection.execute("BEGIN IMMEDIATE")
        try:
            held, versions = self._look_up(units, time)
            writes = decide(units, puts, held, versions, time, self.sequence, self.version)
            self._write(writes)
            self._purge(time, PURGE_ROWS + 2 * len(writes.claims))
            changed = connection.execute(
                "UPDATE head SET sequence = ?, version = ?, time = ?, wall = ? WHERE boot = ?",
                (writes.sequence, writes.version, time, wall, self.boot),
            )
            if changed.rowcount != 1:
                raise TakenOver
            connection.execute(
                "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?)",
                (number % ANSWERS, self.boot, number, marshal.dumps(writes.outcomes)),
            )
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.sequence, self.version, self.time, self.wall = writes.sequence, writes.version, time, wall
        return writes.outcomes

    def _look_up(
        self, units: list[UnitRow], time: float
    ) -> tuple[dict[str, float], dict[tuple[str, str], int]]:
        """The stored claims and checked versions that the units name."""
        execute = self._connection.execute
        held: dict[str, float] = {}
        versions: dict[tuple[str, str], int] = {}
        for _, claims, checks, _ in units:
            for key, _ in claims:
                row = execute("SELECT expires_at FROM claim WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    held[key] = row[0]
            for bucket, key, _ in checks:
                row = execute(
                    "SELECT version FROM bucket WHERE bucket = ? AND key = ?"
                    " AND (expires_at <= 0 OR expires_at > ?)",
                    (bucket, key, time),
                ).fetchone()
                if row is not None:
                    versions[bucket, key] = row[0]
        return held, versions

    def _write(self, writes: Writes) -> None:
        many = self._connection.executemany
        if writes.records:
            many("INSERT INTO log VALUES (?, ?, ?, ?)", writes.records)
        if writes.claims:
            many("INSERT OR REPLACE INTO claim VALUES (?, ?)", writes.claims.items())
        if writes.puts:
            gone = [name for name, (value, _, _) in writes.puts.items() if value is None]
            many("DELETE FROM bucket WHERE bucket = ? AND key = ?", gone)
            many(
                "INSERT OR REPLACE INTO bucket VALUES (?, ?, ?, ?, ?)",
                [(*name, *entry) for name, entry in writes.puts.items() if entry[0] is not None],
            )

    def _purge(self, time: float, limit: int) -> None:
        """Remove some of what expired: more per group than a group adds, never a scan of what lives."""
        execute = self._connection.execute
        execute(
            "DELETE FROM claim WHERE key IN (SELECT key FROM claim WHERE expires_at <= ? LIMIT ?)",
            (time, limit),
        )
        execute(
            "DELETE FROM bucket WHERE (bucket, key) IN"
            " (SELECT bucket, key FROM bucket WHERE expires_at > 0 AND expires_at <= ? LIMIT ?)",
            (time, limit),
        )

    def keep(self, refs: list[str], first: bool) -> None:
        """Add to the refs that the trim under way spares; `first` forgets those of the trim before."""
        if first:
            self._connection.execute("DELETE FROM keep")
        self._connection.executemany("INSERT OR IGNORE INTO keep VALUES (?)", [(ref,) for ref in refs])

    def erase(self, refs: list[str], entries: list[tuple[str, str]]) -> int:
        """Remove all records of `refs`, and entries, their bytes overwritten in the file; returns how many records went."""
        connection = self._connection
        marks = ", ".join("?" * len(refs))
        connection.execute("PRAGMA secure_delete = ON").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        try:
            removed: int = connection.execute(f"DELETE FROM log WHERE ref IN ({marks})", refs).rowcount
            connection.executemany("DELETE FROM bucket WHERE bucket = ? AND key = ?", entries)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        finally:
            connection.execute("PRAGMA secure_delete = OFF").fetchall()
        # The write-ahead log still holds the pages as they were; emptied when no reader is in the way.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return removed

    def trim(self, first: int, before: int, spare: list[int]) -> tuple[int, int]:
        """One short step over at most TRIM_ROWS records; kinds in `spare` stay.

        Returns where to go on (0 at the end) and how many went.
        """
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            last = connection.execute(
                "SELECT max(seq) FROM (SELECT seq FROM log WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT ?)",
                (first, before, TRIM_ROWS),
            ).fetchone()[0]
            removed = 0
            if last is not None:
                kinds = f" AND kind NOT IN ({', '.join('?' * len(spare))})" if spare else ""
                removed = connection.execute(
                    f"DELETE FROM log WHERE seq >= ? AND seq <= ? AND ref NOT IN (SELECT ref FROM keep){kinds}",
                    (first, last, *spare),
                ).rowcount
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if int(connection.execute("PRAGMA freelist_count").fetchone()[0]) > VACUUM_THRESHOLD:
            # A row per page without a column: `execute` would stop after the first page.
            connection.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
        return (0 if last is None else last + 1), removed

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file, as far as readers and space allow; what remains stays safe
        in the log.

        Raises sqlite3.Error when the disk fails: then this process must not trust a later sync.
        """
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY):
                raise

    def close(self) -> None:
        """Close the connection; the last one checkpoints."""
        self._connection.close()
