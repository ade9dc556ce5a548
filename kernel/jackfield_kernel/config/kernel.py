"""Kernel settings: environment over file over Admin over default, each value's origin kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ..manifest import Problem
from ..manifest.problem import key_path, known_keys, problems_of, unknown_key
from ..manifest.yaml_text import YamlInvalid, read_yaml
from .errors import ConfigInvalid, ConfigPinned
from .model import Settings
from .origin import BY_ADMIN, BY_DEFAULT, Origin, OriginKind

PREFIX = "JACKFIELD_"

# Sections whose keys are fixed, so that a variable can name each; bots and plugins have variables of their
# own.
_FLAT = ("metrics", "log", "journal", "blobs", "secrets", "limits")


@dataclass(frozen=True)
class KernelConfig:
    """`origins` has one entry per leaf, by dotted key path; `warnings` are unknown keys and variables."""

    settings: Settings
    origins: Mapping[str, Origin]
    warnings: tuple[Problem, ...]
    path: Path | None

    def origin(self, key: str) -> Origin:
        """Return where the value at dotted path `key` came from."""
        return self.origins.get(key, BY_DEFAULT)

    def require_free(self, key: str) -> None:
        """Raise ConfigPinned when `key` is set by the environment or the file."""
        if self.origin(key).pinned:
            raise ConfigPinned(key, self.origin(key))


def load_config(path: Path | None, environ: Mapping[str, str], admin: Mapping[str, Any]) -> KernelConfig:
    """Read `path` (None: no file) and lay `environ` over it and `admin`, a table of the same shape, under it.

    Raises ConfigInvalid with every wrong value; an unknown key is only a warning with a suggestion.
    """
    file = _read(path) if path else {}
    where = str(path or "")
    variables, warnings = _variables(environ)
    warnings = _unknown(file, where, (), Settings) + warnings
    origins: dict[str, Origin] = {}
    merged: dict[str, Any] = {}
    _lay(merged, admin, BY_ADMIN, origins, ())
    _lay(merged, file, Origin(OriginKind.FILE, where), origins, ())
    for parts, (name, text) in variables.items():
        _lay(merged, {parts[0]: {parts[1]: text}}, Origin(OriginKind.ENVIRONMENT, name), origins, ())
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        problems = [_named_by_source(p, origins, where) for p in problems_of(error, Settings, where)]
        raise ConfigInvalid(problems) from error
    base = path.parent if path else Path.cwd()
    return KernelConfig(_absolute(settings, base), origins, tuple(warnings), path)


def data_directory(argument: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the data directory: `--data`, JACKFIELD_DATA, else below the XDG data directory."""
    if argument is not None:
        return argument.expanduser().absolute()
    if given := environ.get("JACKFIELD_DATA"):
        return Path(given).expanduser().absolute()
    home = environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "jackfield"


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_yaml(path.read_bytes())
    except OSError as error:
        problem = Problem(str(path), "", "a readable file", f"Make it readable: {error.strerror}.")
        raise ConfigInvalid([problem]) from error
    except YamlInvalid as error:
        raise ConfigInvalid([Problem(str(path), "", "YAML", f"Correct the file: {error}.")]) from error


def _variables(
    environ: Mapping[str, str],
) -> tuple[dict[tuple[str, str], tuple[str, str]], list[Problem]]:
    found: dict[tuple[str, str], tuple[str, str]] = {}
    warnings: list[Problem] = []
    for name, text in sorted(environ.items()):
        section, split, key = name.removeprefix(PREFIX).lower().partition("__")
        if not name.startswith(PREFIX) or not split:
            continue
        keys = known_keys(Settings, (section,)) if section in _FLAT else []
        if section not in _FLAT:
            warnings.append(unknown_key("environment", (name,), _names(_FLAT)))
        elif key not in keys:
            warnings.append(unknown_key("environment", (name,), _names((section,))))
        else:
            found[section, key] = (name, text)
    return found, warnings


def _names(sections: tuple[str, ...]) -> list[str]:
    return [
        f"{PREFIX}{section}__{key}".upper()
        for section in sections
        for key in known_keys(Settings, (section,))
    ]


def _unknown(
    table: Mapping[str, Any], file: str, at: tuple[str, ...], model: type[BaseModel]
) -> list[Problem]:
    known = known_keys(model, at)
    found: list[Problem] = []
    for key, value in table.items():
        if known and key not in known:
            found.append(unknown_key(file, (*at, str(key)), known))
        elif isinstance(value, Mapping) and (not at or known_keys(model, (*at, key))):
            found += _unknown(value, file, (*at, key), model)
    return found


def _lay(
    under: dict[str, Any],
    over: Mapping[str, Any],
    origin: Origin,
    origins: dict[str, Origin],
    at: tuple[str, ...],
) -> None:
    for key, value in over.items():
        inner = under.get(key)
        if isinstance(value, Mapping):
            if not isinstance(inner, dict):
                inner = under[key] = {}
            _lay(inner, value, origin, origins, (*at, key))
        else:
            under[key] = value
            origins[key_path((*at, key))] = origin


def _named_by_source(problem: Problem, origins: Mapping[str, Origin], file: str) -> Problem:
    origin = origins.get(problem.key, BY_DEFAULT)
    source = {OriginKind.ENVIRONMENT: "environment", OriginKind.ADMIN: "admin"}.get(origin.kind, file)
    key = origin.where if origin.kind is OriginKind.ENVIRONMENT else problem.key
    return Problem(source, key, problem.expected, problem.remedy.replace(problem.key, key))


def _absolute(settings: Settings, base: Path) -> Settings:
    plugins = {
        name: entry.model_copy(update={"directory": base / entry.directory.expanduser()})
        if entry.directory
        else entry
        for name, entry in settings.plugins.items()
    }
    folders = [base / folder.expanduser() for folder in settings.plugin_dirs]
    secrets = settings.secrets
    if secrets.key_file:
        secrets = secrets.model_copy(update={"key_file": base / secrets.key_file.expanduser()})
    return settings.model_copy(update={"plugins": plugins, "plugin_dirs": folders, "secrets": secrets})
