"""The terminal as a platform: what `jackfield chat` prints and publishes."""

import asyncio

import pytest
from jackfield_sdk import Button, Chat, Context, Event, Image, Media, Message, Plugin
from jackfield_sdk.commands.screen import log_line, visible
from jackfield_sdk.commands.terminal import Terminal
from jackfield_sdk.interactive import Actions, Option, Select
from jackfield_sdk.payload import InteractionKind, InteractionReceived, MessageReceived
from jackfield_sdk.testing import FakeKernel

CHAT = Chat.private("ann")
CHOICES = Actions(
    "choices",
    (
        Button("yes", "Yes", value="1"),
        Button("more", "Read more", url="https://example.org/"),
        Select("size", "How large?", (Option("s", "small"), Option("l", "large"))),
    ),
)


async def test_a_typed_number_presses_the_control_with_that_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal, plugin = Terminal("ann", live=False), Plugin("terminal")
    plugin.adapter(terminal)
    async with FakeKernel() as kernel, kernel.running(plugin):
        await kernel.open_bot("b")
        await kernel.call("b", "SendMessage", chat=CHAT, message=Message("Sure?", CHOICES))
        printed = capsys.readouterr().out
        assert printed == (
            "Sure?\n  1. Yes\n  - Read more: https://example.org/\n  How large?\n  2. small\n  3. large\n"
        )
        for line in ("3", "1", "4", "hello"):
            await terminal.said(line)
        size, yes, four, hello = (published.event.payload for published in kernel.published)
        assert isinstance(size, InteractionReceived)
        assert isinstance(yes, InteractionReceived)
        assert (size.kind, size.action_id, size.values) == (InteractionKind.SELECT, "size", {"size": ["l"]})
        assert (yes.kind, yes.controls_id, yes.values) == (InteractionKind.BUTTON, "choices", {"value": "1"})
        assert isinstance(four, MessageReceived)
        assert isinstance(hello, MessageReceived)
        assert four.message.text == "4"
        assert kernel.published[-1].event.chat == CHAT


async def test_messages_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    terminal, plugin = Terminal("ann", live=False), Plugin("terminal")
    plugin.adapter(terminal)
    async with FakeKernel() as kernel, kernel.running(plugin):
        await kernel.open_bot("b")
        picture = Image(Media(url="https://example.org/a.png"))
        await kernel.call("b", "SendMessage", chat=CHAT, message=Message("a\x1b[2Jb ", picture))
        assert capsys.readouterr().out == "a\ufffd[2Jb [Image: https://example.org/a.png]\n"


@pytest.mark.parametrize(("live", "printed"), [(False, "one two\n"), (True, "one two\n")])
async def test_a_streamed_answer_grows_on_a_terminal_and_is_whole_in_a_file(
    capsys: pytest.CaptureFixture[str], live: bool, printed: str
) -> None:
    terminal, plugin, handler = Terminal("ann", live=live), Plugin("terminal"), Plugin("speaker")
    plugin.adapter(terminal)

    @handler.on("message.received")
    async def speak(ctx: Context, event: Event) -> None:
        async with ctx.stream() as stream:
            await stream.append("one ")
            await stream.append("two")

    async with FakeKernel() as kernel, kernel.running(plugin), kernel.running(handler):
        await kernel.open_bot("b", plugin="terminal")
        await terminal.said("go")
        delivered = await kernel.deliver(kernel.published[0].event, plugin="speaker")
        assert (await asyncio.wait_for(delivered.outcome, 10)).done
        assert capsys.readouterr().out == printed


def test_log_lines_are_shown_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    line = '{"level": "error", "logger": "x", "message": "bad \\u001b[1m", "traceback": "Traceback\\n  here"}'
    assert log_line(line) == "Traceback\n  here"
    assert log_line("plain {") == ""
    assert capsys.readouterr().out == "  |  error   bad \ufffd[1m\n    Traceback\n      here\n  | plain {\n"
    assert visible("a\tb\nc\r") == "a\tb\nc\ufffd"
