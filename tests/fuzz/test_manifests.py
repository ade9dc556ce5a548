"""Any manifest and any configuration is read, or refused with file, key and remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jackfield_kernel.config import load_config
from jackfield_kernel.config.errors import ConfigInvalid
from jackfield_kernel.manifest.errors import ManifestInvalid
from jackfield_kernel.manifest.loading import parse_manifest

from .strategies import examples, mutated, values

ROOT = Path(__file__).parents[2]
MANIFESTS = [
    yaml.safe_load(path.read_text())
    for folder in ("plugins", "adapters-plugins")
    for path in sorted((ROOT / folder).glob("*/jackfield_*/jackfield-plugin.yaml"))
]
CONFIG: dict[str, Any] = {
    "plugins": {
        "echo": {"enabled": True, "config": {"a": 1}, "grants": ["reply"], "limits": {"memory": "64MiB"}}
    },
    "bots": {"b": {"adapter": "echo", "enabled": True, "config": {"token": "x"}}},
    "routes": {
        "b": [{"id": "echo", "event": "message.received", "handler": "echo", "match": {"prefixes": ["/"]}}]
    },
    "metrics": {"port": 0, "enabled": False},
    "log": {"level": "info"},
    "journal": {"retention": "7d"},
    "limits": {"lane_ready": 256, "drain": 10},
}

pytestmark = pytest.mark.slow


def explained(problems: Any) -> None:
    """Every problem says what was expected and what to do."""
    assert problems
    for one in problems:
        assert one.expected
        assert one.remedy


@examples(300)
@given(st.sampled_from(MANIFESTS).flatmap(mutated))
def test_a_manifest_that_is_nearly_right(made: Any) -> None:
    text = yaml.safe_dump(made, allow_unicode=True).encode("utf-8", "surrogatepass")
    try:
        parse_manifest(text, Path("jackfield-plugin.yaml"))
    except ManifestInvalid as invalid:
        explained(invalid.problems)


@examples(200)
@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_a_manifest_that_is_anything(text: bytes) -> None:
    try:
        parse_manifest(text, Path("jackfield-plugin.yaml"))
    except ManifestInvalid as invalid:
        explained(invalid.problems)


@examples(300)
@given(made=mutated(CONFIG))
def test_a_configuration_that_is_nearly_right(tmp_path_factory: pytest.TempPathFactory, made: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_bytes(yaml.safe_dump(made, allow_unicode=True).encode("utf-8", "surrogatepass"))
    try:
        load_config(path, {}, {})
    except ConfigInvalid as invalid:
        explained(invalid.problems)


@examples(200)
@given(names=st.dictionaries(st.text("ABCDEF_JKLMNOPRS", max_size=12), st.text(max_size=20), max_size=4))
def test_an_environment_that_is_anything(names: dict[str, str]) -> None:
    environ = {f"JACKFIELD_{name}": value.replace("\0", "") for name, value in names.items()}
    try:
        load_config(None, environ, {})
    except ConfigInvalid as invalid:
        explained(invalid.problems)
