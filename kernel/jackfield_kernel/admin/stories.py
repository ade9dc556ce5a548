"""The whole story of one event: from the journal what was written, from memory what is open."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from jackfield.v1 import admin_pb2, journal_pb2

from ..bus import ledger
from ..bus.model import Delivery
from ..journal.log import Stored
from ..routing.decision import Wait
from .views import View, summary

REMEMBERED = 1_000
"""Events whose repeats are counted; older ones are forgotten."""
MAX_CHILDREN = 100

_STORY = {
    ledger.ROUTED: "routed",
    ledger.CALL: "call",
    ledger.OUTCOME: "outcome",
    ledger.MERGED: "merged",
}


class Stories:
    """Puts together what GetEvent answers."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._repeats: OrderedDict[str, int] = OrderedDict()

    def duplicate(self, claim: str) -> None:
        """An event with this claim was published again and ignored."""
        self._repeats[claim] = self._repeats.pop(claim, 0) + 1
        if len(self._repeats) > REMEMBERED:
            self._repeats.popitem(last=False)

    async def tell(self, stored: Sequence[Stored]) -> admin_pb2.GetEventResponse:
        """The story that these records of one event tell, oldest first; the first one is ACCEPTED."""
        response = admin_pb2.GetEventResponse()
        emitted: list[str] = []
        for one in stored:
            kind, _, body = one.record
            if kind == ledger.ACCEPTED:
                if response.HasField("accepted"):
                    again = journal_pb2.AcceptedRecord.FromString(body)
                    response.records.add(sequence=one.sequence).replayed.CopyFrom(again.time)
                else:
                    response.accepted.ParseFromString(body)
            elif kind in _STORY:
                record = response.records.add(sequence=one.sequence)
                getattr(record, _STORY[kind]).ParseFromString(body)
                if kind == ledger.OUTCOME:
                    emitted.extend(record.outcome.emitted)
                    await self._merged(response, record)
        await self._relatives(response, emitted)
        self._now(response)
        await self._letters(response)
        return response

    async def _merged(self, response: admin_pb2.GetEventResponse, record: admin_pb2.StoryRecord) -> None:
        """Which delivery a member went into: the survivor's record stands before the members' in one unit."""
        outcome = record.outcome
        if outcome.state != journal_pb2.DELIVERY_STATE_MERGED:
            return
        found = await self._view.driver.scan(
            kinds=(ledger.MERGED,), before=record.sequence, limit=1, newest_first=True
        )
        for one in found:
            merged = journal_pb2.MergedRecord.FromString(one.record.body)
            if f"{response.accepted.event.id}.{outcome.step}" in merged.members:
                response.merged_into = f"{one.record.ref}.{merged.step}"

    async def _relatives(self, response: admin_pb2.GetEventResponse, emitted: Sequence[str]) -> None:
        cause = response.accepted.event.cause
        if cause and (parent := await self._summary(cause.rpartition(".")[0])) is not None:
            response.parent.CopyFrom(parent)
        for event_id in emitted[:MAX_CHILDREN]:
            if (child := await self._summary(event_id)) is not None:
                response.children.append(child)

    async def _summary(self, event_id: str) -> admin_pb2.EventSummary | None:
        stored = await self._view.driver.scan(kinds=(ledger.ACCEPTED,), ref=event_id, limit=1)
        if not stored:
            return None
        record = journal_pb2.AcceptedRecord.FromString(stored[0].record.body)
        return summary(stored[0].sequence, record)

    def _now(self, response: admin_pb2.GetEventResponse) -> None:
        """What stands in memory."""
        accepted, bus = response.accepted, self._view.bus
        event = accepted.event
        claims = (f"e:{event.id}", f"d:{event.bot}:{accepted.dedup_key}")
        response.duplicates = sum(self._repeats.get(claim, 0) for claim in claims)
        run = bus.runs.get(event.id)
        if run is None:
            return
        if run.rules is None:
            decision = self._view.routes.decide(event)
            if isinstance(decision, Wait):
                response.waiting = decision.reason
            else:
                response.waiting = "an earlier event of its lane waits for its rules"
            return
        delivery = next((one for one in bus.open if one.run is run), None)
        if delivery is not None:
            response.open.CopyFrom(self._open(delivery))

    def _open(self, delivery: Delivery) -> admin_pb2.OpenDelivery:
        rule = delivery.rule
        found = admin_pb2.OpenDelivery(
            delivery_id=delivery.id,
            handler=rule.handler,
            rule_id=rule.id,
            state=delivery.state.value,
            attempt=delivery.attempt,
            crashes=delivery.crashes,
        )
        queue = self._view.bus.turns.queue(rule.handler)
        lane = None if rule.bypass else queue.lanes.get(delivery.run.lane)
        if lane is not None and delivery in lane.waiting:
            found.ahead = lane.waiting.index(delivery) + int(lane.holder is not None)
        return found

    async def _letters(self, response: admin_pb2.GetEventResponse) -> None:
        event_id = response.accepted.event.id
        kept = await self._view.driver.entries(ledger.DEAD_BUCKET, prefix=f"{event_id}.")
        response.dead_letters.extend(key for key, _ in kept)
