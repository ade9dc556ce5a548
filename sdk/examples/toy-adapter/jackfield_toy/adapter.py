"""A platform made of lines over TCP: `<user> <text>` comes in, `<user> <text>` goes out."""

import asyncio

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


class Toy(Adapter):
    """Each bot is one connection to a toy server; `bot.connection` holds its writer and reading task."""

    platform = "toy"

    async def open_bot(self, bot: Bot) -> User:
        try:
            reader, writer = await asyncio.open_connection(bot.config["host"], int(bot.config["port"]))
        except OSError as error:
            raise Unavailable(f"no toy server: {error}", remedy="Start the server.") from error
        bot.connection = (writer, asyncio.ensure_future(self._read(bot, reader)))
        return User(id=bot.name)

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        writer, reading = bot.connection
        reading.cancel()
        writer.close()
        return None

    async def send_message(self, call: Call, message: Message) -> SendResult:
        writer, _ = call.bot.connection
        writer.write(f"{call.chat.id} {message.plain()}\n".encode())
        await writer.drain()
        return SendResult()

    async def _read(self, bot: Bot, reader: asyncio.StreamReader) -> None:
        number = 0
        while line := await reader.readline():
            bot.alive()
            user, _, text = line.decode().rstrip("\n").partition(" ")
            number += 1
            payload = MessageReceived(message_id=str(number), message=Message(text))
            event = Event(payload=payload, chat=Chat.private(user), sender=User(id=user))
            await bot.publish(event)


plugin = Plugin("toy")
plugin.adapter(Toy())
