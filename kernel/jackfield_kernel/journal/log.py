"""The contract of a log driver: what the bus asks of the storage beneath it.

A driver is a log, not a queue. It keeps three things for one kernel at a time:

- a **log** of records, numbered from 1 without reuse; kernel state is rebuilt by replaying it;
- **claims**, keys that exist until a time: what carries a claimed key again is skipped (deduplication);
- **buckets** of key-value entries with versions, for state that is looked up instead of replayed.

Everything is written by `commit`: a group of units and group puts, durable together when it returns. A
**unit** is what stands or falls together: its records, claims and puts are written if none of its claims is
held and all of its checks hold; otherwise nothing of it is written and its outcome says why. Units are judged
one after another, each seeing the effect of the ones before. **Group puts** (cursors, sequences, counters)
are written last, whatever the outcomes were.

Order: groups take effect in the order in which `commit` was called (its first step runs without waiting), so
a second group may be sent while the first is in flight. When a group fails, every group sent before its error
was seen fails with the same error and leaves no trace: a later group never overtakes a lost one. Cancelling a
`commit` does not take the group back.

Time: `commit` carries journal time in seconds, persisted with the group; it never runs backwards (a smaller
value counts as the last one). A claim or entry whose `expires_at` is not after journal time is absent,
whether or not it was removed already.

Versions: a committed unit that puts draws one number, higher than every number drawn before in this journal,
and all its puts get it; so do the group puts together. A deleted and recreated key never shows an old version
again.

Notes for a driver on a replicated log (one stream as one partition): send a group as one message with the
expected last sequence, and answer a mismatch with `Fenced`; keep claims and versions of this partition in
memory or in the stream's key-value store, for only one kernel writes; judge units with `bus.group.decide`
before sending, as both drivers here do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

MAX_RECORDS: Final = 1_000
"""Most records in one group; more is refused with `GroupRefused`."""

MAX_GROUP_BYTES: Final = 256 * 1024 * 1024
"""Most bytes of one group, encoded; more is refused with `GroupRefused`."""

COMMITTED: Final = 0
DUPLICATE: Final = 1
CONFLICT: Final = 2


class Record(NamedTuple):
    """One row of the log.

    `kind` is a small number that the kernel defines; `ref` the id of the event it is about.
    """

    kind: int
    ref: str
    body: bytes


class Stored(NamedTuple):
    """A record with its sequence (1 is the first of a journal)."""

    sequence: int
    record: Record


class Claim(NamedTuple):
    """Holds `key` until journal time reaches `expires_at` (seconds).

    The unit is skipped whole when it is held already.
    """

    key: str
    expires_at: float


class Check(NamedTuple):
    """A compare-and-set condition: the entry has exactly this version; 0 means that it must not exist."""

    bucket: str
    key: str
    version: int


class Put(NamedTuple):
    """Writes an entry; `value` None deletes it. `expires_at` is journal time in seconds; 0 is never."""

    bucket: str
    key: str
    value: bytes | None
    expires_at: float = 0.0


class Unit(NamedTuple):
    """What is written together or not at all.

    All claims of a unit are judged before its checks, both before it writes.
    """

    records: tuple[Record, ...] = ()
    claims: tuple[Claim, ...] = ()
    checks: tuple[Check, ...] = ()
    puts: tuple[Put, ...] = ()


class Outcome(NamedTuple):
    """What became of one unit.

    Attributes:
        code: COMMITTED, DUPLICATE or CONFLICT.
        sequence: of the first record of a committed unit, its others follow without gap; 0 without records.
        version: that the puts of a committed unit got; 0 without puts. For CONFLICT: the version found.
        bucket: of the failed check of a CONFLICT.
        key: the held key of a DUPLICATE, or that of the failed check.
    """

    code: int
    sequence: int = 0
    version: int = 0
    bucket: str = ""
    key: str = ""


class Entry(NamedTuple):
    """The value of a bucket's key; `expires_at` is journal time in seconds, 0 is never."""

    value: bytes
    version: int
    expires_at: float


class JournalInfo(NamedTuple):
    """What `open` found.

    Attributes:
        identity: 32 hexadecimal digits, drawn when the journal was created.
        boot: how often it was opened, this time included; raised and durable before `open` returns.
        schema: version of the layout, after migration.
        last_sequence: of the last record ever committed, trimmed or not; 0 for none.
        journal_time: of the last group, in seconds; 0 for a new journal.
        wall_time: Unix time in seconds at which the last group was sent; 0 for a new journal.
    """

    identity: str
    boot: int
    schema: int
    last_sequence: int
    journal_time: float
    wall_time: float


class Pending(NamedTuple):
    """How the storage keeps up, so that a stuck disk is told from a busy loop.

    Attributes:
        groups: sent and not answered.
        oldest_seconds: age of the oldest of them; 0 without.
        commit_seconds: what the storage itself needed for the last answered group, waiting excluded.
    """

    groups: int
    oldest_seconds: float
    commit_seconds: float


class LogDriver(Protocol):
    """The storage of the bus. One instance serves one kernel on one event loop; it may be opened again once
    closed.

    Every method but `open` raises `JournalFailed` (CLOSED) while the journal is not open, and `JournalFailed`
    with the storage's reason when that fails. No method waits forever on a storage process that died.
    """

    async def open(self) -> JournalInfo:
        """Take the lock, migrate, raise the boot. Called once before anything else.

        Raises: JournalLocked, JournalTooNew, JournalFailed.
        """
        ...

    async def commit(self, units: Sequence[Unit], puts: Sequence[Put], time: float) -> list[Outcome]:
        """Write a group and return one outcome per unit once it is durable.

        Raises: GroupRefused, Fenced, JournalFailed; then nothing of the group stands (see there for the
        exceptions).
        """
        ...

    def replay(self, from_sequence: int) -> AsyncIterator[list[Stored]]:
        """Batches of records from `from_sequence` on, oldest first, until the tail was reached.

        Batches are never empty.
        """
        ...

    async def scan(
        self,
        *,
        kinds: Collection[int] = (),
        ref: str | None = None,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[Stored]:
        """At most `limit` records strictly between two sequences; `kinds` empty means all.

        For people, not for the hot path.
        """
        ...

    async def get(self, bucket: str, key: str) -> Entry | None:
        """The entry as of the last committed group.

        Compare `expires_at` when your journal time is later than that.
        """
        ...

    async def entries(
        self, bucket: str, prefix: str = "", after: str = "", limit: int = 1_000
    ) -> list[tuple[str, Entry]]:
        """At most `limit` live entries whose key starts with `prefix` and is greater than `after`, by key
        (code points)."""
        ...

    async def usage(self, prefix: str) -> dict[str, tuple[int, int]]:
        """Live entries, and bytes of their keys and values, of each bucket whose name starts with `prefix`.

        Buckets without entries are left out. For bounds and listings, not for the hot path.
        """
        ...

    async def trim(self, before: int, keep: Collection[str] = (), spare: Collection[int] = ()) -> int:
        """Remove records with a sequence below `before` but those whose ref is in `keep` or whose kind is in `spare`;
        returns how many.

        Works in small steps between commits; records committed meanwhile are not touched.
        """
        ...

    async def erase(self, refs: Collection[str], entries: Collection[tuple[str, str]] = ()) -> int:
        """Remove every record of these refs and these entries (bucket, key), overwriting what they said where the storage
        can; returns how many records went.
        """
        ...

    def size(self) -> int:
        """Bytes on disk, what is not yet merged included; 0 for none. Cheap; never raises."""
        ...

    async def backup(self, path: Path) -> None:
        """Write a consistent copy to `path`, durable when this returns; commits go on meanwhile.

        Raises: JournalFailed (BACKUP_EXISTS when there is a file already).
        """
        ...

    def pending(self) -> Pending:
        """What is in flight. Cheap; never raises."""
        ...

    async def close(self) -> None:
        """Let what was sent finish, give the lock back. Does nothing on a closed driver."""
        ...
