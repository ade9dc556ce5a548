"""When jobs are due, daylight saving included."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from jackfield_scheduler.desk import cut
from jackfield_scheduler.schedule import parse
from jackfield_sdk import InvalidArgument

NOW = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def times(text: str, start: datetime, count: int, zone: str = BERLIN) -> list[str]:
    schedule = parse(text, zone, start)
    found, moment = [], start
    for _ in range(count):
        due = schedule.next_after(moment, start)
        if due is None:
            break
        found.append(f"{due:%d %H:%M}")
        moment = due
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", ["28 12:30"]),
        ("1h30m", ["28 13:30"]),
        ("every 2h", ["28 14:00", "28 16:00", "28 18:00"]),
        ("2026-03-29T09:00", ["29 07:00"]),
        ("2026-03-29T09:00+00:00", ["29 09:00"]),
        ("2026-03-29 09:00", ["29 07:00"]),
        # Spring: 02:00 to 03:00 does not exist on the 29th; 02:30 is due at 03:30 (01:30 UTC).
        ("30 2 * * *", ["29 01:30", "30 00:30", "31 00:30"]),
        ("2026-03-29T02:30", ["29 01:30"]),
        ("0 9 * * 1-5", ["30 07:00", "31 07:00", "01 07:00"]),
        ("2026-03-28T09:00", []),
    ],
)
def test_due_times(text: str, expected: list[str]) -> None:
    assert times(text, NOW, 3) == expected


def test_a_local_time_that_comes_twice_is_due_once() -> None:
    start = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    assert times("30 2 * * *", start, 2) == ["25 00:30", "26 01:30"]
    assert times("2026-10-25T02:30", start, 2) == ["25 00:30"]


def test_hourly_jobs_go_on_through_both_hours_and_over_the_gap() -> None:
    autumn = datetime(2026, 10, 24, 23, 15, tzinfo=UTC)
    assert times("0,30 * * * *", autumn, 6) == [
        "24 23:30",
        "25 00:00",
        "25 00:30",
        "25 01:00",
        "25 01:30",
        "25 02:00",
    ]
    spring = datetime(2026, 3, 29, 0, 15, tzinfo=UTC)
    assert times("0,30 * * * *", spring, 3) == ["29 00:30", "29 01:00", "29 01:30"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "every",
        "every 5s",
        "every 0m",
        "99999d",
        "61 * * * *",
        "0 0 30 2 *",
        "* * * * * *",
        "* * *",
        "x" * 9000,
    ],
)
def test_nonsense_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse(text, BERLIN, NOW)
    assert "cron" in caught.value.remedy


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "", "../../etc/passwd", "/etc/passwd"])
def test_a_zone_that_is_none(zone: str) -> None:
    with pytest.raises(InvalidArgument, match="no time zone"):
        parse("30m", zone, NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m tea\nand cake", ("30m", "tea\nand cake")),
        ("every 2h drink", ("every 2h", "drink")),
        ("0 9 * * 1-5 good morning", ("0 9 * * 1-5", "good morning")),
        ('"0 9 * * mon" 5 a day', ("0 9 * * mon", "5 a day")),
        ("2027-01-31 09:00 party", ("2027-01-31 09:00", "party")),
        ("30m", ("30m", "")),
    ],
)
def test_a_schedule_is_cut_from_its_text(text: str, expected: tuple[str, str]) -> None:
    assert cut(text) == expected
