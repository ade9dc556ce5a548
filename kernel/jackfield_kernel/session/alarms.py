"""Events of the kernel's own that tell what needs attention: `kernel.plugin_parked`, `kernel.bot_failed`, `kernel.journal_stuck`.

The bus writes `kernel.dead_letter` together with the dead letter; what cannot keep up is told by `pressure`. They are for observers
alone: no rule sees them.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping

from ..bus.bus import Bus
from ..bus.emitted import kernel_event
from ..journal.log import LogDriver
from ..supervisor import Reason, State, Supervisor
from .bots import Bot, Bots
from .pressure import Pressure

STUCK_SECONDS = 5.0
LOOK_SECONDS = 1.0
LONGEST = 500
"""Characters of a message."""


class Alarms:
    """Listens to supervisor and bots, and looks at the journal."""

    def __init__(
        self, bus: Bus, supervisor: Supervisor, bots: Bots, wall: Callable[[], float] = time.time
    ) -> None:
        self._bus = bus
        self._wall = wall
        self._stuck = 0.0
        self._pressure = Pressure(bus, self._tell)
        supervisor.on_change(self._plugin)
        bots.on_failed = self._bot

    async def looks(self, driver: LogDriver) -> None:
        """Look for ever whether the journal is stuck."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.looked(driver.pending().oldest_seconds)
            self._pressure.looked(asyncio.get_running_loop().time())

    def looked(self, oldest: float) -> None:
        """The oldest group that waits for the disk has waited so many seconds.

        Told once the journal writes again, for one that is stuck stores nothing.
        """
        if oldest > STUCK_SECONDS:
            self._stuck = max(self._stuck, oldest)
        elif self._stuck:
            self._tell("journal_stuck", {"seconds": round(self._stuck, 1)})
            self._stuck = 0.0

    def _plugin(self, name: str, state: State, reason: Reason) -> None:
        if state is State.PARKED:
            self._tell(
                "plugin_parked",
                {
                    "plugin": name,
                    "reason": reason.name,
                    "message": reason.text[:LONGEST],
                    "remedy": reason.remedy,
                },
            )

    def _bot(self, bot: Bot) -> None:
        error = bot.reason
        values = {
            "bot": bot.spec.name,
            "reason": error.reason if error else "",
            "message": error.message[:LONGEST] if error else "",
            "remedy": error.remedy if error else "",
        }
        self._tell("bot_failed", values, bot.spec.name)

    def _tell(self, name: str, values: Mapping[str, object], bot: str = "") -> None:
        self._bus.tell(kernel_event(str(uuid.uuid4()), name, self._wall(), values, bot))
