"""The answer on its way to the chat, growing while it comes."""

from __future__ import annotations

from jackfield_sdk import (
    Context,
    File,
    Image,
    JackfieldError,
    LeaseLost,
    Message,
    ReplyStream,
    Text,
    Video,
    Voice,
)

KEY = "reply"


class Reply:
    """One streamed message. Its key makes a repeat go on with the message that was begun."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._stream: ReplyStream | None = None
        self._grows = True

    async def grow(self, text: str) -> None:
        """Show the text so far. A platform that cannot follow gets the end alone."""
        if not self._grows:
            return
        try:
            stream = await self._opened()
            await stream.update(text)
        except LeaseLost:
            raise
        except JackfieldError as error:
            self._ctx.log.warning("the reply cannot grow: %s", error)
            self._grows = False
            if self._stream is not None:
                stream, self._stream = self._stream, None
                await stream.__aexit__(RuntimeError, RuntimeError("abandoned"), None)

    async def finish(self, message: Message, note: str = "") -> None:
        """Settle the message: its text with a note below, then files."""
        text = "\n\n".join(part for part in (message.text, note) if part.strip())
        files = Message([one for one in message if isinstance(one, File | Image | Voice | Video)])
        if not text:
            if self._stream is None and files:
                await self._ctx.reply(files, key="files")
                return
            text = message.plain()
        stream = await self._opened()
        if files:
            stream.attach(files)
        await stream.update(text)
        await stream.__aexit__(None, None, None)

    async def _opened(self) -> ReplyStream:
        if self._stream is None:
            self._stream = self._ctx.stream(markdown=True, key=KEY)
            await self._stream.__aenter__()
        return self._stream


def joined(messages: list[Message]) -> Message:
    """Several messages of one sender as one, line by line."""
    whole, *others = messages
    for other in others:
        whole = whole + Text("\n") + other
    return whole
