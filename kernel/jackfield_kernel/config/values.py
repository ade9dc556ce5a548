"""Values for a manifest's schema: environment over file over Admin over default, then checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..manifest import JsonSchema, Manifest, Problem, PropertyMarks, defaults_of, marks_of
from ..manifest.problem import key_path, unknown_key
from ..manifest.schema import properties_of, value_errors
from ..manifest.yaml_text import YamlInvalid, read_yaml
from .errors import ConfigInvalid, ConfigPinned
from .origin import BY_ADMIN, BY_DEFAULT, Origin, OriginKind

SecretOf = Callable[[str], "str | None"]
"""The value of a secret by its name; None when it is not set."""


def no_secret(name: str) -> str | None:
    """Where there is no secret store."""
    return None


_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True)
class Resolved:
    """Values of one configuration with the origin of each key; unusable while `problems` is not empty."""

    values: Mapping[str, Any]
    origins: Mapping[str, Origin]
    problems: tuple[Problem, ...]
    secrets: frozenset[str] = frozenset()
    references: frozenset[str] = frozenset()
    """Names of the operator's secrets that the values refer to, set or not."""

    def redacted(self) -> dict[str, Any]:
        """Return the values for logs and listings, each secret replaced by `***`."""
        return {key: "***" if key in self.secrets else value for key, value in self.values.items()}

    def secret_values(self) -> list[str]:
        """Every text that stands under a secret key, to be kept out of logs and listings."""
        return [text for key in self.secrets for text in _texts(self.values.get(key))]

    def require_free(self, key: str) -> None:
        """Raise ConfigPinned when the environment or the file sets `key`."""
        if (origin := self.origins.get(key, BY_DEFAULT)).pinned:
            raise ConfigPinned(key, origin)

    def require_valid(self) -> None:
        """Raise ConfigInvalid with every problem."""
        if self.problems:
            raise ConfigInvalid(self.problems)


def resolve_plugin_config(
    manifest: Manifest,
    file: Mapping[str, Any],
    admin: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    file_name: str = "jackfield.yaml",
    secret_of: SecretOf = no_secret,
) -> Resolved:
    """Resolve a plugin's own `config`; `file` and `admin` are tables of its keys. Pure; never raises."""
    at = ("plugins", manifest.name, "config")
    return resolve_values(
        manifest.config, file, admin, environ, at=at, file_name=file_name, secret_of=secret_of
    )


def resolve_values(
    schema: JsonSchema,
    file: Mapping[str, Any],
    admin: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    defaults: Mapping[str, Any] | None = None,
    at: tuple[str, ...] = (),
    file_name: str = "jackfield.yaml",
    secret_of: SecretOf = no_secret,
) -> Resolved:
    """Resolve the values of `schema`, a checked manifest schema; `at` is their key path in problems.

    `defaults` overrides the schema's own defaults. `{secret: NAME}` under a key marked `secret` is replaced by what
    `secret_of` says. Problems say key, source and remedy. Pure; never raises.
    """
    marks = marks_of(schema)
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    problems: list[Problem] = []
    for table, origin in (
        (defaults_of(schema) | dict(defaults or {}), BY_DEFAULT),
        (admin, BY_ADMIN),
        (file, Origin(OriginKind.FILE, file_name)),
    ):
        values |= table
        origins |= dict.fromkeys(table, origin)
    for key, part in properties_of(schema).items():
        name = marks[key].env
        if name and name in environ:
            origins[key] = Origin(OriginKind.ENVIRONMENT, name)
            try:
                values[key] = _typed(environ[name], part)
            except ValueError as error:
                problems.append(Problem("environment", name, str(error), f"Set {name} to {error}."))
    references = _references(values, marks)
    for key, name in references.items():
        text = secret_of(name)
        try:
            if text is None:
                raise ValueError(f"a secret named {name}, which is not set")
            values[key] = _typed(text, properties_of(schema)[key])
        except ValueError as error:
            del values[key]
            remedy = f"jackfield secret set {name}"
            problems.append(Problem(_source(origins[key]), key_path((*at, key)), str(error), remedy))
    problems += _unknown(schema, values, origins, at)
    problems += [] if problems else _breaches(schema, values, origins, marks, at, file_name)
    secrets = frozenset(key for key, mark in marks.items() if mark.secret)
    return Resolved(values, origins, tuple(problems), secrets, frozenset(references.values()))


def _references(values: Mapping[str, Any], marks: Mapping[str, PropertyMarks]) -> dict[str, str]:
    """Keys whose value names a secret. Other keys may not: their values are shown and logged."""
    return {
        key: str(value["secret"])
        for key, value in values.items()
        if isinstance(value, Mapping) and value.keys() == {"secret"} and key in marks and marks[key].secret
    }


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _unknown(
    schema: JsonSchema, values: Mapping[str, Any], origins: Mapping[str, Origin], at: tuple[str, ...]
) -> list[Problem]:
    if schema.get("additionalProperties") or schema.get("patternProperties"):
        return []
    known = schema.get("properties", {})
    return [unknown_key(_source(origins[key]), (*at, key), known) for key in values if key not in known]


def _breaches(
    schema: JsonSchema,
    values: Mapping[str, Any],
    origins: Mapping[str, Origin],
    marks: Mapping[str, PropertyMarks],
    at: tuple[str, ...],
    file_name: str,
) -> list[Problem]:
    missing = [key for key in schema.get("required", []) if key not in values]
    found: list[Problem] = []
    for key in missing:
        path, mark = key_path((*at, key)), marks.get(key, PropertyMarks())
        remedy = f"Set {path} in {file_name}" + (f" or {mark.env} in the environment." if mark.env else ".")
        found.append(Problem(file_name, path, "a value", remedy))
    checked = {**schema, "required": []}
    for where, message in value_errors(checked, dict(values)):
        top = str(where[0]) if where else ""
        origin, mark = origins.get(top, BY_DEFAULT), marks.get(top, PropertyMarks())
        path = key_path((*at, *where))
        place = origin.where if origin.kind is OriginKind.ENVIRONMENT else path
        # The message of a schema breach quotes the value, which must not leak when it is a secret.
        expected = "a value its schema accepts" if mark.secret else f"a value its schema accepts ({message})"
        found.append(Problem(_source(origin), place, expected, f"Correct {place}."))
    return found


def _source(origin: Origin) -> str:
    return origin.where if origin.kind is OriginKind.FILE else str(origin.kind)


def _typed(text: str, schema: JsonSchema) -> Any:
    """Read a variable's text as the schema's type. Raises ValueError with what was expected."""
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "integer" in kinds or "number" in kinds:
        try:
            return int(text) if "integer" in kinds else float(text)
        except ValueError as error:
            raise ValueError("a whole number" if "integer" in kinds else "a number") from error
    if "boolean" in kinds:
        if text.lower() in _TRUE + _FALSE:
            return text.lower() in _TRUE
        raise ValueError("true or false")
    if "array" in kinds and not text.lstrip().startswith("["):
        return [item.strip() for item in text.split(",") if item.strip()]
    if "array" in kinds or "object" in kinds:
        try:
            return read_yaml(f"value: {text}".encode())["value"]
        except YamlInvalid as error:
            raise ValueError("a list or table in YAML or JSON") from error
    return text
