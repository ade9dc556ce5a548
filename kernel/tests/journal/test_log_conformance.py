"""What every log driver does. A new driver is added to the fixture `journal` and passes all of this."""

from __future__ import annotations

import asyncio
import enum

import pytest
from jackfield_kernel.journal.errors import GroupRefused, JournalError, JournalFailed
from jackfield_kernel.journal.log import (
    COMMITTED,
    CONFLICT,
    DUPLICATE,
    MAX_RECORDS,
    Check,
    Claim,
    LogDriver,
    Put,
    Record,
    Stored,
    Unit,
)


def record(ref: str, kind: int = 1) -> Record:
    return Record(kind, ref, ref.encode())


def unit(*refs: str, claim: str = "", until: float = 100.0) -> Unit:
    return Unit(tuple(record(ref) for ref in refs), (Claim(claim, until),) if claim else ())


async def everything(log: LogDriver, start: int = 1) -> list[Stored]:
    return [stored async for batch in log.replay(start) for stored in batch]


async def refs(log: LogDriver) -> list[str]:
    return [stored.record.ref for stored in await everything(log)]


async def test_a_new_journal_is_empty_and_on_its_first_boot(journal: LogDriver) -> None:
    found = await journal.open()
    assert (found.boot, found.last_sequence, found.journal_time, found.wall_time) == (1, 0, 0.0, 0.0)
    assert len(found.identity) == 32
    assert await everything(journal) == []


async def test_records_come_back_in_order_with_their_sequences(log: LogDriver) -> None:
    first = await log.commit([unit("a", "b"), unit("c")], [], 1.0)
    second = await log.commit([unit("d")], [], 1.0)
    assert [outcome.sequence for outcome in first + second] == [1, 3, 4]
    assert await everything(log) == [Stored(n, record(ref)) for n, ref in enumerate("abcd", 1)]
    assert [stored.sequence for stored in await everything(log, 3)] == [3, 4]


async def test_a_held_claim_skips_the_unit_whole_and_names_the_key(log: LogDriver) -> None:
    await log.commit([unit("a", claim="k")], [], 1.0)
    twice = Unit((record("b"),), (Claim("new", 100.0), Claim("k", 100.0)), (), (Put("box", "x", b"1"),))
    outcomes = await log.commit([twice, unit("c", claim="new")], [], 2.0)
    assert [(o.code, o.key) for o in outcomes] == [(DUPLICATE, "k"), (COMMITTED, "")]
    assert await refs(log) == ["a", "c"]
    assert await log.get("box", "x") is None


async def test_two_units_of_one_group_with_one_claim_commit_once(log: LogDriver) -> None:
    outcomes = await log.commit([unit("a", claim="k"), unit("b", claim="k")], [], 1.0)
    assert [o.code for o in outcomes] == [COMMITTED, DUPLICATE]
    assert await refs(log) == ["a"]


async def test_a_claim_ends_when_journal_time_reaches_its_expiry(log: LogDriver) -> None:
    await log.commit([unit("a", claim="k", until=10.0)], [], 1.0)
    assert (await log.commit([unit("b", claim="k", until=20.0)], [], 9.999))[0].code == DUPLICATE
    assert (await log.commit([unit("c", claim="k", until=20.0)], [], 10.0))[0].code == COMMITTED
    assert (await log.commit([unit("d", claim="k", until=30.0)], [], 11.0))[0].code == DUPLICATE


async def test_many_expired_claims_can_all_be_taken_again(log: LogDriver) -> None:
    for start in range(0, 1_000, 250):
        await log.commit([unit(claim=f"k{n}", until=5.0) for n in range(start, start + 250)], [], 1.0)
    for now in (6.0, 7.0):
        outcomes = await log.commit([unit(claim=f"k{n}", until=now + 0.5) for n in range(1_000)], [], now)
        assert {o.code for o in outcomes} == {COMMITTED}


async def test_journal_time_never_runs_backwards(journal: LogDriver) -> None:
    await journal.open()
    await journal.commit([unit("a", claim="k", until=10.0)], [], 20.0)
    await journal.commit([], [Put("box", "x", b"1", 15.0)], 1.0)
    assert await journal.get("box", "x") is None
    await journal.close()
    assert (await journal.open()).journal_time == 20.0


async def test_a_check_compares_versions_and_zero_means_absent(log: LogDriver) -> None:
    create = Unit(checks=(Check("box", "x", 0),), puts=(Put("box", "x", b"1"),))
    made, again = await log.commit([create, create], [], 1.0)
    assert made.code == COMMITTED
    assert (again.code, again.bucket, again.key, again.version) == (CONFLICT, "box", "x", made.version)
    replace = Unit((record("a"),), (), (Check("box", "x", made.version),), (Put("box", "x", b"2"),))
    replaced, stale = await log.commit([replace, replace], [], 1.0)
    assert (replaced.code, stale.code) == (COMMITTED, CONFLICT)
    entry = await log.get("box", "x")
    assert entry is not None
    assert (entry.value, entry.version) == (b"2", replaced.version)
    assert replaced.version > made.version
    assert await refs(log) == ["a"]


async def test_a_conflict_takes_no_claim(log: LogDriver) -> None:
    refused = Unit((record("a"),), (Claim("k", 100.0),), (Check("box", "x", 7),))
    assert (await log.commit([refused], [], 1.0))[0].code == CONFLICT
    assert (await log.commit([unit("b", claim="k")], [], 1.0))[0].code == COMMITTED


async def test_the_resend_of_a_committed_unit_is_a_duplicate_not_a_conflict(log: LogDriver) -> None:
    sent = Unit((record("a"),), (Claim("k", 100.0),), (Check("box", "x", 0),), (Put("box", "x", b"1"),))
    assert [o.code for o in await log.commit([sent, sent], [], 1.0)] == [COMMITTED, DUPLICATE]


async def test_versions_rise_over_delete_and_reopen(journal: LogDriver) -> None:
    await journal.open()
    write, delete = Unit(puts=(Put("box", "x", b"1"),)), Unit(puts=(Put("box", "x", None),))
    versions = [o.version for o in await journal.commit([write, delete, write, delete], [], 1.0)]
    assert await journal.get("box", "x") is None
    await journal.close()
    await journal.open()
    versions += [o.version for o in await journal.commit([write], [], 1.0)]
    assert versions == sorted(set(versions))


async def test_group_puts_stand_whatever_the_units_did(log: LogDriver) -> None:
    outcomes = await log.commit([Unit(checks=(Check("box", "x", 9),))], [Put("cursor", "adapter", b"7")], 1.0)
    assert outcomes[0].code == CONFLICT
    entry = await log.get("cursor", "adapter")
    assert entry is not None
    assert entry.value == b"7"
    assert await log.commit([], [], 1.0) == []


async def test_an_entry_is_gone_when_it_expires(log: LogDriver) -> None:
    await log.commit([Unit(puts=(Put("box", "x", b"1", 10.0), Put("box", "y", b"1")))], [], 1.0)
    assert await log.get("box", "x") is not None
    create = Unit(checks=(Check("box", "x", 0),), puts=(Put("box", "x", b"2", 30.0),))
    assert (await log.commit([create], [], 9.0))[0].code == CONFLICT
    await log.commit([], [], 10.0)
    assert [key for key, _ in await log.entries("box")] == ["y"]
    assert (await log.commit([create], [], 10.0))[0].code == COMMITTED


async def test_entries_are_listed_by_key_in_pages(log: LogDriver) -> None:
    keys = ["a", "b/1", "b/2", "b/\U0010ffff", "b0", "ü"]
    await log.commit(
        [Unit(puts=tuple(Put("box", key, b"v") for key in keys))], [Put("other", "b/3", b"v")], 1.0
    )
    assert [key for key, _ in await log.entries("box")] == keys
    assert [key for key, _ in await log.entries("box", "b/")] == keys[1:4]
    assert [key for key, _ in await log.entries("box", "b/", "b/1", 1)] == ["b/2"]
    assert [key for key, _ in await log.entries("box", after="b0")] == ["ü"]


async def test_scan_filters_by_kind_ref_and_range(log: LogDriver) -> None:
    rows = tuple(Record(n % 3, "even" if n % 2 == 0 else "odd", b"") for n in range(1, 31))
    await log.commit([Unit(rows)], [], 1.0)

    def numbers(found: list[Stored]) -> list[int]:
        return [stored.sequence for stored in found]

    assert numbers(await log.scan(limit=3)) == [1, 2, 3]
    assert numbers(await log.scan(limit=3, newest_first=True)) == [30, 29, 28]
    assert numbers(await log.scan(kinds={0}, ref="odd", after=3, before=27)) == [9, 15, 21]
    assert numbers(await log.scan(kinds={1, 2}, before=6, newest_first=True)) == [5, 4, 2, 1]
    assert await log.scan(ref="none") == []


async def test_trim_spares_what_is_kept_and_never_reuses_a_sequence(journal: LogDriver) -> None:
    await journal.open()
    await journal.commit([unit("open", *[f"settled{n}" for n in range(900)], "young")], [], 1.0)
    assert await journal.trim(902, {"open"}) == 900
    assert await refs(journal) == ["open", "young"]
    assert await journal.trim(903) == 2
    await journal.close()
    assert (await journal.open()).last_sequence == 902
    assert (await journal.commit([unit("next")], [], 1.0))[0].sequence == 903


async def test_groups_in_flight_take_effect_in_the_order_of_the_calls(log: LogDriver) -> None:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(log.commit([unit(f"{n:03}")], [], 1.0)) for n in range(200)]
    assert [task.result()[0].sequence for task in running] == list(range(1, 201))
    assert await refs(log) == [f"{n:03}" for n in range(200)]


async def test_a_cancelled_commit_stands_and_the_next_one_gets_its_own_outcome(log: LogDriver) -> None:
    first = asyncio.create_task(log.commit([unit("a")], [], 1.0))
    second = asyncio.create_task(log.commit([unit("b")], [], 1.0))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)[0].sequence == 2
    assert await refs(log) == ["a", "b"]


async def test_a_group_above_the_limit_is_refused_whole(log: LogDriver) -> None:
    with pytest.raises(GroupRefused):
        await log.commit([unit("a"), Unit(tuple([record("b")] * MAX_RECORDS))], [], 1.0)
    assert await refs(log) == []
    await log.commit([Unit(tuple([record("b")] * MAX_RECORDS))], [], 1.0)
    assert len(await refs(log)) == MAX_RECORDS


async def test_a_value_of_a_wrong_type_is_refused_and_the_journal_goes_on(log: LogDriver) -> None:
    with pytest.raises(GroupRefused):
        await log.commit([unit("a"), Unit((Record(1, "b", None),))], [], 1.0)  # type: ignore[arg-type]
    await log.commit([unit("c")], [], 1.0)
    assert await refs(log) == ["c"]


async def test_kinds_and_buckets_may_be_enumerations(log: LogDriver) -> None:
    kind = enum.IntEnum("Kind", ["EVENT"])
    bucket = enum.StrEnum("Bucket", ["BOX"])
    await log.commit([Unit((Record(kind.EVENT, "a", b""),), puts=(Put(bucket.BOX, "x", b"1"),))], [], 1.0)
    assert (await everything(log))[0].record.kind == 1
    assert await log.get("box", "x") is not None


async def test_large_bodies_are_replayed_in_bounded_batches(log: LogDriver) -> None:
    body = bytes(256 * 1024)
    await log.commit([Unit(tuple(Record(1, str(n), body) for n in range(40)))], [], 1.0)
    assert [(len(s.record.body), s.record.ref) for s in await everything(log)] == [
        (len(body), str(n)) for n in range(40)
    ]


async def test_reopening_finds_all_and_raises_the_boot(journal: LogDriver) -> None:
    before = await journal.open()
    await journal.commit([unit("a", claim="k")], [Put("box", "x", b"1")], 5.0)
    await journal.close()
    after = await journal.open()
    assert (after.identity, after.boot, after.schema) == (before.identity, before.boot + 1, before.schema)
    assert (after.last_sequence, after.journal_time) == (1, 5.0)
    assert after.wall_time > 0
    assert (await journal.commit([unit("b", claim="k")], [], 5.0))[0].code == DUPLICATE
    assert await refs(journal) == ["a"]
    assert await journal.get("box", "x") is not None


async def test_a_closed_journal_refuses_and_closes_twice(log: LogDriver) -> None:
    await log.close()
    await log.close()
    with pytest.raises(JournalFailed) as failure:
        await log.commit([unit("a")], [], 1.0)
    assert failure.value.reason == "CLOSED"
    with pytest.raises(JournalError):
        await log.get("box", "x")
    assert log.pending().groups == 0


async def test_usage_counts_what_lives_by_bucket(log: LogDriver) -> None:
    puts = [Put("kv/a", "k", b"12"), Put("kv/a", "ü", b"3"), Put("kv/b", "k", b""), Put("other", "k", b"x")]
    await log.commit([], [*puts, Put("kv/a", "gone", b"x", 2.0), Put("kv/c", "gone", b"x", 2.0)], 1.0)
    await log.commit([], [Put("kv/b", "new", b"4")], 3.0)
    assert await log.usage("kv/") == {"kv/a": (2, 6), "kv/b": (2, 5)}
    assert await log.usage("kv/a") == {"kv/a": (2, 6)}
    assert await log.usage("none") == {}


async def test_trim_spares_kinds(log: LogDriver) -> None:
    await log.commit([unit("a"), Unit((record("b", 6),)), unit("c")], [], 1.0)
    assert await log.trim(4, spare=(6,)) == 2
    assert await refs(log) == ["b"]
    assert await log.trim(4, spare=(1, 2)) == 1


async def test_erased_records_are_gone_and_the_others_stay(log: LogDriver) -> None:
    await log.commit([unit("a", "b", "a", "c")], [], 1.0)
    assert await log.erase({"a", "c", "none"}) == 3
    assert await refs(log) == ["b"]
    assert await log.erase(()) == 0
    await log.commit([], [Put("box", "x", b"1"), Put("box", "y", b"2")], 1.0)
    assert await log.erase((), [("box", "x"), ("box", "none")]) == 0
    assert [key for key, _ in await log.entries("box")] == ["y"]
    outcome = (await log.commit([unit("d")], [], 1.0))[0]
    assert outcome.sequence == 5
