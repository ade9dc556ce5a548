"""Whether two plugins offer a chat command of one name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...config import load_config
from ...errors import KernelError
from ...manifest import Manifest
from ...supervisor import builtin_sources, discover
from ..place import config_file
from .finding import Finding, Surroundings


def commands(around: Surroundings) -> Iterator[Finding]:
    """Names and aliases of all installed plugins. Silent when the configuration cannot be read: another check says so."""
    try:
        config = load_config(config_file(None, around.data, around.environ), around.environ, {})
    except KernelError:
        return
    manifests = [found.manifest for found in discover(builtin_sources(config)) if found.manifest is not None]
    for name, plugins in collisions(manifests):
        yield Finding(
            "commands",
            "warn",
            f"{name} is offered by {', '.join(plugins)}; it leads to {plugins[0]}",
            f"The others are reached as PLUGIN:{name}; disable a plugin when that is not wanted.",
        )


def collisions(manifests: Iterable[Manifest]) -> list[tuple[str, list[str]]]:
    """Names that several plugins offer, with their plugins: those whose command has the name before those with the alias."""
    names: dict[str, set[str]] = {}
    aliases: dict[str, set[str]] = {}
    for manifest in manifests:
        for command in manifest.provides.commands:
            names.setdefault(command.name, set()).add(manifest.name)
            for alias in command.aliases:
                aliases.setdefault(alias, set()).add(manifest.name)
    found = []
    for name in sorted({*names, *aliases}):
        first = sorted(names.get(name, ()))
        plugins = [*first, *sorted(aliases.get(name, set()) - set(first))]
        if len(plugins) > 1:
            found.append((name, plugins))
    return found
