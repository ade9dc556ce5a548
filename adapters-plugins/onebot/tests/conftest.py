"""The plugin with a bot, and the simulated implementation on the path."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from simulated_onebot import World, world


@pytest.fixture
async def onebot() -> AsyncIterator[World]:
    """The plugin with the bot `one`, which takes every account."""
    async with world() as made:
        await made.kernel.open_bot("one", plugin="onebot")
        yield made
