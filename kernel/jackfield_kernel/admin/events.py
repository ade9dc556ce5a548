"""Admin: events and dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from jackfield.v1 import admin_pb2, event_pb2, journal_pb2

from ..bus import ledger
from ..bus.deadletters import DeadLetters
from ..errors import Refused
from ..journal.log import Record, Stored
from ..routing.pattern import parse
from .stories import Stories
from .views import View, summary

SCAN = 1_000
TAIL_QUEUE = 1_000


class EventsPart:
    """Events in the journal."""

    def __init__(self, view: View, dead: DeadLetters) -> None:
        self._view = view
        self._dead = dead
        self._stories = Stories(view)
        self._tails: set[Callable[[int, event_pb2.Event], None]] = set()

    def accepted(self, sequence: int, event: event_pb2.Event) -> None:
        """An event became durable."""
        for tail in self._tails:
            tail(sequence, event)

    def duplicate(self, claim: str) -> None:
        """An event was published again and ignored."""
        self._stories.duplicate(claim)

    async def list_events(self, request: admin_pb2.ListEventsRequest) -> admin_pb2.ListEventsResponse:
        """Events, newest first."""
        limit = min(request.limit or 50, 1_000)
        matches = parse(request.type).matches if request.type else None
        response = admin_pb2.ListEventsResponse()
        before = request.before or None
        while len(response.events) < limit:
            stored = await self._view.driver.scan(
                kinds=(ledger.ACCEPTED,), before=before, limit=SCAN, newest_first=True
            )
            for one in stored:
                record = journal_pb2.AcceptedRecord.FromString(one.record.body)
                before = one.sequence
                if request.bot and record.event.bot != request.bot:
                    continue
                if matches is not None and not matches(record.event.type):
                    continue
                response.events.append(summary(one.sequence, record))
                if len(response.events) >= limit:
                    break
            if len(stored) < SCAN:
                break
        response.next = before or 0 if len(response.events) >= limit else 0
        return response

    async def get_event(self, request: admin_pb2.GetEventRequest) -> admin_pb2.GetEventResponse:
        """The whole story of one event."""
        stored = await self._story(request.id)
        return await self._stories.tell(stored)

    async def _story(self, event_id: str) -> list[Stored]:
        stored = await self._view.driver.scan(ref=event_id, limit=SCAN)
        if stored and any(one.record.kind == ledger.ACCEPTED for one in stored):
            return stored
        if len(event_id) >= 8:
            recent = await self._view.driver.scan(kinds=(ledger.ACCEPTED,), limit=10_000, newest_first=True)
            found = {one.record.ref for one in recent if one.record.ref.startswith(event_id)}
            shortest = min(found, key=len, default="")
            # An event that was emitted, and the word of a dead letter, have ids that begin with their parent's.
            if found and all(ref == shortest or ref.startswith(f"{shortest}.") for ref in found):
                return await self._view.driver.scan(ref=shortest, limit=SCAN)
            if found:
                raise Refused(
                    "INVALID_ARGUMENT",
                    f"{len(found)} events begin with {event_id}",
                    remedy="Give more of the id.",
                )
        for _, entry in await self._view.driver.entries(ledger.DEAD_BUCKET, prefix=event_id, limit=1):
            return _from_letter(journal_pb2.DeadRecord.FromString(entry.value))
        raise Refused("NOT_FOUND", f"there is no event {event_id}", remedy="See `jackfield event list`.")

    async def tail_events(
        self, request: admin_pb2.TailEventsRequest
    ) -> AsyncIterator[admin_pb2.TailEventsResponse]:
        """Events as they become durable; a slow reader skips and is told how many."""
        queue: asyncio.Queue[tuple[int, event_pb2.Event]] = asyncio.Queue(TAIL_QUEUE)
        matches = parse(request.type).matches if request.type else None
        skipped = 0

        def tail(sequence: int, event: event_pb2.Event) -> None:
            nonlocal skipped
            if (request.bot and event.bot != request.bot) or (matches and not matches(event.type)):
                return
            try:
                queue.put_nowait((sequence, event))
            except asyncio.QueueFull:
                skipped += 1

        self._tails.add(tail)
        try:
            while True:
                sequence, event = await queue.get()
                now = ledger.stamp(self._view.bus.journal_time())
                record = journal_pb2.AcceptedRecord(event=event, lane=ledger.lane_of(event), time=now)
                missed, skipped = skipped, 0
                yield admin_pb2.TailEventsResponse(event=summary(sequence, record), skipped=missed)
        finally:
            self._tails.discard(tail)

    async def list_dead_letters(
        self, request: admin_pb2.ListDeadLettersRequest
    ) -> admin_pb2.ListDeadLettersResponse:
        """Dead letters, newest first."""
        limit = min(request.limit or 50, 1_000)
        response = admin_pb2.ListDeadLettersResponse()
        for delivery_id, letter in await self._dead.list():
            rule, outcome = letter.routed.rules[0], letter.outcome
            if request.handler and rule.handler != request.handler:
                continue
            response.dead_letters.add(
                delivery_id=delivery_id,
                event=summary(0, letter.accepted),
                handler=rule.handler,
                rule_id=rule.id,
                error=outcome.error,
                attempts=outcome.attempt,
                crashes=outcome.crashes,
                time=outcome.time,
            )
            if len(response.dead_letters) >= limit:
                break
        return response

    async def replay_dead_letters(
        self, request: admin_pb2.ReplayDeadLettersRequest
    ) -> admin_pb2.ReplayDeadLettersResponse:
        """Put dead letters back into their lanes."""
        ids = list(request.delivery_ids) or [key for key, _ in await self._dead.list()]
        replayed = await self._dead.replay(ids)
        if request.delivery_ids and not replayed:
            raise Refused("NOT_FOUND", "there is no such dead letter", remedy="See `jackfield dead list`.")
        return admin_pb2.ReplayDeadLettersResponse(replayed=replayed)

    async def discard_dead_letters(
        self, request: admin_pb2.DiscardDeadLettersRequest
    ) -> admin_pb2.DiscardDeadLettersResponse:
        """Remove dead letters."""
        ids = [key for key, _ in await self._dead.list()] if request.all else list(request.delivery_ids)
        discarded = await self._dead.discard(ids)
        if not request.all and not discarded:
            raise Refused("NOT_FOUND", "there is no such dead letter", remedy="See `jackfield dead list`.")
        return admin_pb2.DiscardDeadLettersResponse(discarded=discarded)


def _from_letter(letter: journal_pb2.DeadRecord) -> list[Stored]:
    """What a dead letter tells of an event that the log has forgotten."""
    ref = letter.accepted.event.id
    parts = (
        (ledger.ACCEPTED, letter.accepted),
        (ledger.ROUTED, letter.routed),
        (ledger.OUTCOME, letter.outcome),
    )
    return [Stored(0, Record(kind, ref, part.SerializeToString())) for kind, part in parts]
