"""Admin: the audit trail, and the rows that the operator's own acts write."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from jackfield.v1 import admin_pb2, journal_pb2

from ..bus import ledger
from ..bus.audit import AuditTrail
from ..journal.log import Stored
from .views import View

SCAN = 1_000
READS = ("Get", "List", "Watch", "Tail", "Test", "Check", "Read")
"""How the names of methods begin that change nothing."""
OWN_ROWS = {"ForgetUser"}
"""Methods that write a row that says more."""
_SUBJECTS = ("name", "bot", "target", "path", "rule_id")


class AuditPart:
    """Reads the trail newest first: AUDIT rows, and the CALL records of calls inside deliveries."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def list_audit(self, request: admin_pb2.ListAuditRequest) -> admin_pb2.ListAuditResponse:
        """The trail."""
        limit = min(request.limit or 50, 1_000)
        since = ledger.seconds(request.since) if request.HasField("since") else 0.0
        response = admin_pb2.ListAuditResponse()
        before = request.before or None
        while True:
            stored = await self._view.driver.scan(
                kinds=(ledger.AUDIT, ledger.CALL), before=before, limit=SCAN, newest_first=True
            )
            for one in stored:
                before = one.sequence
                entry = _entry(one)
                if ledger.seconds(entry.time) < since:
                    return response
                if (request.plugin and request.plugin not in (entry.actor, entry.subject)) or (
                    request.denied and entry.allowed
                ):
                    continue
                response.entries.append(entry)
                if len(response.entries) >= limit:
                    response.next = one.sequence
                    return response
            if len(stored) < SCAN:
                return response


def acted(trail: AuditTrail, method: str, request: Message, reason: str) -> None:
    """Write the row of an operator's act. `method`: its name; `reason`: why it was refused, empty when it was done."""
    if not method.startswith(READS) and method not in OWN_ROWS:
        trail.operator(f"/jackfield.v1.Admin/{method}", _subject(request), reason, allowed=not reason)


def _subject(request: Any) -> str:
    """What the act was about: names only, never a value that may be secret."""
    fields = request.DESCRIPTOR.fields_by_name
    for name in _SUBJECTS:
        if name in fields and isinstance(value := getattr(request, name), str) and value:
            # A target names a chat, so perhaps a person, who may want to be forgotten: the bot alone is written.
            return value.partition(":")[0] if name == "target" else value
    if "delivery_ids" in fields:
        return ", ".join(request.delivery_ids) or "all"
    add = fields.get("add")
    return _subject(request.add) if add is not None and add.message_type is not None else ""


def _entry(stored: Stored) -> admin_pb2.AuditEntry:
    kind, ref, body = stored.record
    if kind == ledger.AUDIT:
        row = journal_pb2.AuditRecord.FromString(body)
        return admin_pb2.AuditEntry(
            sequence=stored.sequence,
            time=row.time,
            actor=row.actor,
            action=row.action,
            subject=row.subject,
            allowed=row.allowed,
            reason=row.reason,
            count=row.count or 1,
        )
    call = journal_pb2.CallRecord.FromString(body)
    return admin_pb2.AuditEntry(
        sequence=stored.sequence,
        time=call.time,
        actor=call.caller,
        action=call.method,
        subject=call.provider,
        allowed=True,
        reason=call.error.reason,
        count=1,
        event_id=ref,
    )
