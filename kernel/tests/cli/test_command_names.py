"""Chat commands of one name, as `doctor` finds them."""

from __future__ import annotations

from typing import Any

import pytest
from jackfield_kernel.cli.checks.commands import collisions
from jackfield_kernel.manifest import Manifest


def offering(name: str, *commands: dict[str, Any]) -> Manifest:
    return Manifest.model_validate(
        {
            "manifest": 1,
            "name": name,
            "version": "0.1.0",
            "contract": 1,
            "kind": "handler",
            "title": name,
            "description": "A plugin of a test.",
            "run": {"remote": True},
            "provides": {"commands": [{"description": "x", **command} for command in commands]},
        }
    )


def test_names_and_aliases_that_several_plugins_offer() -> None:
    manifests = [
        offering("zebra", {"name": "new"}, {"name": "later", "aliases": ["l"]}),
        offering("ant", {"name": "old", "aliases": ["new", "l"]}),
        offering("bee", {"name": "new", "busy": "rejected"}, {"name": "own"}),
    ]
    assert collisions(manifests) == [("l", ["ant", "zebra"]), ("new", ["bee", "zebra", "ant"])]
    assert collisions(manifests[:1]) == []


def test_busy_is_one_of_three_words() -> None:
    assert offering("a", {"name": "x"}).provides.commands[0].busy == "allowed"
    with pytest.raises(ValueError, match="rejected"):
        offering("a", {"name": "x", "busy": "sometimes"})
