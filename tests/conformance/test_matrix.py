"""The page of what adapters can do is the page of these manifests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jackfield_sdk.conformance.declared import read
from jackfield_sdk.conformance.matrix import matrix, stale

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "sdk/docs/support-matrix.md"
DECLARED = [read(path.parent) for path in sorted((ROOT / "adapters-plugins").glob("*/pyproject.toml"))]


def test_the_page_lists_what_the_manifests_declare() -> None:
    wrong = stale(PAGE.read_text(encoding="utf-8"), DECLARED)
    assert not wrong, f"run `make conformance`: {wrong}"


@pytest.mark.parametrize("removed", ["| `message.received` |", "## Platform actions"])
def test_a_page_that_lacks_something_is_found(removed: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert removed in page
    cut = "\n".join(line for line in page.splitlines() if not line.startswith(removed))
    assert stale(cut, DECLARED)


def test_what_failed_is_said_to_fail() -> None:
    declared = {
        "events": ["message.edited"],
        "apis": [],
        "receive": [],
        "send": ["image"],
        "actions": ["get"],
    }
    results = [
        {"case": "EV-A02[message.edited]", "topic": "events", "subject": "message.edited", "outcome": "fail"},
        {"case": "TX-04[image]", "topic": "sending", "subject": "image", "outcome": "pass"},
        {"case": "API-18[get]", "topic": "actions", "subject": "get", "outcome": "skip"},
    ]
    page = matrix([json.loads(json.dumps({"adapter": "x", "declared": declared, "results": results}))])
    assert "| `message.edited` | FAILS |" in page
    assert "| `image` | yes |" in page
    assert "- x: `get` (declared)" in page
