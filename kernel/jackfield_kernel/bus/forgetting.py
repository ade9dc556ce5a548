"""Erasing one person: what the journal, dead letters, entries and blobs hold of them, and a word to the plugins.

Erased are the events that the person sent and those of their private chat, with everything recorded under them and what was emitted
from them. What is not settled yet is left alone and counted: a promise to handle it stands. Words about the person in what others sent
cannot be told from other words.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import uuid
from dataclasses import dataclass, field
from typing import NamedTuple

from jackfield.v1 import entity_pb2, event_pb2, frame_pb2, journal_pb2

from ..journal.log import Record, Stored, Unit
from ..journal.reading import every
from ..state.collector import Collector, named_in
from ..state.kv import KeyValues
from ..state.writes import kv_bucket
from . import ledger
from .bus import Bus
from .observers import Observers
from .replay import events_in_use

FORGOTTEN = "jackfield.user_forgotten"
PAUSE_SECONDS = 0.01


class Person(NamedTuple):
    """Whom to forget: an id on a platform; `bot` empty for all bots."""

    user: str
    bot: str

    def sent(self, event: event_pb2.Event) -> bool:
        """Whether the event is theirs: sent by them, or of their private chat."""
        if self.bot and event.bot != self.bot:
            return False
        private = event.chat.type == entity_pb2.CHAT_TYPE_PRIVATE and event.chat.id == self.user
        return event.sender.id == self.user or private

    def lane(self) -> re.Pattern[str]:
        """Matches keys that name their private lane."""
        bot = re.escape(self.bot) if self.bot else "[a-z0-9][a-z0-9_-]*"
        chat = re.escape(ledger.escaped(self.user))
        return re.compile(rf"(?<![A-Za-z0-9_-]){bot}:private:{chat}(?![A-Za-z0-9_%@.-])")


@dataclass
class Held:
    """What is held of a person."""

    events: set[str] = field(default_factory=set)
    records: int = 0
    dead: list[str] = field(default_factory=list)
    entries: list[tuple[str, str]] = field(default_factory=list)
    blobs: set[str] = field(default_factory=set)
    open: int = 0


class Forgetting:
    """Finds and erases. Every step may be repeated: after a crash the operator asks again."""

    def __init__(self, bus: Bus, observers: Observers, kv: KeyValues, collector: Collector) -> None:
        self._bus = bus
        self._observers = observers
        self._kv = kv
        self._collector = collector
        self._driver = bus.journal.driver

    async def look(self, person: Person) -> Held:
        """What is held now."""
        held, keep = Held(), events_in_use(self._bus)
        async for batch in self._driver.replay(1):
            await asyncio.to_thread(_look, batch, person, keep, held)
            await asyncio.sleep(PAUSE_SECONDS)
        async for delivery_id, entry in every(self._driver, ledger.DEAD_BUCKET):
            letter = journal_pb2.DeadRecord.FromString(entry.value)
            if any(map(person.sent, (letter.accepted.event, *letter.merged))):
                held.dead.append(delivery_id)
                held.blobs.update(named_in((entry.value,)))
        lane = person.lane()
        for plugin in await self._kv.quotas.all():
            async for one in self._kv.every(plugin):
                if lane.search(one.key):
                    held.entries.append((plugin, one.key))
                    held.blobs.update(named_in((one.value,)))
        return held

    async def erase(self, person: Person, held: Held) -> int:
        """Tell the plugins, then erase; returns how many blobs went. Durable on return."""
        await self._announce(person)
        dead = [(ledger.DEAD_BUCKET, delivery_id) for delivery_id in held.dead]
        await self._driver.erase(
            held.events, [*dead, *((kv_bucket(plugin), key) for plugin, key in held.entries)]
        )
        self._observers.forget(held.events)
        for plugin, key in held.entries:
            self._kv.written(plugin, [frame_pb2.KvWrite(key=key, delete=True)], 0)
        blobs = await self._collector.remove_unnamed(held.blobs)
        await self._audit(person, held)
        return blobs

    async def _announce(self, person: Person) -> None:
        """An event for observers alone: it is stored as one that no rule matches, so that no table can delay it."""
        event = event_pb2.Event(id=str(uuid.uuid4()), type=FORGOTTEN, bot=person.bot)
        event.time.CopyFrom(ledger.stamp(self._bus.journal_time()))
        event.custom.data.update({"user": person.user, "bot": person.bot})
        lane, now = ledger.lane_of(event), self._bus.journal_time()
        unrouted = journal_pb2.RoutedRecord().SerializeToString()
        records = ledger.accepted_records(event, "kernel", lane, now, unrouted)
        outcome = await self._bus.journal.write(Unit(records))
        self._bus.on_accepted(outcome.sequence, event)

    async def _audit(self, person: Person, held: Held) -> None:
        """That it was done, to how much; to whom only as a hash with which the operator can check an id."""
        digest = hashlib.sha256(f"jackfield user\0{person.user}".encode()).hexdigest()[:16]
        record = journal_pb2.AuditRecord(
            time=ledger.stamp(self._bus.journal_time()),
            actor="admin",
            action="ForgetUser",
            subject=f"sha256:{digest}",
            allowed=True,
            reason=f"{len(held.events)} events, {len(held.dead)} dead letters, {len(held.entries)} entries",
        )
        await self._bus.journal.write(Unit((Record(ledger.AUDIT, "admin", record.SerializeToString()),)))


def _look(batch: list[Stored], person: Person, keep: frozenset[str], held: Held) -> None:
    """Note what of a batch belongs to the person. In a thread; records come in the order of the log."""
    user = person.user.encode()
    for _, (kind, ref, body) in batch:
        if kind == ledger.ACCEPTED and ref not in held.events and _theirs(ref, body, user, person, held):
            if ref in keep:
                held.open += 1
            else:
                held.events.add(ref)
        if ref in held.events and kind != ledger.AUDIT:
            held.records += 1
            held.blobs.update(named_in((body,)))


def _theirs(ref: str, body: bytes, user: bytes, person: Person, held: Held) -> bool:
    # An emitted event is `<event>.<step>.<index>`, a notice `<event>.<step>.dead`.
    if ref.count(".") >= 2 and ref.rsplit(".", 2)[0] in held.events:
        return True
    return user in body and person.sent(journal_pb2.AcceptedRecord.FromString(body).event)
