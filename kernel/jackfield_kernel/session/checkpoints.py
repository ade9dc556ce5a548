"""How far each bot's platform stream is durable: handed to its adapter when the bot opens."""

from __future__ import annotations

from ..journal.journal import Journal
from ..journal.log import LogDriver, Put, Unit
from ..journal.reading import every

BUCKET = "checkpoint"


class Checkpoints:
    """The latest checkpoint of each bot, in memory and in the journal."""

    def __init__(self, journal: Journal, driver: LogDriver) -> None:
        self._journal = journal
        self._driver = driver
        self._kept: dict[str, bytes] = {}

    async def load(self) -> None:
        """Read what an earlier kernel kept."""
        async for bot, entry in every(self._driver, BUCKET):
            self._kept[bot] = entry.value

    def of(self, bot: str) -> bytes:
        """A bot's checkpoint; empty for one that never had any."""
        return self._kept.get(bot, b"")

    def mark(self, bot: str, checkpoint: bytes) -> Put:
        """Note a checkpoint that is committed together with an event, by the entry that is returned."""
        self._kept[bot] = checkpoint
        return Put(BUCKET, bot, checkpoint)

    async def keep(self, bot: str, checkpoint: bytes) -> None:
        """Commit a checkpoint by itself."""
        await self._journal.write(Unit(puts=(self.mark(bot, checkpoint),)))
