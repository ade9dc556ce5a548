"""Makes what the tests share importable, and gives each test its surroundings."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from jackfield_sdk.testing import FakeKernel

sys.path.insert(0, str(Path(__file__).parent))

from simulated_outside import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Everything but ingress itself."""
    async with FakeKernel() as kernel:
        yield World(kernel)
