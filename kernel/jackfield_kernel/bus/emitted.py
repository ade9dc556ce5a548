"""Events that the bus makes: emitted with an ack, or telling of a dead letter; and how the kernel's own are stored."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from jackfield.v1 import error_pb2, event_pb2, frame_pb2, journal_pb2

from ..journal.log import Record
from . import ledger
from .model import Delivery

log = logging.getLogger(__name__)

KERNEL = "kernel"
_NO_RULES = journal_pb2.RoutedRecord().SerializeToString()


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


def kernel_event(
    event_id: str, name: str, now: float, values: Mapping[str, Any], bot: str = ""
) -> event_pb2.Event:
    """`kernel.<name>`: for observers alone, so that nothing that it causes can lead back to it. `now`: wall clock."""
    event = event_pb2.Event(id=event_id, type=f"{KERNEL}.{name}", bot=bot, plugin=KERNEL, subject=KERNEL)
    event.time.FromMilliseconds(int(now * 1000))
    event.custom.data.update(values)
    return event


def dead_letter_event(delivery: Delivery, error: error_pb2.Error, wall: float) -> event_pb2.Event:
    """`kernel.dead_letter`, also said in the log. It names nobody and quotes nothing: what is forgotten need not be looked for here."""
    run, handler = delivery.run, delivery.rule.handler
    extra = {"handler": handler, "reason": error.reason, **about(delivery)}
    log.warning("dead letter %s: %s", delivery.id, error.message, extra=extra)
    values = {
        "delivery_id": delivery.id,
        "handler": handler,
        "rule": delivery.rule.id,
        "reason": error.reason,
    }
    event = kernel_event(f"{delivery.id}.kernel", "dead_letter", wall, values, run.event.bot)
    event.trace, event.cause = run.event.trace, delivery.id
    return event


def noted(event: event_pb2.Event, now: float) -> tuple[Record, ...]:
    """An event of the kernel's own, settled as it is stored. `now`: journal time."""
    return ledger.accepted_records(event, KERNEL, ledger.lane_of(event), now, _NO_RULES)


def about(delivery: Delivery) -> dict[str, str]:
    """What a log line about a delivery states."""
    event = delivery.run.event
    return {"event_id": event.id, "delivery_id": delivery.id, "trace_id": event.trace[3:35]}
