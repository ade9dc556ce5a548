"""A handler from the delivery to its end."""

from jackfield_sdk import Context, Event, Plugin
from jackfield_sdk.testing import FakeKernel, message


def echo_plugin() -> Plugin:
    plugin = Plugin("echo")

    @plugin.on("message.received")
    async def echo(ctx: Context, event: Event) -> None:
        await ctx.reply(event.text)

    return plugin


async def test_an_echo_handler_answers_with_the_received_text() -> None:
    async with FakeKernel() as kernel, kernel.running(echo_plugin()):
        delivered = await kernel.deliver(message("hi"))
        assert (await delivered.outcome).done
        assert delivered.replies[0].text == "hi"
