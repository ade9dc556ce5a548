"""How often a stream is written: at once while little is under way, in larger batches the more there is.

A write costs far more than a frame (the transport, a wake-up of both processes), so what a busy stream waits here it gains
by the frames that join the batch. The SDKs pace their end in the same way.
"""

from __future__ import annotations

import asyncio

FEW = 8
"""Calls, deliveries and publishes under way up to which every frame leaves at once."""

GAP = 0.003
"""Shortest time between two writes of a busy stream, in seconds."""


class Pace:
    """The turns of one stream's writer."""

    def __init__(self) -> None:
        self._last = 0.0

    async def turn(self, under_way: int) -> None:
        """Wait until the stream should be written; `under_way` says how busy it is."""
        loop = asyncio.get_running_loop()
        if under_way > FEW and (wait := self._last + GAP - loop.time()) > 0:
            await asyncio.sleep(wait)
        self._last = loop.time()
