"""Everything here starts a local server: together more than `make test-fast` has time for."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands below this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("slow")
