"""The cells of the matrix: who dies, where, how often; and what one cell gave."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from .client import Client
from .failpoints import POINTS, STEPS
from .house import House
from .onebot_client import OneBotClient
from .tally import Count, Tally

EVERYTHING = ("kernel", "writer", "fork server", "adapter", "handler", "router")
RANDOM = "at random"
LOOK_SECONDS = 0.05
LATE_SECONDS = 10.0


@dataclass(frozen=True)
class Cell:
    """`every`: passes of the point between deaths, about; seconds between kills where they come from outside."""

    victims: tuple[str, ...]
    step: str
    every: float
    per_second: float = 100.0
    messages: int = 500
    platform: str = "platform"
    """Its adapter: `platform` redelivers what was not acknowledged, `onebot` sends once."""

    @property
    def name(self) -> str:
        """How the table calls the victims."""
        name = "everything at once" if self.victims == EVERYTHING else " and ".join(self.victims)
        return name if self.platform == "platform" else f"{name} ({self.platform})"

    @property
    def may_repeat(self) -> bool:
        """Only the death of an adapter may repeat a reply: its platform takes no key."""
        return "adapter" in self.victims

    @property
    def may_lose(self) -> bool:
        """What a platform that sends once had under way when the adapter died is gone with it."""
        return "adapter" in self.victims and self.platform == "onebot"


@dataclass(frozen=True)
class Outcome:
    """What one cell gave."""

    cell: Cell
    count: Count
    deaths: int

    @property
    def sound(self) -> bool:
        """Whether the promise held."""
        repeated = 0 if self.cell.may_repeat else self.count.repeated
        lost = 0 if self.cell.may_lose else self.count.lost
        return not (lost or self.count.out_of_order or repeated)

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "victim": self.cell.name,
            "step": self.cell.step,
            "per_second": self.cell.per_second,
            **asdict(self.count),
            "deaths": self.deaths,
            "sound": self.sound,
        }


def cells() -> Iterator[Cell]:
    """Every cell."""
    for victim, steps in POINTS.items():
        for step in STEPS:
            if step in steps:
                # What comes once per start needs a death at each; what comes per message one now and then.
                rare = step in ("during restart", "during drain")
                yield Cell((victim,), step, 1 if rare else 40)
    yield Cell(("kernel",), "during drain", 1)
    for victim in EVERYTHING:
        # A kernel needs a second to come back: killed faster, it would only ever start.
        pause = 3.0 if victim == "kernel" else 0.7
        yield Cell((victim,), RANDOM, pause)
        yield Cell((victim,), RANDOM, pause, 0.0, 4_000)
    yield Cell(EVERYTHING, RANDOM, 4.0, messages=2_000)
    for victim in ("kernel", "writer", "adapter", "handler", "router"):
        yield Cell((victim,), RANDOM, 3.0 if victim == "kernel" else 0.7, platform="onebot")
    yield Cell(EVERYTHING, RANDOM, 4.0, messages=2_000, platform="onebot")


async def run(cell: Cell, seed: int = 1, *, patience: float = 90.0) -> Outcome:
    """Run one cell in a directory of its own."""
    dice = random.Random(seed)
    outside = cell.step == RANDOM
    outside = outside or (cell.victims[0], cell.step) == ("kernel", "during drain")
    victim = None if outside else (cell.victims[0], cell.step, int(cell.every), seed)
    with tempfile.TemporaryDirectory() as folder:
        other: Client | OneBotClient = OneBotClient() if cell.platform == "onebot" else Client()
        async with other as client, House(Path(folder), client.port, victim, cell.platform) as house:
            await _first(client, patience)
            client.say()
            if not await client.answered(patience):
                return Outcome(cell, client.count(), house.deaths)
            killing = asyncio.create_task(_kill(house, cell, dice))
            try:
                await client.talk(cell.messages - 1, cell.per_second)
            finally:
                killing.cancel()
                await asyncio.wait({killing})
            if cell.may_lose:
                # What a dead adapter took along is never answered; all else is, one after another.
                await client.still(LATE_SECONDS)
            else:
                await client.answered(patience)
            house.note()
            return Outcome(cell, client.count(), house.deaths)


async def _first(client: Tally, patience: float) -> None:
    """The system is there."""
    async with asyncio.timeout(patience):
        await client.connected()


async def _kill(house: House, cell: Cell, dice: random.Random) -> None:
    """From outside at random, else only what makes a step come about."""
    loop = asyncio.get_running_loop()
    due = loop.time() + cell.every * dice.uniform(0.5, 1.5)
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            house.note()
            if loop.time() < due:
                continue
            due = loop.time() + cell.every * dice.uniform(0.5, 1.5)
            if cell.step == "during drain":
                # The victim dies while it drains; a kernel dies while a handler does.
                draining = asyncio.create_task(house.drain(cell.victims[0]))
                if cell.victims == ("kernel",):
                    await asyncio.sleep(dice.uniform(0.0, 0.05))
                    house.kill(cell.victims)
                await draining
            elif cell.step in (RANDOM, "during restart"):
                house.kill(cell.victims)
