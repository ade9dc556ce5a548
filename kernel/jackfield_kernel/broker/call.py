"""One call on its way from its caller to its provider and back."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from jackfield.v1 import error_pb2, frame_pb2

from ..bus.model import Delivery
from .grants import Grants
from .methods import Method


@dataclass(slots=True, frozen=True)
class Result:
    """How a call ended.

    Attributes:
        body: the serialized response; empty for a streamed response and after an error.
        recorded: it comes from the journal; nothing was done now.
        request_changed: the request differs from the one that was recorded under its key.
        possibly_repeated: the effect may have happened twice.
    """

    body: bytes = b""
    error: error_pb2.Error | None = None
    recorded: bool = False
    request_changed: bool = False
    possibly_repeated: bool = False


Answer = Callable[[Result], None]


class Peer(Protocol):
    """A session, as the broker sees it."""

    plugin: str
    instance: str
    """Which generation of the plugin this is; only one process at a time has the name."""
    grants: Grants
    provides: dict[int, Call]
    """Calls that this plugin provides, by the even id that the kernel gave them."""
    opened: dict[int, Call]
    """Calls that this plugin opened, by its own odd id."""
    leases: dict[int, Delivery]

    def send(self, frame: frame_pb2.Frame) -> None:
        """Queue a frame."""
        ...

    def recorded(self, call_id: int) -> None:
        """Tell the provider that it may forget the result of a call."""
        ...

    def next_call_id(self) -> int:
        """An even id that was not used on this stream."""
        ...

    def window(self) -> frame_pb2.Credit:
        """How much the plugin takes at once."""
        ...


@dataclass(slots=True, eq=False)
class Call:
    """A call in flight.

    Attributes:
        scope: delivery id, or plugin id outside deliveries: what makes `key` unique.
        caller: the session that streams requests into it; None for the kernel's own calls and once that session is gone.
        answers: who waits for its end; more than one when a repeat joined it.
        journaled: its result is written to the journal under the event of its delivery.
        cut: the instance whose stream broke while it held the call, and which may come back with the result; else empty.
        pinned: the only session that may provide the call.
    """

    method: Method
    open: frame_pb2.CallOpen
    provider_name: str
    scope: str
    key: str
    digest: bytes
    answers: list[Answer]
    started: float
    delivery: Delivery | None = None
    caller: Peer | None = None
    caller_id: int = 0
    provider: Peer | None = None
    provider_id: int = 0
    early: list[frame_pb2.Frame] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None
    possibly_repeated: bool = False
    journaled: bool = False
    cut: str = ""
    pinned: Peer | None = None

    @property
    def streaming(self) -> bool:
        """Whether requests or responses are a stream."""
        return self.method.server_streaming or self.open.server_streaming or not self.open.half_closed

    @property
    def lasting(self) -> bool:
        """Whether it goes on without its caller or a connection: all was asked, and its end is recorded under a key."""
        return self.open.half_closed and (bool(self.key) or not self.streaming)


def call_of(
    peer: Peer,
    frame: frame_pb2.CallOpen,
    method: Method,
    provider: str,
    delivery: Delivery | None,
    answer: Answer,
) -> Call:
    """The call that a plugin opens by `frame`. Under a delivery one without a key is named by its number."""
    key, scope = frame.key, peer.plugin
    if delivery is not None:
        scope = delivery.id
        if not key:
            delivery.unnamed += 1
            key = f"~{delivery.unnamed}"
    target = frame.target.SerializeToString(deterministic=True)
    digest = hashlib.sha256(b"\0".join((frame.method.encode(), target, frame.body))).digest()[:16]
    started = time.monotonic()
    return Call(method, frame, provider, scope, key, digest, [answer], started, delivery, peer, frame.call_id)
