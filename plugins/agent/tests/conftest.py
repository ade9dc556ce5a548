"""A scene for every test."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from jackfield_sdk.testing import FakeKernel

sys.path.insert(0, str(Path(__file__).parent))

from agent_scene import Scene


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A model, tools and a memory that tests script."""
    async with FakeKernel() as kernel:
        yield Scene(kernel)
