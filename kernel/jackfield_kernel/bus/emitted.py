"""Events that the bus makes: emitted with an ack, or telling of a dead letter."""

from __future__ import annotations

from jackfield.v1 import event_pb2, frame_pb2

from .model import Delivery


def _inherit(event: event_pb2.Event, parent: event_pb2.Event, cause: str) -> None:
    event.time.CopyFrom(parent.time)
    event.bot, event.platform, event.trace = parent.bot, parent.platform, parent.trace
    if parent.HasField("chat"):
        event.chat.CopyFrom(parent.chat)
    event.subject = parent.subject
    event.depth = parent.depth + 1
    event.cause = cause


def emitted_event(delivery: Delivery, index: int, emit: frame_pb2.Emit) -> event_pb2.Event:
    """The event that an ack emits: its parent's bot, chat and trace, one generation deeper."""
    event = event_pb2.Event(id=f"{delivery.id}.{index}", type=emit.type, plugin=delivery.rule.handler)
    _inherit(event, delivery.run.event, delivery.id)
    if emit.subject:
        event.subject = emit.subject
    event.custom.data.CopyFrom(emit.data)
    return event


def dead_letter_notice(delivery: Delivery) -> event_pb2.Event:
    """`jackfield.dead_letter` in the lane of the event that became one."""
    event = event_pb2.Event(id=f"{delivery.id}.dead", type="jackfield.dead_letter")
    _inherit(event, delivery.run.event, delivery.id)
    event.custom.data.update({"delivery_id": delivery.id, "handler": delivery.rule.handler})
    return event
