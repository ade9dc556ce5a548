"""A fresh scene for each test."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from jackfield_sdk.testing import FakeKernel

sys.path.insert(0, str(Path(__file__).parent))

from conversation_scene import Scene


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with FakeKernel() as kernel, Scene(kernel).running() as running:
        yield running
