"""Short reads of the journal file by the kernel, beside the process that writes it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from jackfield_kernel.journal.errors import JournalError, JournalFailed
from jackfield_kernel.journal.log import Entry, Record, Stored
from jackfield_kernel.journal.sqlite.schema import copy
from jackfield_kernel.journal.sqlite.writer import REASONS

REPLAY_ROWS = 2_000
REPLAY_BYTES = 4 * 1024 * 1024
SCAN_WINDOW = (
    20_000  # sequences looked at by one statement, so that a rare kind does not hold a snapshot for long
)

P = ParamSpec("P")
T = TypeVar("T")


class Reader:
    """A read-only connection. Methods block and are called by `run`, one at a time, in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection = _connect(path)

    async def run(self, method: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `method` in a thread; errors of the storage become `JournalFailed`."""

        def guarded() -> T:
            with self._lock:
                try:
                    return method(self, *args, **kwargs)
                except sqlite3.Error as error:
                    raise failed(error) from error

        return await asyncio.to_thread(guarded)

    def records(self, start: int) -> list[Stored]:
        """Up to REPLAY_ROWS records from `start` on, and not much more than REPLAY_BYTES."""
        cursor = self._connection.execute(
            "SELECT seq, kind, ref, body FROM log WHERE seq >= ? ORDER BY seq LIMIT ?", (start, REPLAY_ROWS)
        )
        batch: list[Stored] = []
        size = 0
        for sequence, kind, ref, body in cursor:
            batch.append(Stored(sequence, Record(kind, ref, body)))
            size += len(body)
            if size > REPLAY_BYTES:
                break
        cursor.close()
        return batch

    def scan(
        self,
        kinds: Collection[int],
        ref: str | None,
        after: int,
        before: int | None,
        limit: int,
        newest_first: bool,
    ) -> list[Stored]:
        """See `LogDriver.scan`.

        With a ref the index answers; without, windows of sequences are looked through.
        """
        low, high = self._connection.execute("SELECT min(seq), max(seq) FROM log").fetchone()
        if low is None:
            return []
        low, high = max(low, after + 1), high if before is None else min(high, before - 1)
        if ref is not None:
            return self._select(kinds, ref, low, high, limit, newest_first)
        found: list[Stored] = []
        while low <= high and len(found) < limit:
            first = max(low, high - SCAN_WINDOW + 1) if newest_first else low
            last = high if newest_first else min(high, low + SCAN_WINDOW - 1)
            found += self._select(kinds, None, first, last, limit - len(found), newest_first)
            if newest_first:
                high = first - 1
            else:
                low = last + 1
        return found

    def _select(
        self, kinds: Collection[int], ref: str | None, first: int, last: int, limit: int, newest_first: bool
    ) -> list[Stored]:
        where, values = "seq BETWEEN ? AND ?", [first, last]
        if ref is not None:
            where += " AND ref = ?"
        if kinds:
            where += f" AND kind IN ({', '.join('?' * len(kinds))})"
        order = "DESC" if newest_first else "ASC"
        rows = self._connection.execute(
            f"SELECT seq, kind, ref, body FROM log WHERE {where} ORDER BY seq {order} LIMIT ?",
            (*values, *(() if ref is None else (ref,)), *kinds, limit),
        )
        return [Stored(sequence, Record(kind, name, body)) for sequence, kind, name, body in rows]

    def get(self, bucket: str, key: str, time: float) -> Entry | None:
        """The entry, unless it expired at journal time `time`."""
        row = self._connection.execute(
            "SELECT value, version, expires_at FROM bucket WHERE bucket = ? AND key = ?"
            " AND (expires_at <= 0 OR expires_at > ?)",
            (bucket, key, time),
        ).fetchone()
        return None if row is None else Entry(*row)

    def entries(
        self, bucket: str, prefix: str, after: str, limit: int, time: float
    ) -> list[tuple[str, Entry]]:
        """See `LogDriver.entries`."""
        end = following(prefix)
        rows = self._connection.execute(
            "SELECT key, value, version, expires_at FROM bucket WHERE bucket = ? AND key >= ? AND key > ?"
            f" {'' if end is None else 'AND key < ?'} AND (expires_at <= 0 OR expires_at > ?)"
            " ORDER BY key LIMIT ?",
            (bucket, prefix, after, *(() if end is None else (end,)), time, limit),
        )
        return [(key, Entry(value, version, expires_at)) for key, value, version, expires_at in rows]

    def usage(self, prefix: str, time: float) -> dict[str, tuple[int, int]]:
        """See `LogDriver.usage`."""
        end = following(prefix)
        rows = self._connection.execute(
            "SELECT bucket, count(*), sum(length(CAST(key AS BLOB)) + length(value)) FROM bucket"
            f" WHERE bucket >= ? {'' if end is None else 'AND bucket < ?'}"
            " AND (expires_at <= 0 OR expires_at > ?) GROUP BY bucket",
            (prefix, *(() if end is None else (end,)), time),
        )
        return {bucket: (entries, size) for bucket, entries, size in rows}

    def backup(self, target: Path) -> None:
        """Copy on a connection of its own: reads go on beside it."""
        if target.exists():
            raise JournalFailed("BACKUP_EXISTS", f"{target} exists already")
        connection = _connect(self._path)
        try:
            copy(connection, str(target))
        except sqlite3.Error as error:
            raise failed(error) from error
        except OSError as error:
            raise JournalFailed("CANNOT_OPEN", str(error)) from error
        finally:
            connection.close()

    def close(self) -> None:
        """Wait for the read under way, then close."""
        with self._lock:
            self._connection.close()


def failed(error: sqlite3.Error) -> JournalError:
    """The typed error of a failed read."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR)
    return JournalFailed(REASONS.get(code & 0xFF, "IO_ERROR"), str(error))


def following(prefix: str) -> str | None:
    """The smallest string above all that start with `prefix`; None when there is none."""
    while prefix:
        last = ord(prefix[-1])
        prefix = prefix[:-1]
        if last < 0x10FFFF:
            return prefix + chr(0xE000 if last == 0xD7FF else last + 1)  # surrogates cannot be stored
    return None


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=5.0,
        check_same_thread=False,
    )
