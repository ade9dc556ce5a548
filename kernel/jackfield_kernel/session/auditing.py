"""What calls of plugins write into the audit trail."""

from __future__ import annotations

from jackfield.v1 import access_pb2

from ..broker.broker import KERNEL, Broker
from ..broker.call import Call, Result
from ..bus.audit import AuditTrail


def audit_calls(broker: Broker, trail: AuditTrail) -> None:
    """Have denials, and calls of which no record stands under an event, write rows. Reads write none."""

    def unrecorded(call: Call, result: Result) -> None:
        delivery, error = call.delivery, result.error
        plugin = delivery.rule.handler if delivery is not None else call.scope
        reason = error.reason if error is not None else ""
        if error is not None and reason == "GRANT_MISSING":
            trail.denied(plugin, call.method.path, error.metadata["grant"])
        elif call.provider_name != KERNEL and call.method.access != access_pb2.ACCESS_READ:
            trail.called(plugin, call.method.path, call.open.target.bot or call.provider_name, reason)

    broker.on_denied = trail.denied
    broker.on_unrecorded = unrecorded
