"""How calls end, and whose chat they are about."""

from __future__ import annotations

import time

from jackfield.v1 import entity_pb2, error_pb2, frame_pb2, journal_pb2

from ..bus.model import Delivery
from ..errors import problem
from ..journal.times import stamp
from .call import Call, Peer, Result


def outcome_unknown(call: Call) -> error_pb2.Error:
    """The provider died with the call."""
    return problem(
        "OUTCOME_UNKNOWN",
        f"{call.provider_name} ended before it answered {call.method.path}; the effect may or may not have happened",
        remedy="Look at the chat before you repeat it.",
    )


def replayed(record: journal_pb2.CallRecord, *, changed: bool) -> Result:
    """The recorded result of an earlier attempt."""
    error = record.error if record.HasField("error") else None
    return Result(
        record.body, error, recorded=True, request_changed=changed, possibly_repeated=record.possibly_repeated
    )


def record_of(call: Call, result: Result, now: float) -> journal_pb2.CallRecord:
    """What the journal keeps of a call that ended; `now` is journal time."""
    target, delivery = call.open.target, call.delivery
    record = journal_pb2.CallRecord(
        step=delivery.run.step if delivery is not None else 0,
        key=call.key,
        method=call.method.path,
        provider=target.bot if target.bot and not target.plugin else call.provider_name,
        digest=call.digest,
        body=result.body,
        time=stamp(now),
        duration_micros=int((time.monotonic() - call.started) * 1e6),
        possibly_repeated=result.possibly_repeated,
        caller=delivery.rule.handler if delivery is not None else call.scope,
    )
    if result.error is not None:
        record.error.CopyFrom(result.error)
    own = delivery is not None and same_chat(target.chat, delivery.run.event.chat)
    if target.HasField("chat") and not own:
        record.chat.CopyFrom(target.chat)
    return record


def answer_peer(peer: Peer, call_id: int, result: Result) -> None:
    """Tell a session how its call ended."""
    end = frame_pb2.CallEnd(
        call_id=call_id,
        body=result.body,
        recorded=result.recorded,
        request_changed=result.request_changed,
        possibly_repeated=result.possibly_repeated,
    )
    if result.error is not None:
        end.error.CopyFrom(result.error)
    peer.send(frame_pb2.Frame(call_end=end))


def same_chat(one: entity_pb2.Chat, other: entity_pb2.Chat) -> bool:
    """Whether two chats are one conversation, threads aside."""
    return one.id == other.id and one.type == other.type


def stamp_chat(target: frame_pb2.CallTarget, delivery: Delivery | None) -> bool:
    """Fill in the delivery's chat where the call names none; says whether the call stays in the delivery's own chat."""
    if delivery is None:
        return False
    event = delivery.run.event
    if target.bot != event.bot:
        return False
    if not target.HasField("chat"):
        target.chat.CopyFrom(event.chat)
        return True
    return same_chat(target.chat, event.chat)
