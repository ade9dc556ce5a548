"""The JSON Schemas a manifest carries, with our marks: `env`, `secret`, `unique` and i18n titles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from .problem import Problem, key_path, suggestion
from .text import text_problem

JsonSchema = dict[str, Any]
Path = tuple[str | int, ...]

_FLAGS = ("secret", "unique")
_MARKS = ("env", *_FLAGS)
_ENVIRONMENT_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_KEYWORDS = frozenset(
    """
    $anchor $comment $defs $dynamicAnchor $dynamicRef $id $ref $schema additionalProperties allOf anyOf const
    contains contentEncoding contentMediaType contentSchema default definitions dependentRequired
    dependentSchemas deprecated description else enum examples exclusiveMaximum exclusiveMinimum format if
    items maxContains maxItems maxLength maxProperties maximum minContains minItems minLength minProperties
    minimum multipleOf not oneOf pattern patternProperties prefixItems properties propertyNames readOnly
    required then title type unevaluatedItems unevaluatedProperties uniqueItems writeOnly env secret unique
    """.split()  # noqa: SIM905 - a list of forty short words reads better as text
)


@dataclass(frozen=True)
class PropertyMarks:
    """What a configuration key says beyond JSON Schema.

    `env` names the environment variable that sets the key, `secret` keeps its value out of logs and listings,
    `unique` makes the kernel lease the value before a bot opens.
    """

    env: str | None = None
    secret: bool = False
    unique: bool = False


def marks_of(schema: JsonSchema) -> dict[str, PropertyMarks]:
    """Return the marks of each top-level property."""
    return {
        name: PropertyMarks(**{mark: part[mark] for mark in _MARKS if mark in part})
        for name, part in properties_of(schema).items()
    }


def defaults_of(schema: JsonSchema) -> dict[str, Any]:
    """Return the default of each top-level property that has one."""
    return {name: part["default"] for name, part in properties_of(schema).items() if "default" in part}


def properties_of(schema: JsonSchema) -> dict[str, JsonSchema]:
    """Return the top-level properties that are described by an object (`true` describes nothing)."""
    return {name: part for name, part in schema.get("properties", {}).items() if isinstance(part, dict)}


def plain_schema(schema: Any) -> Any:
    """Return the schema as any JSON Schema tool reads it: titles in English, our marks left out."""
    if not isinstance(schema, dict):
        return schema
    plain: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _MARKS:
            continue
        if keyword in ("title", "description") and isinstance(value, dict):
            plain[keyword] = value.get("en", "")
        elif keyword in ("properties", "patternProperties", "$defs") and isinstance(value, dict):
            plain[keyword] = {name: plain_schema(part) for name, part in value.items()}
        elif isinstance(value, list) and keyword in ("allOf", "anyOf", "oneOf", "prefixItems"):
            plain[keyword] = [plain_schema(part) for part in value]
        elif keyword in ("default", "const", "enum", "examples"):
            plain[keyword] = value
        else:
            plain[keyword] = plain_schema(value)
    return plain


def schema_problems(schema: JsonSchema, file: str, at: Path) -> list[Problem]:
    """Return what is wrong with a schema that stands at key path `at` of `file`."""
    found = [
        Problem(file, key_path((*at, *where)), expected, remedy)
        for where, expected, remedy in _own_rules(schema)
    ]
    plain = plain_schema(schema)
    for error in Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(plain):
        found.append(
            Problem(file, key_path((*at, *error.path)), "valid JSON Schema", f"Correct it: {error.message}.")
        )
    if found:
        return found
    for name, value in defaults_of(schema).items():
        part = plain_schema(schema["properties"][name])
        for message in value_errors({**part, "$defs": plain.get("$defs", {})}, value):
            key = key_path((*at, "properties", name, "default"))
            found.append(
                Problem(file, key, "a default that its own schema accepts", f"Correct it: {message[1]}.")
            )
    return found


def value_errors(schema: JsonSchema, value: object) -> Iterator[tuple[Path, str]]:
    """Yield (path inside the value, what is wrong) for each breach of `schema`, shortest path first."""
    validator = Draft202012Validator(plain_schema(schema), registry=Registry())
    try:
        errors = sorted(validator.iter_errors(value), key=lambda error: (len(error.path), str(error.path)))
    except Unresolvable as error:
        yield (), f"the schema refers to {error.ref}, which does not exist"
        return
    for breach in errors:
        yield tuple(breach.absolute_path), breach.message


def _own_rules(schema: JsonSchema) -> Iterator[tuple[Path, str, str]]:
    if schema.get("type") != "object":
        yield ("type",), "object", "Set type: object; configuration is always a table of keys."
    for where, part in _tables(schema, ()):
        top = len(where) == 2 and where[0] == "properties"
        for keyword, value in part.items():
            at = (*where, keyword)
            if keyword == "$ref" and not str(value).startswith("#"):
                yield (
                    at,
                    "a reference inside this schema (#/$defs/...)",
                    "Copy the schema in; none is fetched.",
                )
            elif keyword in ("title", "description"):
                if problem := text_problem(value):
                    yield at, problem, "Correct it."
            elif keyword in _MARKS:
                yield from _mark(at, keyword, value, top)
            elif keyword not in _KEYWORDS and (meant := suggestion(keyword, _KEYWORDS)):
                yield at, "a JSON Schema keyword or a mark (env, secret, unique)", f"Did you mean {meant}?"


def _mark(at: Path, keyword: str, value: object, top: bool) -> Iterator[tuple[Path, str, str]]:
    if not top:
        yield (
            at,
            f"{keyword} on a top-level property only",
            "Move the key to the top level of this configuration.",
        )
    elif keyword == "env" and not (isinstance(value, str) and _ENVIRONMENT_NAME.fullmatch(value)):
        yield (
            at,
            "the name of an environment variable such as ECHO_TOKEN",
            "Use capitals, digits and underscores.",
        )
    elif keyword in _FLAGS and not isinstance(value, bool):
        yield at, "true or false", f"Write {keyword}: true."


def _tables(schema: Mapping[str, Any], at: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    yield at, schema
    for keyword in ("properties", "patternProperties", "$defs"):
        parts = schema.get(keyword)
        for name, part in parts.items() if isinstance(parts, dict) else ():
            if isinstance(part, dict):
                yield from _tables(part, (*at, keyword, str(name)))
    for keyword in ("items", "additionalProperties", "not", "if", "then", "else"):
        if isinstance(part := schema.get(keyword), dict):
            yield from _tables(part, (*at, keyword))
    for keyword in ("allOf", "anyOf", "oneOf", "prefixItems"):
        parts = schema.get(keyword)
        for number, part in enumerate(parts) if isinstance(parts, list) else ():
            if isinstance(part, dict):
                yield from _tables(part, (*at, keyword, number))
