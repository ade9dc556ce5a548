"""The handler."""

from __future__ import annotations

from jackfield_sdk import Context, Event, Message, Plugin, Quote, Unknown

from jackfield_echo import __version__


def build() -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("echo", version=__version__)
    plugin.on("message.received")(echo)
    return plugin


async def echo(ctx: Context, event: Event) -> None:
    """Reply with the received message; with nothing when it holds nothing that can be sent."""
    if answer := sendable(event.message):
        await ctx.reply(answer)


def sendable(message: Message) -> Message:
    """The message without what is received only: the quote of an earlier message, and unknown content."""
    kept = [segment for segment in message if not isinstance(segment, Quote | Unknown)]
    return message if len(kept) == len(message) else Message(kept)
