"""Which conversation elsewhere belongs to which chat here. Kept in the kernel's keys, gone when it was idle for too long."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from jackfield_sdk import Event, PluginContext

from jackfield_runners.settings import Settings

PREFIX = "conversation/"
LONGEST_KEY = 480
PAGE = 1000


class Places:
    """Conversation ids by place: bot and chat, and the person where each has a conversation of their own.

    A key holds `<bot>:<chat>` in clear, so that the kernel erases the private ones of a person who is to be forgotten.
    """

    def __init__(self, plugin: PluginContext) -> None:
        self._plugin = plugin

    async def find(self, settings: Settings, event: Event) -> str:
        """The id, empty for a new conversation."""
        return await self._plugin.kv.get_text(key_of(settings, event))

    async def keep(self, settings: Settings, event: Event, conversation_id: str) -> None:
        """Remember the id; the time of its idleness begins anew."""
        ttl = settings.expire_seconds or None
        await self._plugin.kv.put(key_of(settings, event), conversation_id, ttl=ttl)

    async def forget_place(self, place: str) -> None:
        """A new conversation begins at `<bot>:<chat>`, with every assistant."""
        await self._forget(lambda rest: rest == place or rest.startswith(f"{place}/"))

    async def forget_person(self, user: str, bot: str) -> None:
        """Whatever belongs to one person, at one bot or, with an empty one, at all."""
        await self._forget(
            lambda rest: (
                (not bot or rest.startswith(f"{bot}:"))
                and (rest.endswith(f"/{user}") or rest.endswith(f":private:{user}"))
            )
        )

    async def _forget(self, meant: Callable[[str], bool]) -> None:
        after = ""
        while True:
            entries = await self._plugin.kv.list(PREFIX, after=after, limit=PAGE)
            for entry in entries:
                if meant(entry.key.removeprefix(PREFIX).partition("/")[2]):
                    await self._plugin.kv.delete(entry.key)
            if len(entries) < PAGE:
                return
            after = entries[-1].key


def key_of(settings: Settings, event: Event) -> str:
    """The key of a place; a very long one keeps its beginning."""
    key = f"{PREFIX}{settings.name}/{event.bot}:{event.chat}"
    if settings.per_user and not event.is_private and event.sender is not None:
        key += f"/{event.sender.id}"
    data = key.encode()
    if len(data) <= LONGEST_KEY:
        return key
    return data[:400].decode(errors="ignore") + "#" + hashlib.sha256(data).hexdigest()
