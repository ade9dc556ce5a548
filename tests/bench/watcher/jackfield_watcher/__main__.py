"""Sees every message and does nothing with it: what remains is the cost of observing."""

from __future__ import annotations

from jackfield_sdk import Event, Plugin, PluginContext

plugin = Plugin()


@plugin.observe("message.*")
async def seen(ctx: PluginContext, event: Event) -> None:
    """One event."""


if __name__ == "__main__":
    plugin.run()
