"""An adapter that reaches its platform in several ways is judged in each of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from jackfield_sdk.conformance.case import Outcome
from jackfield_sdk.conformance.declared import read
from jackfield_sdk.conformance.runner import run

from tests.platforms.onebot.modes import CREATE

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("mode", sorted(CREATE))
async def test_onebot_does_the_same_in_every_mode(mode: str) -> None:
    done = await run(read(ROOT / "adapters-plugins" / "onebot"), CREATE[mode]())
    failed = [f"{one.case.key}: {one.reason}" for one in done.results if one.outcome is Outcome.FAIL]
    assert not failed, "\n".join(failed)
    assert done.count(Outcome.PASS) > 95
