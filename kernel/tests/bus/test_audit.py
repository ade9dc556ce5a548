"""The audit trail is bounded, whatever plugins do."""

from __future__ import annotations

from collections.abc import Callable

from jackfield.v1 import journal_pb2
from jackfield_kernel.bus.audit import KINDS, LONGEST, ROWS, AuditTrail
from jackfield_kernel.journal.log import Outcome, Unit


class Journal:
    def __init__(self) -> None:
        self.rows: list[journal_pb2.AuditRecord] = []

    def submit(self, unit: Unit, done: Callable[[Outcome], None]) -> None:
        self.rows.append(journal_pb2.AuditRecord.FromString(unit.records[0].body))


def test_one_plugin_writes_so_many_rows_in_a_window_and_the_rest_is_counted_apart() -> None:
    journal = Journal()
    trail = AuditTrail(journal, lambda: 5.0)  # type: ignore[arg-type]
    for number in range(ROWS + 10_000):
        trail.denied("loud", f"/x.Y/Z{number % 300}", "send")
    trail.denied("quiet", "/x.Y/Z", "send")
    assert len(journal.rows) == ROWS + 1
    trail.flush()
    assert len(journal.rows) == ROWS + 1 + KINDS + 1
    assert sum(row.count for row in journal.rows if row.actor == "loud") == ROWS + 10_000
    trail.flush()
    assert len(journal.rows) == ROWS + 1 + KINDS + 1


def test_names_from_plugins_are_cut_and_operators_are_never_counted() -> None:
    journal = Journal()
    trail = AuditTrail(journal, lambda: 5.0)  # type: ignore[arg-type]
    trail.called("p", "/x.Y/" + "Z" * 10_000, "b" * 10_000, "")
    assert len(journal.rows[0].action) == len(journal.rows[0].subject) == LONGEST
    for _ in range(ROWS * 2):
        trail.operator("/jackfield.v1.Admin/RemoveBot", "web")
    assert len(journal.rows) == 1 + 2 * ROWS
