"""Pages name only what exists: metrics, commands, configuration keys, events, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jackfield.v1 import admin_pb2, event_pb2
from jackfield_kernel.cli.main import OWN_VERBS
from jackfield_kernel.cli.reference import commands
from jackfield_kernel.config import Settings, model
from jackfield_sdk.payload import EVENT_TYPES
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

from tests.rig.kernel import handler_manifest, routes, rule, running

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "kernel" / "docs").rglob("*.md")),
    *sorted((ROOT / "sdk" / "docs").glob("*.md")),
    *sorted((ROOT / "plugins").glob("*/README.md")),
    *sorted((ROOT / "adapters-plugins").glob("*/README.md")),
]
FOREIGN_VERBS = {"new", "dev", "chat", "conformance"}


def rows(page: str, section: str) -> list[list[str]]:
    """Cells of the first table below a heading."""
    text = (ROOT / page).read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    found = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found]


async def test_the_page_of_metrics_is_what_a_kernel_tells(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True, config={"routes": routes(b=[rule()])}) as rig:
        await rig.adapter()
        await rig.plugin(handler_manifest())
        figures = await rig.admin.GetFigures(admin_pb2.GetFiguresRequest(metrics=True))
    told = {}
    for family in text_string_to_metric_families(figures.metrics):
        suffix = "_total" if family.type == "counter" else ""
        told[f"{family.name}{suffix}"] = (family.type, family.documentation)
    table = {
        name.strip("`"): (kind, text) for name, kind, _, text in rows("kernel/docs/metrics.md", "All of them")
    }
    assert table == told


def test_metrics_named_elsewhere_exist() -> None:
    known = {name.strip("`") for name, *_ in rows("kernel/docs/metrics.md", "All of them")}
    for page in PAGES:
        for name in re.findall(
            r"\bjackfield_[a-z_]+_(?:total|seconds|bytes|records|parked|failing|waiting)\b", page.read_text()
        ):
            assert name in known, f"{page.name}: {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_links_of_a_page_exist(page: Path) -> None:
    text = page.read_text()
    verbs = {name for name, _ in OWN_VERBS} | FOREIGN_VERBS
    full = {path.removeprefix("jackfield ") for path, _ in commands()}
    groups = {path.split(" ")[0] for path in full if " " in path}
    for words in re.findall(r"`(?:\.venv/bin/)?jackfield ([a-z-]+(?: [a-z-]+)?)", text):
        verb, _, second = words.partition(" ")
        assert verb in verbs, f"jackfield {words}"
        if verb in groups and second:
            assert f"{verb} {second}" in full, f"jackfield {words}"
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target


def test_configuration_keys_of_the_pages_exist() -> None:
    sections = {
        key: set(field.annotation.model_fields)
        for key, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
    for page in PAGES:
        for section, key in re.findall(r"`(metrics|log|journal|limits)\.([a-z_]+)[`:=]", page.read_text()):
            if key not in ("db", "jsonl"):
                assert key in sections[section], f"{page.name}: {section}.{key}"


def test_every_event_stands_on_the_page_of_events() -> None:
    text = (ROOT / "sdk" / "docs" / "events.md").read_text()
    for payload, name in EVENT_TYPES.items():
        assert f"| `{name}` | `{payload.__name__}` |" in text
    assert len(event_pb2.Event.DESCRIPTOR.oneofs_by_name["payload"].fields) == len(EVENT_TYPES) + 2
    source = (ROOT / "kernel/jackfield_kernel").rglob("*.py")
    told = {
        name
        for path in source
        for name in re.findall(r'(?:_tell|kernel_event)\([^)]*?"([a-z_]+)"', path.read_text())
    }
    assert told == {
        "plugin_parked",
        "bot_failed",
        "journal_stuck",
        "dead_letter",
        "lane_full",
        "bot_pushed_back",
    }
    for name in told:
        assert f"| `kernel.{name}` |" in text


def test_every_key_of_the_configuration_is_read_somewhere() -> None:
    """A bound that nothing enforces is worse than none: somebody relies on it."""
    code = "\n".join(
        path.read_text()
        for path in (ROOT / "kernel" / "jackfield_kernel").rglob("*.py")
        if "config" not in path.relative_to(ROOT).parts
    )
    for section in (model.KernelLimits, model.Journal, model.Blobs, model.Log, model.Metrics, model.Secrets):
        for key in section.model_fields:
            assert re.search(rf"\.{key}\b", code), f"{section.__name__}.{key} is read nowhere"
