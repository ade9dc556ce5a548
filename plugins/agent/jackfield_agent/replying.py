"""The answer on its way to the chat, growing while the model writes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from jackfield_sdk import (
    Chat,
    ChatType,
    Context,
    Message,
    MessageEdited,
    MessageReceived,
    ReplyStream,
    Target,
    markdown,
)

# Adapters pace themselves; this keeps cumulative texts from growing quadratically on the way there.
BETWEEN_UPDATES = 0.2
# The whole answer of a model that has nothing to say. Only to events that are no messages: who writes gets an answer.
SILENCE = frozenset({"[SILENT]", "NO_REPLY"})


class Reply:
    """One message of the answer. `name` keys it, so that a repeat goes on with the message that was begun."""

    def __init__(self, ctx: Context, name: str, target: str, clock: Callable[[], float]) -> None:
        self._ctx = ctx
        self._name = name
        self._target = target
        self._clock = clock
        self._stream: ReplyStream | None = None
        self._due = 0.0
        self._streams = self._grows = isinstance(ctx.event.payload, MessageReceived | MessageEdited)

    async def grow(self, text: str) -> None:
        """Show the text so far; never the same as the end."""
        if not self._grows or not text.strip() or self._clock() < self._due:
            return
        async with self._writing() as stream:
            await stream.update(text)
        self._due = self._clock() + BETWEEN_UPDATES

    async def finish(self, text: str, media: Message | None = None) -> None:
        """Settle the message with its whole text and what follows it."""
        if not text.strip() and not media:
            await self.abandon()
            return
        if self._streams:
            async with self._writing() as stream:
                if media:
                    stream.attach(media)
                await stream.update(text)
                await stream.__aexit__(None, None, None)
            self._stream = None
            return
        if text.strip() in SILENCE and not media:
            return
        message = Message(markdown(text)) if text.strip() else Message()
        await self._deliver(message + media if media else message)

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[ReplyStream]:
        """The stream; one that was cancelled in the middle is begun anew by the next writer, under the same key."""
        try:
            if self._stream is None:
                self._stream = self._ctx.stream(markdown=True, key=self._name)
                await self._stream.__aenter__()
            yield self._stream
        except asyncio.CancelledError:
            self._stream = None
            raise

    async def abandon(self) -> None:
        """Stop in the middle; what was shown stays, and grows no more until it is settled."""
        self._grows = False
        if self._stream is not None:
            stream, self._stream = self._stream, None
            await stream.__aexit__(RuntimeError, RuntimeError("abandoned"), None)

    async def _deliver(self, message: Message) -> None:
        """The answer to an event that is no message goes where the rule says."""
        ctx = self._ctx
        if self._target == "none":
            return
        if self._target == "chat":
            await ctx.reply(message, key=self._name)
        elif self._target == "sender":
            sender = ctx.sender.id if ctx.sender is not None else ""
            await ctx.send(Chat(ChatType.PRIVATE, sender), message, key=self._name)
        else:
            await ctx.send(Target.parse(self._target), message, key=self._name)
