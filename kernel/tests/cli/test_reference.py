"""The reference pages say what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest
from jackfield_kernel.cli.reference import PAGES
from jackfield_kernel.config import Settings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


def test_every_key_of_the_configuration_is_described() -> None:
    page = PAGES["configuration.md"]()
    for key in Settings.model_fields:
        assert f"`{key}`" in page
    assert "JACKFIELD_METRICS__PORT" in page
    assert "| `lane_ready` | integer | `256` | Deliveries that may wait" in page


@pytest.mark.parametrize("name", ["configuration.md", "manifest-keys.md", "errors.md"])
def test_every_key_has_a_meaning(name: str) -> None:
    for line in PAGES[name]().splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert cells[3 if name == "configuration.md" else 2], line
