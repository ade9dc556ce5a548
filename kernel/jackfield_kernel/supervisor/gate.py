"""How many plugins may start at a time, so that a hundred of them do not push each other past their
deadlines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class StartGate:
    """Lets `width` starts through at once; one that takes longer than `patience` seconds no longer holds the
    next.
    """

    def __init__(self, width: int, patience: float) -> None:
        self._places = asyncio.Semaphore(width)
        self._patience = patience

    async def enter(self) -> Callable[[], None]:
        """Wait for a place and return what gives it back, which may be called any number of times."""
        await self._places.acquire()
        held = True

        def leave() -> None:
            nonlocal held
            if held:
                held = False
                timer.cancel()
                self._places.release()

        timer = asyncio.get_running_loop().call_later(self._patience, leave)
        return leave
