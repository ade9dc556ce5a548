"""Who holds more than its share of what is open waits, alone, and goes on by itself."""

from __future__ import annotations

from jackfield_kernel.bus.shares import SLACK_EVENTS, TELL_AGAIN, Shares


def shares(events: int, size: int = 1 << 30) -> tuple[Shares, list[str]]:
    made, told = Shares(events, size), []
    made.on_change = told.append
    return made, told


def test_a_bot_above_its_share_waits_and_goes_on_at_three_quarters() -> None:
    account, told = shares(100)
    for _ in range(101):
        account.took("a", 1)
    assert (account.paused, told) == ({"a"}, ["a"])
    for _ in range(25):
        account.ended("a", 1)
    assert account.paused == {"a"}
    account.ended("a", 1)
    assert (account.paused, told) == (set(), ["a", "a"])


def test_a_quiet_neighbour_is_never_asked_to_wait() -> None:
    account, told = shares(100)
    account.took("quiet", 1)
    for _ in range(60):
        account.took("loud", 1)
    assert account.paused == {"loud"}
    account.took("quiet", 1)
    assert told == ["loud"]


def test_bytes_count_as_events_do() -> None:
    account, _ = shares(1_000, 1_000)
    account.took("a", 1_001)
    assert account.paused == {"a"}
    account.ended("a", 1_001)
    assert not account.paused
    assert not account.held


def test_who_goes_on_all_the_same_is_told_again_and_then_refused() -> None:
    account, told = shares(10)
    for _ in range(11 + TELL_AGAIN):
        account.took("a", 1)
    assert told == ["a", "a"]
    assert not account.refuses("a")
    for _ in range(SLACK_EVENTS):
        account.took("a", 1)
    assert account.refuses("a")
    assert not account.refuses("b")


def test_events_without_a_bot_push_nobody_back() -> None:
    account, told = shares(1)
    for _ in range(5):
        account.took("", 1)
    assert (account.paused, told) == (set(), [])
