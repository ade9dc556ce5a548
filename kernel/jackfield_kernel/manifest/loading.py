"""From a file to a checked manifest, or to every problem found in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from .errors import ManifestInvalid
from .model import Manifest
from .problem import Problem, key_path, problems_of
from .schema import JsonSchema, marks_of, schema_problems
from .yaml_text import MAX_BYTES, YamlInvalid, read_yaml

MANIFEST_NAME = "jackfield-plugin.yaml"

_ADAPTER_ONLY = (
    "platform",
    "intake",
    "dedup_horizon",
    "platform_events",
    "apis",
    "segments",
    "hint",
    "actions",
    "default_bots",
)


def load_manifest(path: Path) -> Manifest:
    """Read and check one manifest file. Raises ManifestInvalid with every problem found."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        problem = Problem(str(path), "", "a readable manifest", f"Make the file readable: {error.strerror}.")
        raise ManifestInvalid(path, [problem]) from error
    return parse_manifest(text, path)


def parse_manifest(text: bytes, path: Path) -> Manifest:
    """Check a manifest's text; `path` is only named in problems and kept. Raises ManifestInvalid."""
    file = str(path)
    try:
        raw = read_yaml(text)
    except YamlInvalid as error:
        raise ManifestInvalid(path, [Problem(file, "", "YAML", f"Correct the file: {error}.")]) from error
    try:
        manifest = Manifest.model_validate(raw)
    except ValidationError as error:
        raise ManifestInvalid(path, problems_of(error, Manifest, file)) from error
    if problems := _deeper_problems(manifest, file):
        raise ManifestInvalid(path, problems)
    digest = hashlib.sha256(text + b"\0" + manifest.version.encode()).hexdigest()
    return manifest.read_from(path, digest)


def _deeper_problems(manifest: Manifest, file: str) -> list[Problem]:
    problems = _adapter_keys(manifest, file)
    for at, schema in _schemas(manifest):
        problems += schema_problems(schema, file, at)
    for section, schema in (("config", manifest.config), ("rule_config", manifest.rule_config)):
        for name, marks in marks_of(schema).items() if not problems else ():
            if marks.unique:
                key = key_path((section, "properties", name, "unique"))
                problems.append(Problem(file, key, "unique in bot_config only", "Remove it."))
    names = [name for command in manifest.provides.commands for name in (command.name, *command.aliases)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(
            Problem(file, "provides.commands", "distinct names", f"Rename one of the commands {name}.")
        )
    return problems


def _adapter_keys(manifest: Manifest, file: str) -> list[Problem]:
    provides = manifest.provides
    if manifest.kind == "adapter":
        return [
            Problem(file, f"provides.{key}", "a value, as in every adapter", f"Add provides.{key}.")
            for key in ("platform", "intake")
            if getattr(provides, key) is None
        ]
    return [
        Problem(
            file,
            f"provides.{key}",
            "this key in adapters only",
            f"Remove provides.{key}, or set kind: adapter.",
        )
        for key in _ADAPTER_ONLY
        if key in provides.model_fields_set
    ]


def _schemas(manifest: Manifest) -> Iterator[tuple[tuple[str | int, ...], JsonSchema]]:
    yield ("config",), manifest.config
    yield ("bot_config",), manifest.bot_config
    yield ("rule_config",), manifest.rule_config
    provides = manifest.provides
    for number, action in enumerate(provides.actions):
        yield ("provides", "actions", number, "params"), action.params
        yield ("provides", "actions", number, "result"), action.result
    for section, types in (
        ("platform_events", provides.platform_events),
        ("event_types", provides.event_types),
    ):
        for name, event in types.items():
            yield ("provides", section, name, "schema"), event.schema_
