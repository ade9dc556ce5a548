"""What a test reads back from the fake kernel."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from jackfield.v1 import frame_pb2

from jackfield_sdk import wellknown
from jackfield_sdk.entity import Chat
from jackfield_sdk.errors import JackfieldError, error_to_plain
from jackfield_sdk.event import Event
from jackfield_sdk.message import Message


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that a plugin sent to a bot which no adapter of the test serves."""

    method: str
    bot: str
    chat: Chat | None
    message: Message
    message_id: str
    quote: bool = False
    final: bool = True
    key: str = ""

    @property
    def text(self) -> str:
        """Its text."""
        return self.message.text


@dataclass(frozen=True, slots=True)
class Published:
    """An event that a plugin published and the kernel made durable."""

    event: Event
    dedup_key: str
    checkpoint: bytes
    sequence: int
    plugin: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a delivery ended: exactly one of `done`, `released`, `error`."""

    done: bool = False
    stop: bool = False
    emits: tuple[tuple[str, dict[str, Any]], ...] = ()
    released: bool = False
    error: JackfieldError | None = None
    retry_after: float | None = None

    @classmethod
    def of(cls, settle: frame_pb2.Settle) -> Outcome:
        """Reads a settle frame."""
        if settle.HasField("done"):
            emits = tuple((emit.type, wellknown.struct_to_plain(emit.data)) for emit in settle.done.emits)
            return cls(done=True, stop=settle.done.stop, emits=emits)
        if settle.HasField("release"):
            return cls(released=True)
        nack = settle.nack
        after = wellknown.duration_to_plain(nack.retry_after) if nack.HasField("retry_after") else None
        return cls(
            error=error_to_plain(nack.error), retry_after=after.total_seconds() if after is not None else None
        )


@dataclass(slots=True)
class Delivered:
    """A delivery as the fake kernel sees it. `await delivered.outcome`, then read what it did."""

    proto: frame_pb2.Delivery
    plugin: str
    outcome: asyncio.Future[Outcome]
    sent: list[Sent] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    read_inputs: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Its id."""
        return self.proto.delivery_id

    @property
    def replies(self) -> list[Sent]:
        """Messages sent to the chat of the event, in order."""
        return self.sent
