"""Answers every message with its own text."""

from jackfield_sdk import Context, Event, Plugin

plugin = Plugin("example-echo")


@plugin.on("message.received")
async def echo(ctx: Context, event: Event) -> None:
    await ctx.reply(event.text)
