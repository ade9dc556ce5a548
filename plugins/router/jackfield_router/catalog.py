"""What is installed, as rules are judged by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jackfield.v1 import kernel_pb2
from jackfield_sdk import wellknown

HANDLER = "jackfield.v1.Handler"
_KERNEL_NAMESPACE = "jackfield"


class Catalog:
    """Bots, handlers and event types at one moment.

    Attributes:
        bots: names of the bots, in order.
        plugins: ids of all plugins.
        handlers: ids of the plugins that provide `jackfield.v1.Handler`.
        off: ids of the plugins that are not meant to run; one that only failed is none of them.
        brought: names of the bots that adapters bring along; all others were added by the operator.
    """

    def __init__(self, response: kernel_pb2.GetCatalogResponse) -> None:
        provides = {
            plugin.name: _table(wellknown.struct_to_plain(plugin.manifest), "provides")
            for plugin in response.plugins
        }
        self.bots = tuple(sorted(bot.name for bot in response.bots))
        self.plugins = frozenset(provides)
        self.brought = frozenset(
            bot.name
            for bot in response.bots
            if any(
                own.get("name") == bot.name for own in provides.get(bot.adapter, {}).get("default_bots", ())
            )
        )
        self.handlers = frozenset(
            name for name, table in provides.items() if HANDLER in table.get("services", ())
        )
        self.off = frozenset(plugin.name for plugin in response.plugins if plugin.off)
        self._handles = {name: tuple(table.get("handles") or ()) for name, table in provides.items()}
        self._adapters = {bot.name: provides.get(bot.adapter, {}) for bot in response.bots}
        self._own_types = frozenset(
            f"{name}.{event}" for name, table in provides.items() for event in table.get("event_types", ())
        )

    def handles(self, handler: str) -> tuple[str, ...]:
        """Patterns of events that a handler takes; empty: every event."""
        return self._handles.get(handler, ())

    def event_types(self, bot: str) -> frozenset[str]:
        """Types that a rule of the bot may name: those its adapter declares and those that plugins define."""
        adapter = self._adapters.get(bot, {})
        platform = adapter.get("platform", "")
        native = {f"platform.{platform}.{action}" for action in adapter.get("platform_events", ())}
        return frozenset(adapter.get("events", ())) | native | self._own_types

    def knows_type(self, bot: str, event: str) -> bool:
        """Whether a rule of the bot may name this type, no wildcard. The kernel's own types are open."""
        if event.startswith(_KERNEL_NAMESPACE + "."):
            return True
        types = self.event_types(bot)
        platform = self._adapters.get(bot, {}).get("platform", "")
        return event in types or ("platform.specific" in types and event.startswith(f"platform.{platform}."))

    def knows_namespace(self, bot: str, namespace: str) -> bool:
        """Whether a wildcard over `namespace` could ever match an event of the bot."""
        prefix = namespace + "."
        return any((event + ".").startswith(prefix) for event in self._named(bot))

    def wildcards(self, bot: str) -> frozenset[str]:
        """The wildcards that a rule of the bot may use."""
        parts = (event.split(".") for event in self._named(bot))
        return frozenset(
            {"*"} | {".".join(part[:size]) + ".*" for part in parts for size in range(1, len(part))}
        )

    def _named(self, bot: str) -> Iterable[str]:
        platform = self._adapters.get(bot, {}).get("platform", "")
        extra = {f"platform.{platform}.x"} if platform else set()
        return self.event_types(bot) | extra | {f"{_KERNEL_NAMESPACE}.x"}


def _table(manifest: dict[str, Any], key: str) -> dict[str, Any]:
    value = manifest.get(key)
    return value if isinstance(value, dict) else {}
