"""Judging a group: which units are written, and as what. Pure, shared by all drivers.

Works on plain tuples (the named tuples of `bus.log` are such), because the writer process loads this module
and must start within milliseconds; for the same reason nothing is imported here.
"""

from __future__ import annotations

RecordRow = tuple[int, str, bytes]
ClaimRow = tuple[str, float]
CheckRow = tuple[str, str, int]
PutRow = tuple[str, str, "bytes | None", float]
UnitRow = tuple["tuple[RecordRow, ...]", "tuple[ClaimRow, ...]", "tuple[CheckRow, ...]", "tuple[PutRow, ...]"]
OutcomeRow = tuple[int, int, int, str, str]

COMMITTED, DUPLICATE, CONFLICT = 0, 1, 2


class Writes:
    """What a judged group changes.

    Attributes:
        outcomes: one per unit, in order.
        records: (sequence, kind, ref, body), ascending.
        claims: key to expiry.
        puts: (bucket, key) to (value, version, expiry); value None deletes. The last put of a key wins.
        sequence, version: the highest numbers given out, now or before.
    """

    __slots__ = ("claims", "outcomes", "puts", "records", "sequence", "version")

    def __init__(self, sequence: int, version: int) -> None:
        self.outcomes: list[OutcomeRow] = []
        self.records: list[tuple[int, int, str, bytes]] = []
        self.claims: dict[str, float] = {}
        self.puts: dict[tuple[str, str], tuple[bytes | None, int, float]] = {}
        self.sequence = sequence
        self.version = version


def decide(
    units: list[UnitRow],
    puts: list[PutRow],
    held: dict[str, float],
    versions: dict[tuple[str, str], int],
    time: float,
    sequence: int,
    version: int,
) -> Writes:
    """Judge the units one after another.

    `held` maps the claimed keys that the storage has to their expiry; `versions` the checked entries that
    exist and have not expired to their version. Both are updated. `sequence` and `version` are the highest
    numbers given out so far.
    """
    writes = Writes(sequence, version)
    outcomes, rows = writes.outcomes, writes.records
    for records, claims, checks, unit_puts in units:
        outcome = _refusal(claims, checks, held, versions, time)
        if outcome is not None:
            outcomes.append(outcome)
            continue
        first = writes.sequence + 1 if records else 0
        for kind, ref, body in records:
            writes.sequence += 1
            rows.append((writes.sequence, kind, ref, body))
        for key, expires_at in claims:
            held[key] = writes.claims[key] = expires_at
        outcomes.append((COMMITTED, first, _put(writes, unit_puts, versions, time), "", ""))
    _put(writes, puts, versions, time)
    return writes


def _refusal(
    claims: tuple[ClaimRow, ...],
    checks: tuple[CheckRow, ...],
    held: dict[str, float],
    versions: dict[tuple[str, str], int],
    time: float,
) -> OutcomeRow | None:
    """Why a unit is not written.

    A held claim comes first, since the resend of a committed unit also fails its checks.
    """
    for key, _ in claims:
        if held.get(key, time) > time:
            return (DUPLICATE, 0, 0, "", key)
    for bucket, key, expected in checks:
        found = versions.get((bucket, key), 0)
        if found != expected:
            return (CONFLICT, 0, found, bucket, key)
    return None


def _put(
    writes: Writes,
    puts: tuple[PutRow, ...] | list[PutRow],
    versions: dict[tuple[str, str], int],
    time: float,
) -> int:
    """Add puts under one new version and return it; 0 for none."""
    if not puts:
        return 0
    writes.version += 1
    for bucket, key, value, expires_at in puts:
        gone = value is None or 0 < expires_at <= time
        writes.puts[bucket, key] = (None if gone else value, writes.version, expires_at)
        versions[bucket, key] = 0 if gone else writes.version
    return writes.version
