"""Stage: the answer goes to the chat, grown or at once, with what the operator wants around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from jackfield_sdk import (
    Context,
    File,
    Forward,
    JackfieldError,
    LeaseLost,
    Mention,
    Message,
    ReplyStream,
    Text,
)

from jackfield_pipeline.length import NONE, Shape, head
from jackfield_pipeline.settings import Settings
from jackfield_pipeline.words import growing, may_grow

MIME = "text/markdown"
NAME = "answer.md"


class Sending:
    """One answer on its way. Whether it streams depends on the settings alone, so that a repeat does the same."""

    def __init__(self, ctx: Context, settings: Settings, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._ctx = ctx
        self._settings = settings
        self._sleep = sleep
        self._stream: ReplyStream | None = None
        self._grows = self._streams = streams(settings, private=ctx.event.is_private)

    async def grow(self, text: str) -> None:
        """Show the text so far, as far as it may be shown. A platform that cannot follow gets the end alone."""
        long = self._settings.long
        if not self._grows or (long.strategy != NONE and len(text) > long.above):
            return
        text = growing(text, self._settings.filter)
        if not text.strip():
            return
        try:
            await (await self._opened()).update(text)
        except LeaseLost:
            raise
        except JackfieldError as error:
            self._ctx.log.warning("the reply cannot grow: %s", error)
            self._grows = False
            if self._stream is not None:
                stream, self._stream = self._stream, None
                await stream.__aexit__(RuntimeError, RuntimeError("abandoned"), None)

    async def finish(self, shape: Shape, delay: float) -> None:
        """Send all of it, after so many seconds."""
        if delay:
            await self._sleep(delay)
        messages = list(shape.messages)
        if shape.file:
            blob = await self._ctx.put_blob(shape.file.encode(), mime=MIME, name=NAME)
            messages[-1] = messages[-1] + File(blob)
        for number, message in enumerate(messages):
            if number == 0 and self._streams and (first := _text_of(message)):
                await self._settle(first, Message([one for one in message if not isinstance(one, Text)]))
            else:
                await self._reply(message, number)

    async def _settle(self, text: str, rest: Message) -> None:
        stream = await self._opened()
        if rest:
            stream.attach(rest)
        await stream.update(text)
        await stream.__aexit__(None, None, None)

    async def _reply(self, message: Message, number: int) -> None:
        send, sender = self._settings.send, self._ctx.sender
        if number == 0 and send.mention_sender and sender is not None and not self._ctx.event.is_private:
            message = Message(Mention(sender.id, sender.nickname), " ") + message
        await self._ctx.reply(message, quote=send.quote_origin and number == 0, key=f"reply/{number}")

    async def _opened(self) -> ReplyStream:
        if self._stream is None:
            quote = self._settings.send.quote_origin
            self._stream = self._ctx.stream(quote=quote, markdown=True, key="stream")
            await self._stream.__aenter__()
        return self._stream


def streams(settings: Settings, *, private: bool) -> bool:
    """Whether an answer may be shown while it grows."""
    send = settings.send
    dressed = send.mention_sender and not private
    return send.stream and not dressed and not send.delay_max and may_grow(settings.filter)


def _text_of(message: Message) -> str:
    """The text of a message; of a bundle its beginning."""
    bundle = message.first(Forward)
    if bundle is not None and bundle.preview:
        return head(bundle.preview[0])
    return message.text
