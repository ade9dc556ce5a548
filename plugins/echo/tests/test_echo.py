"""Echo answers with what it got."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from jackfield_echo.echo import build
from jackfield_sdk import Image, Media, Mention, Message, Quote, Text, Unknown
from jackfield_sdk.testing import FakeKernel, message


@pytest.fixture
async def kernel() -> AsyncIterator[FakeKernel]:
    async with FakeKernel() as kernel, kernel.running(build()):
        yield kernel


@pytest.mark.parametrize(
    "sent",
    [
        Message("hello"),
        Message("  two\n\nlines  "),
        Message(Mention("7", "Ann"), " look: ", Image(Media(platform_id="file-1", mime="image/png"))),
    ],
)
async def test_a_message_comes_back_exactly(kernel: FakeKernel, sent: Message) -> None:
    delivered = await kernel.deliver(message(sent))
    assert (await delivered.outcome).done
    assert [reply.message for reply in delivered.replies] == [sent]


async def test_quotes_and_unknown_content_stay_out(kernel: FakeKernel) -> None:
    delivered = await kernel.deliver(message(Message(Quote("1"), Text("yes"), Unknown("a poll"))))
    assert (await delivered.outcome).done
    assert [reply.message for reply in delivered.replies] == [Message("yes")]


async def test_a_message_that_cannot_be_sent_gets_no_answer(kernel: FakeKernel) -> None:
    delivered = await kernel.deliver(message(Message(Unknown("a poll"))))
    assert (await delivered.outcome).done
    assert delivered.replies == []
