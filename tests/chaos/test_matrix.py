"""A short run of the kill matrix; `make chaos` runs all of it."""

from __future__ import annotations

import dataclasses

import pytest

from .matrix.cells import EVERYTHING, RANDOM, Cell, run

pytestmark = [pytest.mark.chaos, pytest.mark.integration, pytest.mark.slow]

CELLS = (
    Cell(("kernel",), "accepted", 30),
    Cell(("handler",), "result received", 30),
    Cell(("adapter",), "call sent", 30),
    Cell(EVERYTHING, RANDOM, 1.5),
)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.name}, {cell.step}".replace(" ", "-"))
async def test_nothing_is_lost_whoever_dies(cell: Cell) -> None:
    outcome = await run(dataclasses.replace(cell, messages=200))
    assert outcome.deaths > 0, "nobody died: the cell shows nothing"
    assert outcome.sound, outcome
