"""Tells observers what became of conversations. Observers never matter: what cannot be told is counted and left."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from jackfield.v1 import conversation_pb2, entity_pb2
from jackfield_sdk import JackfieldError, PluginContext, convert

from jackfield_conversation.writing import Begun

WAITING = 1_000
SECONDS = 30.0


class Herald:
    """Owns a bounded queue; `run` publishes from it."""

    def __init__(self, plugin: PluginContext) -> None:
        self._plugin = plugin
        self._queue: asyncio.Queue[tuple[str, dict[str, Any], str]] = asyncio.Queue(WAITING)
        self.untold = 0

    def started(self, row: sqlite3.Row) -> None:
        """A conversation began."""
        self._tell("started", row, f"started/{row['id']}")

    def ended(self, row: sqlite3.Row, reason: int) -> None:
        """A conversation was archived."""
        name = conversation_pb2.EndReason.Name(conversation_pb2.EndReason.ValueType(reason))
        self._tell(
            "ended", row, f"ended/{row['id']}/{row['used_at']}", reason=name.removeprefix("END_REASON_")
        )

    def replaced(self, begun: Begun, reason: int) -> None:
        """A conversation was archived for a new one."""
        kind = "compressed" if reason == conversation_pb2.END_REASON_COMPRESSED else "reset"
        previous = begun.archived["id"] if begun.archived is not None else ""
        if begun.archived is not None:
            self.ended(begun.archived, reason)
        self._tell(kind, begun.current, f"{kind}/{begun.current['id']}", previous=previous)
        self.started(begun.current)

    def resumed(self, begun: Begun) -> None:
        """An archived conversation goes on."""
        if begun.archived is not None:
            self.ended(begun.archived, conversation_pb2.END_REASON_REPLACED)
        row = begun.current
        self._tell("resumed", row, f"resumed/{row['id']}/{row['used_at']}")

    async def run(self) -> None:
        """Publish, for ever. An event that the kernel refuses is logged and left."""
        while True:
            name, values, key = await self._queue.get()
            try:
                async with asyncio.timeout(SECONDS):
                    await self._plugin.publish(name, values, dedup_key=key)
            except (JackfieldError, TimeoutError) as error:
                self.untold += 1
                self._plugin.log.warning(
                    "observers are not told %s (%d so far): %s", name, self.untold, error
                )

    def _tell(self, name: str, row: sqlite3.Row, key: str, **more: str) -> None:
        chat = convert.to_plain(entity_pb2.Chat.FromString(row["chat"]))
        values = {
            "conversation": row["id"],
            "bot": row["bot"],
            "chat": str(chat),
            "user": row["user_id"],
            **more,
        }
        try:
            self._queue.put_nowait((name, values, key))
        except asyncio.QueueFull:
            self.untold += 1
