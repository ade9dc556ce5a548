"""Heartbeats from the plugin's own event loop, with how late they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn, Protocol

from google.protobuf.duration_pb2 import Duration
from jackfield.v1 import frame_pb2

from jackfield_sdk import wellknown

DEFAULT_INTERVAL = 2.0


class Evidence(Protocol):
    """What the heartbeats tell of the plugin's bots."""

    def ages(self) -> list[frame_pb2.Evidence]:
        """How long ago each open bot heard from its platform."""

    def stood_still(self, seconds: float) -> None:
        """The process, or the whole machine, did nothing for so long: nobody could be heard meanwhile."""


async def beat(
    interval: Duration,
    send: Callable[[frame_pb2.Frame], None],
    fences: Callable[[], list[int]],
    evidence: Callable[[], Evidence | None] = lambda: None,
) -> NoReturn:
    """Sends a ping each interval and names the deliveries that make progress, until cancelled."""
    loop = asyncio.get_running_loop()
    seconds = wellknown.duration_to_plain(interval).total_seconds() or DEFAULT_INTERVAL
    number = 0
    while True:
        due = loop.time() + seconds
        await asyncio.sleep(seconds)
        number += 1
        lag = max(0, int((loop.time() - due) * 1_000_000))
        ping = frame_pb2.Ping(number=number, running=fences(), lag_micros=min(lag, 0xFFFFFFFF))
        if (proofs := evidence()) is not None:
            if lag > seconds * 500_000:
                proofs.stood_still(lag / 1e6)
            ping.evidence.extend(proofs.ages())
        send(frame_pb2.Frame(ping=ping))
