"""A flood is told in a few events, whatever its size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from jackfield_kernel.bus.shares import Shares
from jackfield_kernel.session.pressure import GATHER_SECONDS, MOST_LANES, Pressure


class World:
    """The bus as far as pressure sees it, and what was told."""

    def __init__(self) -> None:
        self.shares = Shares(events=10)
        self.on_full: Callable[[Any], None] = lambda delivery: None
        self.told: list[tuple[str, Mapping[str, object], str]] = []
        self.pressure = Pressure(self, lambda *event: self.told.append(event))  # type: ignore[arg-type]

    def drop(self, lane: str) -> None:
        run = SimpleNamespace(event=SimpleNamespace(bot="b"), lane=lane)
        self.on_full(SimpleNamespace(run=run, rule=SimpleNamespace(handler="h")))


def test_what_a_lane_drops_is_counted_and_told_once() -> None:
    world = World()
    world.pressure.looked(0.0)
    for _ in range(500):
        world.drop("b:private:1")
    world.pressure.looked(GATHER_SECONDS - 1)
    assert world.told == []
    world.pressure.looked(GATHER_SECONDS)
    world.pressure.looked(3 * GATHER_SECONDS)
    assert world.told == [("lane_full", {"lane": "b:private:1", "handler": "h", "dropped": 500}, "b")]


def test_any_number_of_lanes_is_told_in_a_bounded_number_of_events() -> None:
    world = World()
    for number in range(MOST_LANES + 50):
        world.drop(f"lane {number}")
    world.pressure.looked(GATHER_SECONDS)
    assert len(world.told) == MOST_LANES + 1
    assert world.told[-1] == ("lane_full", {"lane": "", "handler": "h", "dropped": 50}, "")


def test_a_bot_that_waits_is_told_once_and_again_when_it_waits_anew() -> None:
    world = World()

    def wait(seconds: float) -> None:
        world.pressure.looked(seconds)
        world.pressure.looked(seconds + GATHER_SECONDS)
        world.pressure.looked(seconds + 2 * GATHER_SECONDS)

    for _ in range(11):
        world.shares.took("b", 1)
    wait(0.0)
    assert world.told == [("bot_pushed_back", {"bot": "b", "events": 11}, "b")]
    for _ in range(11):
        world.shares.ended("b", 1)
    wait(100.0)
    assert len(world.told) == 1
    for _ in range(11):
        world.shares.took("b", 1)
    wait(200.0)
    assert len(world.told) == 2
