"""The house rules that a program can check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jackfield.v1 import error_pb2
from jackfield_kernel.errors import REASONS

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("kernel/jackfield_kernel", "sdk/python/jackfield_sdk", "plugins", "adapters-plugins")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
PLATFORMS = re.compile(
    r"\b(onebot|telegram|discord|slack|lark|feishu|webchat|openai|anthropic)\b", re.IGNORECASE
)
BANNED = re.compile(r"(^|_)(manager|mgr|helper|helpers|utils|util|common|base|misc)(_|$|\.py$)")


def test_the_kernel_names_no_platform_and_no_model() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (ROOT / "kernel" / "jackfield_kernel").rglob("*")
        if path.suffix in (".py", ".yaml")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if PLATFORMS.search(line) and "alice" not in line
    ]
    assert not found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_one_idea_and_at_most_500_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500
    assert not BANNED.search(path.stem)


def test_the_reasons_of_kernel_and_contract_are_the_same() -> None:
    contract = {name.removeprefix("REASON_") for name in error_pb2.Reason.DESCRIPTOR.values_by_name}
    assert contract - {"UNSPECIFIED"} == set(REASONS)


def test_the_pages_that_the_readme_names_exist() -> None:
    text = (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


def test_nothing_at_the_top_is_unexpected() -> None:
    allowed = {
        "kernel", "protos", "plugins", "adapters-plugins", "sandbox-plugins", "web", "sdk", "tests",
        "pyproject.toml", "README.md", "Makefile", "LICENSE", "CHANGELOG.md", "uv.lock",
    }  # fmt: skip
    names = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert names - allowed == set()
