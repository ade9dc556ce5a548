"""Which commands there are: from the manifests of the installed plugins."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jackfield.v1 import kernel_pb2
from jackfield_sdk import wellknown

_STOPPED = "STOPPED"


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `plugin` is empty for this plugin's own; texts are plain or by language."""

    name: str
    plugin: str = ""
    aliases: tuple[str, ...] = ()
    description: str | Mapping[str, Any] = ""
    usage: str = ""
    admin: bool = False


class Listing:
    """Commands by name. Of one name the first counts; an alias never hides a name."""

    def __init__(self, own: Iterable[Command], catalog: kernel_pb2.GetCatalogResponse) -> None:
        self.by_name: dict[str, Command] = {command.name: command for command in own}
        for plugin in sorted(catalog.plugins, key=lambda plugin: plugin.name):
            if plugin.state != _STOPPED:
                for command in _offered(plugin):
                    self.by_name.setdefault(command.name, command)
        self._by_alias: dict[str, Command] = {}
        for command in self.by_name.values():
            for alias in command.aliases:
                self._by_alias.setdefault(alias, command)

    def find(self, name: str) -> Command | None:
        """The command of a name or alias."""
        return self.by_name.get(name) or self._by_alias.get(name)

    def nearest(self, name: str, hidden: Iterable[str] = ()) -> list[str]:
        """Up to three names and aliases that look like it."""
        known = [*self.by_name, *self._by_alias]
        secret = set(hidden)
        visible = [one for one in known if (found := self.find(one)) is not None and found.name not in secret]
        return difflib.get_close_matches(name, visible, n=3, cutoff=0.5)


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
        )
