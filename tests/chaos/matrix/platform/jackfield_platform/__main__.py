"""Lines of JSON over TCP: updates come in and are acknowledged once they are durable, replies go out and are confirmed."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from functools import partial
from typing import Any

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
    SendResult,
    Unavailable,
    User,
)

RETRY_SECONDS = 0.05


class Platform(Adapter):
    """One connection for the one bot; it is made anew whenever it breaks."""

    platform = "platform"

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None
        self._confirmed: dict[int, asyncio.Future[None]] = {}
        self._number = 0
        self._reading: asyncio.Task[None] | None = None

    async def open_bot(self, bot: Bot) -> User:
        self._reading = asyncio.create_task(self._read(bot, int(self.plugin.config["port"])))
        return User(id="matrix")

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        return None

    async def send_message(self, call: Call, message: Message) -> SendResult:
        self._number += 1
        number = self._number
        confirmed = self._confirmed[number] = asyncio.get_running_loop().create_future()
        self._write({"send": message.plain(), "lane": call.chat.id, "number": number})
        await confirmed
        return SendResult(message_id=str(number))

    def _write(self, line: dict[str, Any]) -> None:
        if self._writer is None:
            raise Unavailable("the platform is away")
        self._writer.write(json.dumps(line).encode() + b"\n")

    async def _read(self, bot: Bot, port: int) -> None:
        while True:
            with suppress(OSError):
                reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
                while line := await reader.readline():
                    await self._take(bot, json.loads(line))
            self._writer = None
            for waiting in self._confirmed.values():
                if not waiting.done():
                    waiting.set_exception(Unavailable("the platform went away during the call"))
            self._confirmed.clear()
            await asyncio.sleep(RETRY_SECONDS)

    async def _take(self, bot: Bot, line: dict[str, Any]) -> None:
        if "sent" in line:
            if (waiting := self._confirmed.pop(line["sent"], None)) is not None and not waiting.done():
                waiting.set_result(None)
            return
        payload = MessageReceived(message_id=str(line["id"]), message=Message(line["text"]))
        event = Event(payload=payload, chat=Chat.private(line["lane"]), sender=User(id=line["lane"]))
        durable = await bot.publish_nowait(event, dedup_key=str(line["id"]))
        durable.add_done_callback(partial(self._acknowledge, line["id"]))

    def _acknowledge(self, update: int, durable: asyncio.Future[None]) -> None:
        if not durable.cancelled() and durable.exception() is None and self._writer is not None:
            self._write({"ack": update})


plugin = Plugin("platform", version="0.1.0")
plugin.adapter(Platform())

if __name__ == "__main__":
    plugin.run()
