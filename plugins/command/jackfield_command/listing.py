"""Which commands there are: from the manifests of the installed plugins."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jackfield.v1 import kernel_pb2
from jackfield_sdk import wellknown

_STOPPED = "STOPPED"
OWN_PLUGIN = "command"
"""Its commands are given, not read from its manifest, which lists them for menus."""
SHORTEST_BEGINNING = 3
"""Letters after which the beginning of a name is enough."""
INLINE, ALLOWED, REJECTED = "inline", "allowed", "rejected"


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `plugin` is empty for this plugin's own; texts are plain or by language.

    Attributes:
        busy: `inline`, `allowed` or `rejected`: what happens while a run is going in the chat.
    """

    name: str
    plugin: str = ""
    aliases: tuple[str, ...] = ()
    description: str | Mapping[str, Any] = ""
    usage: str = ""
    admin: bool = False
    busy: str = ALLOWED

    @property
    def full_name(self) -> str:
        """The name under which it is found whatever others there are."""
        return f"{self.plugin or OWN_PLUGIN}:{self.name}"


@dataclass(frozen=True, slots=True)
class Collision:
    """A name or alias that two plugins offer; it leads to `kept`, the other is reached by its full name."""

    name: str
    kept: Command
    other: Command


class Listing:
    """Commands by name. Of one name the first counts; an alias never hides a name; `plugin:name` finds each."""

    def __init__(self, own: Iterable[Command], catalog: kernel_pb2.GetCatalogResponse) -> None:
        self.by_name: dict[str, Command] = {command.name: command for command in own}
        self._by_full_name = {command.full_name: command for command in self.by_name.values()}
        self.collisions: list[Collision] = []
        for plugin in sorted(catalog.plugins, key=lambda plugin: plugin.name):
            if plugin.state != _STOPPED and plugin.name != OWN_PLUGIN:
                for command in _offered(plugin):
                    self._by_full_name.setdefault(command.full_name, command)
                    kept = self.by_name.setdefault(command.name, command)
                    if kept is not command:
                        self.collisions.append(Collision(command.name, kept, command))
        self._by_alias: dict[str, Command] = {}
        for command in self.by_name.values():
            for alias in command.aliases:
                kept = self.by_name.get(alias) or self._by_alias.setdefault(alias, command)
                if kept is not command:
                    self.collisions.append(Collision(alias, kept, command))

    def find(self, name: str) -> Command | None:
        """The command of a name, an alias, or `plugin:name`."""
        return self.by_name.get(name) or self._by_alias.get(name) or self._by_full_name.get(name)

    def beginning(self, start: str, hidden: Iterable[str] = ()) -> Command | None:
        """The only command whose name or alias begins so; None when there are several or it is too short."""
        if len(start) < SHORTEST_BEGINNING:
            return None
        found = {command.full_name: command for command in self._visible(hidden) if _begins(command, start)}
        return next(iter(found.values())) if len(found) == 1 else None

    def nearest(self, name: str, hidden: Iterable[str] = ()) -> list[str]:
        """Up to three names and aliases that look like it."""
        known = [*self.by_name, *self._by_alias]
        secret = set(hidden)
        visible = [one for one in known if (found := self.find(one)) is not None and found.name not in secret]
        return difflib.get_close_matches(name, visible, n=3, cutoff=0.5)

    def _visible(self, hidden: Iterable[str]) -> list[Command]:
        secret = set(hidden)
        return [command for command in self.by_name.values() if command.name not in secret]


def _begins(command: Command, start: str) -> bool:
    return any(name.startswith(start) for name in (command.name, *command.aliases))


def _offered(plugin: kernel_pb2.CatalogPlugin) -> Iterable[Command]:
    provides = wellknown.struct_to_plain(plugin.manifest).get("provides") or {}
    for entry in provides.get("commands") or ():
        yield Command(
            name=entry["name"],
            plugin=plugin.name,
            aliases=tuple(entry.get("aliases") or ()),
            description=entry.get("description") or "",
            usage=entry.get("usage") or "",
            admin=bool(entry.get("admin")),
            busy=INLINE if entry.get("bypass") else entry.get("busy") or ALLOWED,
        )
