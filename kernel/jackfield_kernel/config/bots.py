"""Which bots exist, from the file, Admin, the environment and the manifests of adapters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..manifest import Manifest, Problem, marks_of
from ..manifest.problem import suggestion
from .model import BotEntry
from .values import Resolved, SecretOf, no_secret, resolve_values

Source = Literal["file", "admin", "environment", "default"]


@dataclass(frozen=True)
class BotSpec:
    """One bot to open, or to show with its problems.

    `adapter` is a plugin's name, empty when nobody named one. `unique` are the keys that the manifest marks so, with their
    values as JSON: one process at a time may use each.
    """

    name: str
    adapter: str
    platform: str
    enabled: bool
    source: Source
    config: Resolved
    problems: tuple[Problem, ...] = ()
    unique: tuple[tuple[str, str], ...] = ()

    @property
    def usable(self) -> bool:
        """True when the bot may be opened."""
        return self.enabled and not self.problems and not self.config.problems


def resolve_bots(
    manifests: Sequence[Manifest],
    file_bots: Mapping[str, BotEntry],
    admin_bots: Mapping[str, BotEntry],
    environ: Mapping[str, str],
    *,
    file_name: str = "jackfield.yaml",
    secret_of: SecretOf = no_secret,
) -> list[BotSpec]:
    """Return every bot, ordered by name; wrong ones carry their problems. Pure; never raises.

    Variables configure the bot named after its platform, or the only bot of its adapter, never two bots at
    once.
    """
    adapters = {manifest.name: manifest for manifest in manifests if manifest.kind == "adapter"}
    plan = _Plan(adapters, file_bots, admin_bots, environ)
    chosen = {name: plan.adapter_of(name) for name in sorted(plan.names())}
    specs = []
    for name, adapter in chosen.items():
        manifest = adapters.get(adapter)
        alone = list(chosen.values()).count(adapter) == 1
        named = manifest is not None and name == manifest.provides.platform
        own = environ if named or alone else {}
        specs.append(_spec(name, adapter, plan, own, file_name, secret_of))
    return specs


@dataclass(frozen=True)
class _Plan:
    adapters: Mapping[str, Manifest]
    file: Mapping[str, BotEntry]
    admin: Mapping[str, BotEntry]
    environ: Mapping[str, str]

    def names(self) -> set[str]:
        return {*self.file, *self.admin, *self.by_environment(), *self.by_default()}

    def by_environment(self) -> dict[str, str]:
        found = {}
        for manifest in self.adapters.values():
            marks, required = marks_of(manifest.bot_config), manifest.bot_config.get("required", [])
            names = [marks[key].env for key in required if key in marks]
            if (
                required
                and len(names) == len(required)
                and all(name and name in self.environ for name in names)
            ):
                found[manifest.provides.platform or manifest.name] = manifest.name
        return found

    def by_default(self) -> dict[str, str]:
        return {bot.name: m.name for m in self.adapters.values() for bot in m.provides.default_bots}

    def adapter_of(self, name: str) -> str:
        for entries in (self.file, self.admin):
            if name in entries and (adapter := entries[name].adapter):
                return adapter
        return self.by_environment().get(name) or self.by_default().get(name) or ""

    def source_of(self, name: str) -> Source:
        if name in self.file:
            return "file"
        if name in self.admin:
            return "admin"
        return "environment" if name in self.by_environment() else "default"


def _spec(
    name: str, adapter: str, plan: _Plan, environ: Mapping[str, str], file_name: str, secret_of: SecretOf
) -> BotSpec:
    entries = [entries[name] for entries in (plan.file, plan.admin) if name in entries]
    file, admin = plan.file.get(name, BotEntry()), plan.admin.get(name, BotEntry())
    problems = []
    if len(entries) == 2:
        remedy = f"Remove bots.{name} from {file_name}, or run `jackfield bot remove {name}`."
        problems.append(
            Problem(file_name, f"bots.{name}", "a bot in the file or in Admin, not in both", remedy)
        )
    manifest = plan.adapters.get(adapter)
    source = plan.source_of(name)
    place = file_name if source == "file" else source
    if manifest is None:
        problems.append(_no_adapter(name, adapter, plan, place))
        resolved = Resolved({}, {}, ())
    else:
        default = next((b.config for b in manifest.provides.default_bots if b.name == name), {})
        at = ("bots", name, "config")
        resolved = resolve_values(
            manifest.bot_config,
            file.config,
            admin.config,
            environ,
            defaults=default,
            at=at,
            file_name=file_name,
            secret_of=secret_of,
        )
    platform = (manifest.provides.platform or "") if manifest else ""
    marks = marks_of(manifest.bot_config) if manifest else {}
    unique = tuple(
        (key, json.dumps(resolved.values[key], default=str))
        for key, mark in sorted(marks.items())
        if mark.unique and resolved.values.get(key) not in (None, "")
    )
    enabled = all(entry.enabled for entry in entries)
    return BotSpec(name, adapter, platform, enabled, source, resolved, tuple(problems), unique)


def _no_adapter(name: str, adapter: str, plan: _Plan, place: str) -> Problem:
    key = f"bots.{name}.adapter"
    if not adapter:
        known = ", ".join(sorted(plan.adapters)) or "none is installed"
        return Problem(place, key, f"the name of an adapter ({known})", f"Add {key}.")
    meant = suggestion(adapter, plan.adapters)
    remedy = f"Did you mean {meant}?" if meant else f"Install the adapter {adapter}, or correct {key}."
    return Problem(place, key, "the name of an installed adapter", remedy)
