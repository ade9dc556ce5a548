"""Dead letters: shown, replayed, discarded. Each is complete in itself, for the log may have forgotten its event."""

from __future__ import annotations

from collections.abc import Iterable

from jackfield.v1 import journal_pb2

from ..journal.log import COMMITTED, Check, LogDriver, Put, Record, Unit
from . import ledger
from .bus import Bus
from .model import Delivery, Run

LIMIT = 10_000


class DeadLetters:
    """The dead letters in the journal."""

    def __init__(self, bus: Bus, driver: LogDriver) -> None:
        self._bus = bus
        self._driver = driver

    async def list(self) -> list[tuple[str, journal_pb2.DeadRecord]]:
        """All, newest first: delivery id and record."""
        entries = await self._driver.entries(ledger.DEAD_BUCKET, limit=LIMIT)
        letters = [(key, journal_pb2.DeadRecord.FromString(entry.value)) for key, entry in entries]
        letters.sort(key=lambda letter: ledger.seconds(letter[1].outcome.time), reverse=True)
        return letters

    async def replay(self, delivery_ids: Iterable[str]) -> int:
        """Put dead letters back into their lanes as fresh deliveries; returns how many there were."""
        count = 0
        for delivery_id in delivery_ids:
            count += await self._replay(delivery_id)
        return count

    async def _replay(self, delivery_id: str) -> int:
        entry = await self._driver.get(ledger.DEAD_BUCKET, delivery_id)
        if entry is None:
            return 0
        letter = journal_pb2.DeadRecord.FromString(entry.value)
        event, now = letter.accepted.event, self._bus.journal_time()
        if event.id in self._bus.runs:
            return 0
        letter.accepted.time.CopyFrom(ledger.stamp(now))
        step, lane, plugin = letter.routed.first_step, letter.accepted.lane, letter.accepted.plugin
        rules, version = tuple(letter.routed.rules), letter.routed.table_version
        routed = letter.routed.SerializeToString()
        run = Run(event, lane, 0, now, plugin, rules, version, step, step)
        delivery = Delivery(run, run.rule, size=event.ByteSize())
        records = [
            Record(ledger.ACCEPTED, event.id, letter.accepted.SerializeToString()),
            Record(ledger.ROUTED, event.id, routed),
        ]
        for member in letter.merged:
            records.extend(ledger.accepted_records(member, plugin, lane, now, routed))
            delivery.merged.append(Run(member, lane, 0, now, plugin, rules, version, step, step))
        if delivery.merged:
            records.extend(ledger.merged_unit(delivery, now).records)
        unit = Unit(
            tuple(records),
            checks=(Check(ledger.DEAD_BUCKET, delivery_id, entry.version),),
            puts=(Put(ledger.DEAD_BUCKET, delivery_id, None),),
        )
        outcome = await self._bus.journal.write(unit)
        if outcome.code != COMMITTED:
            return 0
        run.sequence = outcome.sequence
        self._bus.runs.open(run)
        # Whatever its rule's busy mode made of it the first time stands.
        self._bus.restore(delivery)
        self._bus.turns.flush()
        return 1

    async def discard(self, delivery_ids: Iterable[str]) -> int:
        """Remove dead letters; returns how many there were."""
        puts = [
            Put(ledger.DEAD_BUCKET, delivery_id, None)
            for delivery_id in delivery_ids
            if await self._driver.get(ledger.DEAD_BUCKET, delivery_id) is not None
        ]
        if puts:
            await self._bus.journal.write(Unit(puts=tuple(puts)))
        return len(puts)
