"""The units that the bus commits: what each step of an event's life writes. Pure functions, no state."""

from __future__ import annotations

from collections.abc import Sequence

from jackfield.v1 import error_pb2, event_pb2, journal_pb2

from ..errors import problem
from ..journal.log import Claim, Put, Record, Unit
from ..journal.times import seconds, stamp
from .model import Delivery, Run

ACCEPTED = int(journal_pb2.RECORD_KIND_ACCEPTED)
ROUTED = int(journal_pb2.RECORD_KIND_ROUTED)
CALL = int(journal_pb2.RECORD_KIND_CALL)
OUTCOME = int(journal_pb2.RECORD_KIND_OUTCOME)
MERGED = int(journal_pb2.RECORD_KIND_MERGED)
AUDIT = int(journal_pb2.RECORD_KIND_AUDIT)

DEAD_BUCKET = "dead"
ID_HORIZON = 3600.0
"""Seconds for which an event id is known beside the publish sequence."""


def lane_of(event: event_pb2.Event) -> str:
    """`<bot>:<type>:<chat>[:<thread>]`; bot and subject for events without a chat."""
    if event.subject:
        return f"{event.bot}:subject:{event.subject}"
    chat = event.chat
    if not chat.id:
        return f"{event.bot}:subject:"
    kind = ("unknown", "private", "group", "channel")[chat.type if chat.type < 4 else 0]
    key = f"{event.bot}:{kind}:{escaped(chat.id)}"
    return f"{key}:{escaped(chat.thread_id)}" if chat.thread_id else key


def escaped(part: str) -> str:
    """Colons inside ids would let two lanes collide."""
    return part.replace("%", "%25").replace(":", "%3A") if ":" in part or "%" in part else part


def accepted_records(
    event: event_pb2.Event,
    plugin: str,
    lane: str,
    now: float,
    routed: bytes | None,
    dedup_key: str = "",
) -> tuple[Record, ...]:
    """ACCEPTED, and ROUTED when the rules are known already."""
    record = journal_pb2.AcceptedRecord(
        event=event, plugin=plugin, lane=lane, time=stamp(now), dedup_key=dedup_key
    )
    accepted = Record(ACCEPTED, event.id, record.SerializeToString())
    if routed is None:
        return (accepted,)
    return (accepted, Record(ROUTED, event.id, routed))


def claims(event: event_pb2.Event, dedup_key: str, horizon: float, now: float) -> tuple[Claim, ...]:
    """Keys that make the event known: its id, and the occurrence on its platform."""
    own = Claim(f"e:{event.id}", now + ID_HORIZON)
    if not dedup_key:
        return (own,)
    return (own, Claim(f"d:{event.bot}:{dedup_key}", now + max(horizon, 600.0)))


def state_record(
    delivery: Delivery,
    state: journal_pb2.DeliveryState.ValueType,
    now: float,
    *,
    error: error_pb2.Error | None = None,
    next_time: float = 0.0,
    stop: bool = False,
    emitted: Sequence[str] = (),
) -> Record:
    """The OUTCOME row of a delivery."""
    body = journal_pb2.OutcomeRecord(
        step=delivery.run.step,
        state=state,
        attempt=delivery.attempt,
        crashes=delivery.crashes,
        stop=stop,
        time=stamp(now),
        emitted=emitted,
    )
    if error is not None:
        body.error.CopyFrom(error)
    if next_time:
        body.next_time.CopyFrom(stamp(next_time))
    return Record(OUTCOME, delivery.run.event.id, body.SerializeToString())


def _merged_record(member: Run, now: float) -> Record:
    body = journal_pb2.OutcomeRecord(
        step=member.step, state=journal_pb2.DELIVERY_STATE_MERGED, time=stamp(now)
    )
    return Record(OUTCOME, member.event.id, body.SerializeToString())


def merged_unit(delivery: Delivery, now: float) -> Unit:
    """The survivor's member list, and MERGED for each member."""
    run = delivery.run
    body = journal_pb2.MergedRecord(
        step=run.step, members=[f"{member.event.id}.{member.step}" for member in delivery.merged]
    )
    members = [_merged_record(member, now) for member in delivery.merged]
    return Unit((Record(MERGED, run.event.id, body.SerializeToString()), *members))


def restored() -> error_pb2.Error:
    """Why a delivery that was open when the journal was restored is not offered again by itself."""
    text = "the journal was restored; this was open then, and may have been handled after the backup was made"
    return problem("RESTORED", text, remedy="Look at it, then `jackfield dead replay` or `dead discard`.")


def dead_put(delivery: Delivery, outcome: Record, now: float, kept: float) -> Put:
    """The dead letter, complete, so that it can be shown and replayed when the log has forgotten its event.

    `kept`: seconds for which it stays, 0 for ever.
    """
    run = delivery.run
    assert run.rules is not None
    letter = journal_pb2.DeadRecord(
        accepted=journal_pb2.AcceptedRecord(
            event=run.event, plugin=run.plugin, lane=run.lane, time=stamp(run.accepted)
        ),
        routed=journal_pb2.RoutedRecord(
            table_version=run.table_version,
            rules=run.rules[run.step - run.first_step :],
            first_step=run.step,
        ),
        outcome=journal_pb2.OutcomeRecord.FromString(outcome.body),
        merged=[member.event for member in delivery.merged],
    )
    return Put(DEAD_BUCKET, delivery.id, letter.SerializeToString(), now + kept if kept else 0.0)


__all__ = [
    "ACCEPTED",
    "AUDIT",
    "CALL",
    "DEAD_BUCKET",
    "MERGED",
    "OUTCOME",
    "ROUTED",
    "accepted_records",
    "claims",
    "dead_put",
    "escaped",
    "lane_of",
    "merged_unit",
    "restored",
    "seconds",
    "stamp",
    "state_record",
]
