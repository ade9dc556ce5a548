"""Rebuilding the bus from the journal: the records of open events, applied in order."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from jackfield.v1 import event_pb2, journal_pb2, router_pb2

from ..journal.errors import JournalFailed
from ..journal.log import LogDriver, Stored
from . import ledger
from .bus import Bus
from .model import Delivery, Recorded, Run

LOW_BUCKET = "meta"
LOW_KEY = "low"
OPEN_KEY = "open"
"""Notes the events that were open at a sequence, when few were and the oldest is far behind."""
FAR_BEHIND = 20_000
FEW = 1_000
PAGE = 1_000

_TERMINAL = {
    journal_pb2.DELIVERY_STATE_DONE,
    journal_pb2.DELIVERY_STATE_INTERRUPTED,
    journal_pb2.DELIVERY_STATE_DEAD,
    journal_pb2.DELIVERY_STATE_MERGED,
    journal_pb2.DELIVERY_STATE_DROPPED,
}


@dataclass(slots=True)
class _Open:
    """What is known of one event while records are applied."""

    run: Run
    attempt: int = 0
    crashes: int = 0
    next_time: float = 0.0
    calls: dict[str, Recorded] = field(default_factory=dict)
    merged: list[str] = field(default_factory=list)


class Replay:
    """Applies records; what is not settled at the end is queued again."""

    def __init__(self, bus: Bus, now: Callable[[], float]) -> None:
        self._bus = bus
        self._now = now
        self._open: dict[str, _Open] = {}
        self._members: dict[str, event_pb2.Event] = {}

    async def run(self, driver: LogDriver) -> int:
        """Read what is open and rebuild. Returns how many events are open.

        From the low mark on; or, where an old event stays open while many newer ones are settled, the records of the events
        that were noted as open, then what came after the note.
        """
        mark = await driver.get(LOW_BUCKET, LOW_KEY)
        first = int(mark.value) if mark else 1
        noted = await driver.get(LOW_BUCKET, OPEN_KEY)
        if noted is not None:
            note = json.loads(noted.value)
            first = note["upto"] + 1
            for stored in await _records_of(driver, note["refs"], first):
                self._apply(stored)
        async for batch in driver.replay(first):
            for stored in batch:
                self._apply(stored)
        return self.finish()

    def _apply(self, stored: Stored) -> None:
        try:
            self.apply(stored)
        except DecodeError as error:
            raise JournalFailed(
                "CORRUPT", f"record {stored.sequence} of event {stored.record.ref} cannot be read"
            ) from error

    def apply(self, stored: Stored) -> None:
        """One record."""
        kind, ref, body = stored.record
        if kind == ledger.ACCEPTED:
            record = journal_pb2.AcceptedRecord.FromString(body)
            run = Run(record.event, record.lane, stored.sequence, ledger.seconds(record.time), record.plugin)
            self._open[ref] = _Open(run)
            return
        known = self._open.get(ref)
        if known is None:
            return
        if kind == ledger.ROUTED:
            self._routed(known, journal_pb2.RoutedRecord.FromString(body))
        elif kind == ledger.CALL:
            call = journal_pb2.CallRecord.FromString(body)
            if call.step == known.run.step:
                known.calls[call.key] = Recorded(call.digest, call)
        elif kind == ledger.MERGED:
            known.merged = list(journal_pb2.MergedRecord.FromString(body).members)
        elif kind == ledger.OUTCOME:
            self._outcome(known, journal_pb2.OutcomeRecord.FromString(body))

    def _routed(self, known: _Open, record: journal_pb2.RoutedRecord) -> None:
        run = known.run
        run.rules, run.table_version = tuple(record.rules), record.table_version
        run.first_step = run.step = record.first_step
        if not run.rules:
            del self._open[run.event.id]

    def _outcome(self, known: _Open, record: journal_pb2.OutcomeRecord) -> None:
        run = known.run
        if run.rules is None or record.step != run.step:
            return
        if record.state not in _TERMINAL:
            known.attempt, known.crashes = record.attempt, record.crashes
            known.next_time = ledger.seconds(record.next_time) if record.HasField("next_time") else 0.0
            return
        rule = run.rule
        dead = record.state == journal_pb2.DELIVERY_STATE_DEAD
        done = record.state == journal_pb2.DELIVERY_STATE_DONE
        goes_on = (done and getattr(rule, "continue") and not record.stop) or (
            dead and rule.on_error == router_pb2.ON_ERROR_NEXT
        )
        if goes_on and not run.last:
            run.step += 1
            known.attempt = known.crashes = 0
            known.next_time = 0.0
            known.calls = {}
            known.merged = []
            return
        if record.state == journal_pb2.DELIVERY_STATE_MERGED:
            self._members[f"{run.event.id}.{run.step}"] = run.event
        del self._open[run.event.id]

    def finish(self) -> int:
        """Queue what is open, in the order of the log."""
        bus = self._bus
        for known in self._open.values():
            run = known.run
            bus.runs.open(run)
            if run.rules is None:
                bus.waiting.add(run)
                continue
            delivery = Delivery(run, run.rule, attempt=known.attempt, crashes=known.crashes, size=run.size)
            delivery.calls = known.calls
            delivery.merged = [
                self._member(run, member) for member in known.merged if member in self._members
            ]
            if run.sequence <= bus.limits.parked_until:
                bus.finish(delivery, journal_pb2.DELIVERY_STATE_DEAD, error=ledger.restored())
                continue
            wait = known.next_time - self._now()
            if wait > 0:
                bus.back_off(delivery, wait)
            elif known.merged:
                bus.restore(delivery)
            else:
                bus.enqueue(delivery)
        return len(self._open)

    def _member(self, survivor: Run, delivery_id: str) -> Run:
        event = self._members[delivery_id]
        return Run(event, survivor.lane, survivor.sequence, survivor.accepted, survivor.plugin)


def events_in_use(bus: Bus) -> frozenset[str]:
    """Ids of events that are not settled, with those that went into their deliveries."""
    merged = {member.event.id for delivery in bus.open for member in delivery.merged}
    return frozenset(bus.runs.keys() | merged)


def open_note(bus: Bus, low: int) -> bytes | None:
    """What to note beside the low mark; None when reading from there is as good."""
    last = bus.journal.last_sequence
    if last - low < FAR_BEHIND or len(bus.runs) > FEW:
        return None
    return json.dumps({"upto": last, "refs": sorted(events_in_use(bus))}).encode()


async def _records_of(driver: LogDriver, refs: list[str], before: int) -> list[Stored]:
    found: list[Stored] = []
    for ref in refs:
        after = 0
        while page := await driver.scan(ref=ref, after=after, before=before, limit=PAGE):
            found += page
            after = page[-1].sequence
    return sorted(found, key=lambda stored: stored.sequence)


__all__ = ["LOW_BUCKET", "LOW_KEY", "OPEN_KEY", "Replay", "events_in_use", "open_note"]
