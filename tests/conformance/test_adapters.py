"""Every adapter of the repository, judged by the kit."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from jackfield_sdk.conformance.case import Outcome
from jackfield_sdk.conformance.declared import read
from jackfield_sdk.conformance.runner import run

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = sorted(path.parent.name for path in (ROOT / "adapters-plugins").glob("*/pyproject.toml"))


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("name", ADAPTERS)
async def test_an_adapter_does_what_its_manifest_says(name: str) -> None:
    fixture = importlib.import_module(f"tests.platforms.{name.replace('-', '_')}.fixture")
    declared = read(ROOT / "adapters-plugins" / name)
    done = await run(declared, fixture.create())
    failed = [f"{one.case.key}: {one.reason}" for one in done.results if one.outcome is Outcome.FAIL]
    assert not failed, "\n".join(failed)
    assert done.seconds < 60
    # A kit that skips everything proves nothing. Who promises little is proved by less.
    promises = len(declared.events + declared.apis + declared.receives + declared.sends)
    assert done.count(Outcome.PASS) >= min(41, 24 + promises)
    assert all(one.reason for one in done.results if one.outcome is Outcome.SKIP)
