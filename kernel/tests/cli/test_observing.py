"""`logs`, `audit`, `top` and the bundle: what they ask and what they print."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jackfield.v1 import admin_pb2
from jackfield_kernel.cli.moments import moment
from jackfield_kernel.cli.rates import Look, rates
from jackfield_kernel.cli.top import size

from .conftest import Shell

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow


def entry(**fields: object) -> admin_pb2.LogEntry:
    found = admin_pb2.LogEntry(level=admin_pb2.LOG_LEVEL_ERROR, plugin="p", message="broke", event_id="e1")
    for name, value in fields.items():
        found.fields[name] = value  # type: ignore[assignment]
    return found


def look(at: int, *, done: int, cpu: float, boot: int = 1) -> Look:
    figures = admin_pb2.GetFiguresResponse(kernel_cpu_seconds=cpu)
    figures.time.seconds = at
    figures.plugins.add(name="p", done=done, cpu_seconds=cpu, memory_bytes=30 << 20, waiting=4)
    status = admin_pb2.Status(boot=boot)
    status.bus.done = done
    status.plugins.add(name="p", state="ACTIVE")
    return Look(status, figures)


def test_logs_show_entries_with_remedy_and_traceback(shell: Shell) -> None:
    shown = entry(traceback="line 1\nline \x1b[31m2", remedy="Repair it.", count=2)
    shell.admin.answers["ReadLogs"] = [admin_pb2.ReadLogsResponse(entries=[shown])]
    result = shell("logs", "p", "--level", "warning", "--event", "e1", "-n", "7")
    assert "ERROR p: broke count=2 event=e1" in result.out
    assert "    Repair it.\n    line 1\n    line" in result.out
    assert "\x1b" not in result.out
    assert shell.admin.requests == [
        admin_pb2.ReadLogsRequest(plugin="p", lines=7, level=admin_pb2.LOG_LEVEL_WARNING, event_id="e1")
    ]
    assert json.loads(shell("logs", "--json").out)["plugin"] == "p"


def test_audit_shows_and_exports_page_by_page(shell: Shell, tmp_path: Path) -> None:
    denied = admin_pb2.AuditEntry(
        actor="p", action="/jackfield.v1.Adapter/SendMessage", subject="web", reason="send", count=70
    )

    def answer(request: admin_pb2.ListAuditRequest) -> admin_pb2.ListAuditResponse:
        return admin_pb2.ListAuditResponse(entries=[denied] * 2, next=0 if request.before else 9)

    shell.admin.answers["ListAudit"] = answer
    result = shell("audit", "--since", "2h", "--plugin", "p", "--denied")
    assert "DENIED  Adapter/SendMessage" in result.out
    assert "send 70 times" in result.out
    assert "--export" in result.out
    path = tmp_path / "audit.jsonl"
    assert "4 entries" in shell("audit", "--export", str(path)).out
    lines = path.read_text().splitlines()
    assert [json.loads(line)["count"] for line in lines] == [70] * 4
    assert path.stat().st_mode & 0o077 == 0
    again = shell("audit", "--export", str(path))
    assert again.code == 1
    assert "does not exist" in again.err


def test_moments_are_spans_or_times() -> None:
    now = datetime.now(UTC)
    assert abs(moment("2h") - (now - timedelta(hours=2))) < timedelta(seconds=5)  # type: ignore[operator]
    assert moment("2026-01-02T03:04:05+00:00") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert moment("") is None


@pytest.mark.parametrize("text", ["soon", "5y", "-1h", "2026-13-01"])
def test_other_moments_are_wrong_usage(shell: Shell, text: str) -> None:
    result = shell("audit", "--since", text)
    assert result.code == 2
    assert text in result.err


def test_rates_are_per_second_and_forget_another_kernel() -> None:
    whole, plugins = rates(look(10, done=100, cpu=1.0), look(12, done=150, cpu=2.0))
    assert (whole.done, whole.kernel_cpu) == (25.0, 50.0)
    assert (plugins["p"].done, plugins["p"].cpu) == (25.0, 50.0)
    assert rates(look(10, done=100, cpu=1.0), look(12, done=5, cpu=2.0, boot=2))[0].done == 0
    assert rates(look(10, done=100, cpu=1.0), look(10, done=150, cpu=2.0))[0].done == 0
    # A plugin that was restarted begins its counts anew.
    assert rates(look(10, done=100, cpu=9.0), look(12, done=150, cpu=1.0))[1]["p"].cpu == 0


def test_top_prints_a_frame_or_a_snapshot_and_wants_a_terminal(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jackfield_kernel.cli.top.FIRST_LOOK", 0.0)
    looks = iter(range(1, 100))
    shell.admin.answers["GetStatus"] = lambda _: admin_pb2.GetStatusResponse(
        status=look(0, done=10 * next(looks), cpu=1.0).status
    )
    shell.admin.answers["GetFigures"] = lambda _: look(next(looks), done=5, cpu=1.0).figures
    result = shell("top", "--once")
    assert result.code == 0
    assert "30 MiB" in result.out
    assert "deliveries 10/s" in result.out
    assert json.loads(shell("top", "--json").out)["rates"]["done"] == 10.0
    result = shell("top")
    assert result.code == 1
    assert "--once" in result.err


def test_sizes_are_short() -> None:
    assert [size(value) for value in (5, 2048, 21 << 20, 3 << 30)] == ["5 B", "2 KiB", "21 MiB", "3.0 GiB"]


def test_a_bundle_without_a_kernel_says_so(alone: Shell, tmp_path: Path) -> None:
    path = tmp_path / "fault.zip"
    result = alone("doctor", "--bundle", str(path))
    assert "packed into" in result.err
    with zipfile.ZipFile(path) as archive:
        assert {"README.txt", "doctor.json", "machine.json", "versions.json", "kernel.txt"} == set(
            archive.namelist()
        )
        assert "No kernel runs" in archive.read("kernel.txt").decode()
    assert alone("doctor", "--bundle", str(path)).code == 1


def test_a_story_tells_what_is_open_and_where_it_belongs(shell: Shell) -> None:
    story = admin_pb2.GetEventResponse(duplicates=2, merged_into="s.0", dead_letters=["e.0"])
    event = story.accepted.event
    event.id, event.type, event.cause = "e.0.0", "h.happened\x1b[31m", "e.0"
    event.trace = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    story.accepted.dedup_key = "42\x07"
    story.parent.id, story.parent.type = "e", "message.received"
    story.records.add().routed.table_version = 7
    story.records.add().replayed.GetCurrentTime()
    story.open.delivery_id, story.open.handler, story.open.state = "e.0.0.0", "echo", "WAITING"
    story.open.ahead, story.open.attempt, story.open.crashes = 3, 2, 1
    shell.admin.answers["GetEvent"] = story
    shown = shell("event", "show", "e.0.0").out
    for part in (
        "trace      " + "ab" * 16,
        "known by   the id and 42",
        "repeated   2 times, ignored",
        "caused by  delivery e.0 of a message.received",
        "matched no rule of table 7",
        "its dead letter was replayed",
        "is in back-off, then goes to echo (delivery e.0.0.0), 3 before it in its lane, 2 attempts failed, 1 lost sessions",
        "merged  into delivery s.0",
        "jackfield dead replay e.0",
    ):
        assert part in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_an_event_that_waits_says_for_what(shell: Shell) -> None:
    story = admin_pb2.GetEventResponse(waiting="no route table for bot b")
    story.accepted.event.id = "e"
    shell.admin.answers["GetEvent"] = story
    assert "not routed yet: no route table for bot b" in shell("event", "show", "e").out


def test_an_event_of_the_kernel_says_that_no_rule_sees_it(shell: Shell) -> None:
    story = admin_pb2.GetEventResponse()
    story.accepted.event.id, story.accepted.event.type = "e", "kernel.plugin_parked"
    story.records.add().routed.SetInParent()
    shell.admin.answers["GetEvent"] = story
    shown = shell("event", "show", "e").out
    assert "no rule sees it" in shown
    assert "matched no rule" not in shown
