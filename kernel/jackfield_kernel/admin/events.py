"""Admin: events and dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from jackfield.v1 import admin_pb2, event_pb2, journal_pb2

from ..bus import ledger
from ..bus.deadletters import DeadLetters
from ..errors import Refused
from ..journal.log import Stored
from ..routing.pattern import parse
from .views import View, summary

SCAN = 1_000
TAIL_QUEUE = 1_000

_STORY = {
    ledger.ROUTED: "routed",
    ledger.CALL: "call",
    ledger.OUTCOME: "outcome",
    ledger.MERGED: "merged",
}


class EventsPart:
    """Events in the journal."""

    def __init__(self, view: View, dead: DeadLetters) -> None:
        self._view = view
        self._dead = dead
        self._tails: set[Callable[[int, event_pb2.Event], None]] = set()

    def accepted(self, sequence: int, event: event_pb2.Event) -> None:
        """An event became durable."""
        for tail in self._tails:
            tail(sequence, event)

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
        response = admin_pb2.GetEventResponse()
        for one in stored:
            if one.record.kind == ledger.ACCEPTED:
                response.accepted.ParseFromString(one.record.body)
            elif one.record.kind in _STORY:
                record = response.records.add(sequence=one.sequence)
                getattr(record, _STORY[one.record.kind]).ParseFromString(one.record.body)
        return response

    async def _story(self, event_id: str) -> list[Stored]:
        stored = await self._view.driver.scan(ref=event_id, limit=SCAN)
        if stored:
            return stored
        if len(event_id) >= 8:
            recent = await self._view.driver.scan(kinds=(ledger.ACCEPTED,), limit=10_000, newest_first=True)
            found = {one.record.ref for one in recent if one.record.ref.startswith(event_id)}
            if len(found) == 1:
                return await self._view.driver.scan(ref=found.pop(), limit=SCAN)
            if found:
                raise Refused(
                    "INVALID_ARGUMENT",
                    f"{len(found)} events begin with {event_id}",
                    remedy="Give more of the id.",
                )
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
