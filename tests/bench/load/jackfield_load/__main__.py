"""Run the load when the bot is opened, write the figures, and go on serving."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from jackfield_sdk import (
    Adapter,
    Bot,
    Call,
    Chat,
    CloseReason,
    Event,
    Message,
    MessageReceived,
    Plugin,
    PluginContext,
    SendResult,
    User,
)

plugin = Plugin()


class Load(Adapter):
    """Publishes to many lanes and waits for each reply."""

    platform = "load"

    def __init__(self) -> None:
        self.config: dict[str, object] = {}
        self.waiting: dict[str, asyncio.Future[float]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def open_bot(self, bot: Bot) -> User:
        if bot.name == "load":
            self.tasks.add(asyncio.create_task(self.run(bot)))
        return User(id="load")

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        for task in self.tasks:
            task.cancel()
        return None

    async def send_message(self, call: Call, message: Message) -> SendResult:
        waiter = self.waiting.pop(call.chat.id, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(time.perf_counter())
        return SendResult(message_id=call.key[-40:])

    async def one(self, bot: Bot, lane: str) -> float:
        """One round trip: publish, and wait for the reply in the same chat."""
        waiter = self.waiting[lane] = asyncio.get_running_loop().create_future()
        payload = MessageReceived(message_id=lane, message=Message("hello"))
        started = time.perf_counter()
        await bot.publish_nowait(Event(payload=payload, chat=Chat.private(lane), sender=User(id=lane)))
        return await waiter - started

    async def busy(self, bot: Bot, lanes: int, count: int) -> dict[str, float]:
        """`lanes` conversations at once, `count` round trips in all."""
        times: list[float] = []

        async def conversation(lane: int) -> None:
            for _ in range(max(1, count // lanes)):
                times.append(await self.one(bot, f"c{lane}"))

        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for lane in range(lanes):
                group.create_task(conversation(lane))
        seconds = time.perf_counter() - started
        times.sort()
        return {
            "lanes": lanes,
            "round_trips": len(times),
            "per_second": len(times) / seconds,
            "p50_ms": 1000 * times[len(times) // 2],
            "p99_ms": 1000 * times[int(len(times) * 0.99)],
        }

    async def run(self, bot: Bot) -> None:
        """Warm up, then every step."""
        count = int(str(self.config.get("count", 1000)))
        await self.busy(bot, 16, 200)
        path = Path(str(self.config["results"]))
        path.with_suffix(".warm").touch()
        steps = [int(step) for step in self.config.get("steps", [1, 64, 1000])]  # type: ignore[attr-defined]
        figures = [await self.busy(bot, lanes, count if lanes == 1 else count * 5) for lanes in steps]
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(figures))
        partial.rename(path)


load = Load()
plugin.adapter(load)


@plugin.setup
async def setup(ctx: PluginContext) -> None:
    """Keep the configuration for the run."""
    load.config = dict(ctx.config)


if __name__ == "__main__":
    plugin.run()
