"""The store: database, changes and their announcements put together. Service and commands speak to this."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial

from jackfield.v1 import conversation_pb2

from jackfield_conversation import people, reading
from jackfield_conversation.database import Database
from jackfield_conversation.herald import Herald
from jackfield_conversation.records import turn_of
from jackfield_conversation.writing import Begun, Place, Writing, require

Clock = Callable[[], int]
"""Microseconds since 1970."""
Find = Callable[[sqlite3.Connection], sqlite3.Row]


class Store:
    """Every change is on disk when its method returns; what observers hear is announced after that."""

    def __init__(self, database: Database, herald: Herald, clock: Clock) -> None:
        self.database = database
        self.writing = Writing(database.parts_of_words)
        self.clock = clock
        self._herald = herald

    async def open(self, place: Place) -> tuple[sqlite3.Row, bool]:
        """The current conversation of a place, and whether this call began it."""
        now = self.clock()
        row, created = await self.database.write(lambda db: self.writing.open(db, place, now))
        if created:
            self._herald.started(row)
        return row, created

    async def append(
        self, bot: str, conversation_id: str, turns: Iterable[conversation_pb2.ConversationTurn]
    ) -> int:
        """Add turns. Raises NotFound, Conflict."""
        now = self.clock()
        return await self.database.write(
            lambda db: self.writing.append(db, require(db, bot, conversation_id), turns, now)
        )

    async def reset(
        self,
        place: Place,
        reason: int,
        turns: Iterable[conversation_pb2.ConversationTurn] = (),
        key: str = "",
    ) -> Begun:
        """Archive the current conversation and begin another; a repeat under the same key does nothing."""
        now = self.clock()
        begun = await self.database.write(lambda db: self.writing.reset(db, place, reason, turns, now, key))
        self._herald.replaced(begun, reason)
        return begun

    async def resume(self, place: Place, find: Find, *, take_over: bool = False) -> Begun:
        """Make what `find` returns the current conversation of a place.

        `take_over` also takes one that is going on elsewhere. Raises Conflict, and what `find` raises.
        """
        now = self.clock()

        def change(db: sqlite3.Connection) -> Begun:
            row = find(db)
            if take_over and row["ended_at"] is None and row["place"] != place.key:
                self.writing.archive(db, row, conversation_pb2.END_REASON_REPLACED, now)
                row = find(db)
            return self.writing.resume(db, row, place, now)

        begun = await self.database.write(change)
        self._herald.resumed(begun)
        return begun

    async def delete(self, bot: str, conversation_id: str) -> None:
        """Remove a conversation; nothing happens when there is none."""

        def change(db: sqlite3.Connection) -> None:
            row = db.execute(
                "SELECT * FROM conversations WHERE id = ? AND bot = ?", (conversation_id, bot)
            ).fetchone()
            if row is not None:
                self.writing.delete(db, row)

        await self.database.write(change)

    async def forget(self, user: str, bot: str = "") -> people.Forgotten:
        """Erase a person, also from the pages of the file and its log."""
        gone = await self.database.write(lambda db: people.forget(db, self.writing, user, bot))
        await self.database.settle()
        return gone

    async def expire(self, idle_micros: int) -> int:
        """Archive what nobody used for so long; returns how many."""
        now = self.clock()
        rows = await self.database.write(lambda db: self.writing.expire(db, now - idle_micros, now))
        for row in rows:
            self._herald.ended(row, conversation_pb2.END_REASON_EXPIRED)
        return len(rows)

    async def turns(self, n: int) -> AsyncIterator[conversation_pb2.ConversationTurn]:
        """Every turn of a conversation, oldest first, a page at a time."""
        after = 0
        while True:
            page = await self.database.read(partial(reading.turns_after, n=n, after=after))
            if not page:
                return
            for row in page:
                yield turn_of(row)
            after = page[-1]["n"]
