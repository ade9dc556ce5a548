"""The plugin with a bot, and what it is played on on the path."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from discord_stage import Stage, stage


@pytest.fixture
async def discord() -> AsyncIterator[Stage]:
    """A bot on the gateway."""
    async with stage() as made:
        yield made
