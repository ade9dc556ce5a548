"""Event patterns."""

from __future__ import annotations

import pytest
from jackfield_kernel.routing.pattern import parse


@pytest.mark.parametrize(
    ("pattern", "fits", "differs"),
    [
        ("message.received", ["message.received"], ["message.edited", "message.received.x"]),
        ("message.*", ["message.received", "message.a.b"], ["messages.x", "message"]),
        ("platform.blue.*", ["platform.blue.poked"], ["platform.green.poked", "platform.bluer.x"]),
        ("platform.specific", ["platform.blue.poked"], ["platforms.x", "message.received"]),
        ("*", ["message.received", "jackfield.dead_letter", "scheduler.fired"], []),
        ("my-plugin.*", ["my-plugin.done"], ["my-plugins.done"]),
    ],
)
def test_a_pattern_fits_its_types_and_no_others(pattern: str, fits: list[str], differs: list[str]) -> None:
    parsed = parse(pattern)
    assert all(map(parsed.matches, fits))
    assert not any(map(parsed.matches, differs))


@pytest.mark.parametrize(
    "pattern", ["mess*", "*.received", "a.*.b", "**", "", ".*", "message", "message.", "a b.c", "a..b"]
)
def test_anything_else_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"message\.\*"):
        parse(pattern)


def test_exact_is_more_specific_than_a_longer_namespace_than_a_shorter_one_than_everything() -> None:
    patterns = ["*", "platform.*", "platform.blue.*", "platform.blue.poked"]
    assert sorted(patterns, key=lambda text: parse(text).specificity) == patterns
    assert parse("platform.specific").specificity == parse("platform.*").specificity
