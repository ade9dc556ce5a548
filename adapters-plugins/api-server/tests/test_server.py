"""The plugin on a fake kernel: answers, refusals, and what happens to replies that nobody waits for."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from jackfield.v1 import adapter_message_pb2
from jackfield_api_server.adapter import create_plugin
from jackfield_api_server.desk import MAX_WAITING
from jackfield_sdk import (
    Chat,
    Image,
    InvalidArgument,
    JackfieldError,
    Media,
    Message,
    Overloaded,
    ReplyReference,
    Unavailable,
    WindowClosed,
)
from jackfield_sdk.target import Target
from jackfield_sdk.testing import FakeKernel

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow

KEY, OTHER = "the key of the first bot", "the key of the other bot"
CHAT = Chat.private("s1")


class House:
    """Two bots and a client."""

    def __init__(self, kernel: FakeKernel, url: str, http: aiohttp.ClientSession) -> None:
        self.kernel = kernel
        self.url = url
        self.http = http

    def ask(self, text: str = "hi", *, session: str = "s1", key: str = KEY, **fields: Any) -> Any:
        """A request that waits."""
        body = {"model": "m", "messages": [{"role": "user", "content": text}], **fields}
        headers = {"Authorization": f"Bearer {key}", "X-Session-Id": session}
        return self.http.post(f"{self.url}/chat/completions", json=body, headers=headers)

    def asking(self, text: str = "hi", **fields: Any) -> asyncio.Task[tuple[int, Any, Any]]:
        """The same in a task: status, body, headers."""

        async def ask() -> tuple[int, Any, Any]:
            async with self.ask(text, **fields) as answer:
                return answer.status, await answer.json(), answer.headers

        return asyncio.create_task(ask())

    async def send(self, text: str, *, chat: Chat = CHAT, bot: str = "one", key: str = "") -> Any:
        return await self.kernel.call(bot, "SendMessage", chat=chat, message=Message(text), key=key)


def unbounded() -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(limit=0)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with FakeKernel() as kernel, aiohttp.ClientSession(connector=unbounded()) as http:
        config = {"port": 0, "deadline": 20}
        async with kernel.running(create_plugin(0.02), config=config, grants=["network"]) as running:
            await kernel.open_bot("one", {"key": KEY})
            await kernel.open_bot("two", {"key": OTHER})
            yield House(kernel, running.addresses[0][1], http)


async def test_a_message_is_published_and_its_answer_answers(house: House) -> None:
    asked = house.asking("what?", user="ann")
    (published,) = await house.kernel.wait_published()
    event = published.event
    assert (event.text, event.chat, event.bot, event.is_private) == ("what?", CHAT, "one", True)
    assert event.sender is not None
    assert (event.sender.id, event.sender.nickname) == ("s1", "ann")
    reference = ReplyReference(message_id=event.message_id)
    given = await house.kernel.call(
        "one", "ReplyMessage", chat=CHAT, message=Message("that"), reference=reference, quote_origin=True
    )
    assert given.message_id
    assert not given.degraded
    status, body, _ = await asked
    assert (status, body["choices"][0]["message"]["content"]) == (200, "that")


async def test_each_key_speaks_with_its_own_bot(house: House) -> None:
    first, second = house.asking("a"), house.asking("b", key=OTHER)
    published = await house.kernel.wait_published(2)
    assert {one.event.text: one.event.bot for one in published} == {"a": "one", "b": "two"}
    await house.send("for b", bot="two")
    await house.send("for a")
    assert [(await one)[1]["choices"][0]["message"]["content"] for one in (first, second)] == [
        "for a",
        "for b",
    ]


async def test_a_user_is_a_chat_and_nobody_is_a_new_one(house: House) -> None:
    body = {"messages": [{"role": "user", "content": "x"}]}
    headers = {"Authorization": f"Bearer {KEY}"}
    for count, user in enumerate(("ann", "ann", "bob", None, None), 1):
        asked = asyncio.create_task(
            house.http.post(f"{house.url}/chat/completions", json={**body, "user": user}, headers=headers)
        )
        event = (await house.kernel.wait_published(count))[-1].event
        assert event.chat is not None
        await house.send("ok", chat=event.chat)
        (await asked).close()
    ids = [one.event.chat.id for one in house.kernel.published if one.event.chat is not None]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    assert KEY not in str(ids)


@pytest.mark.parametrize("header", ["", "Bearer wrong", f"Basic {KEY}", f"Bearer {KEY[:-1]}", "Bearer é"])
async def test_without_a_key_nothing_is_told(house: House, header: str) -> None:
    for path in ("/models", "/models/one"):
        async with house.http.get(house.url + path, headers={"Authorization": header}) as answer:
            assert answer.status == 401
            assert (await answer.json())["error"]["code"] == "invalid_api_key"


async def test_refusals_speak_as_clients_expect(house: House) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    cases = [
        ("GET", "/models/gpt", None, 404), ("GET", "/nothing", None, 404), ("GET", "/responses", None, 405),
        ("POST", "/chat/completions", b"{", 400), ("POST", "/responses", b"{}", 400),
        ("POST", "/chat/completions", b"x" * ((1 << 20) + 1), 413),
    ]  # fmt: skip
    for method, path, data, status in cases:
        body = None if data is None else io.BytesIO(data)
        async with house.http.request(method, house.url + path, data=body, headers=headers) as answer:
            assert answer.status == status, path
            assert set((await answer.json())["error"]) == {"message", "type", "param", "code"}
    assert house.kernel.published == []


async def test_a_session_waits_for_one_answer_at_a_time(house: House) -> None:
    first = house.asking()
    await house.kernel.wait_published()
    status, body, _ = await house.asking("me too")
    assert (status, body["error"]["code"]) == (409, "conflict")
    await house.send("done")
    assert (await first)[0] == 200
    assert len(house.kernel.published) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [(Overloaded("full"), 429), (Unavailable("no"), 503), (InvalidArgument("odd"), 400)],
)
async def test_the_kernel_does_not_take_it(house: House, error: JackfieldError, status: int) -> None:
    house.kernel.refuse_publish = lambda event: error
    got, body, headers = await house.asking(stream=True)
    assert got == status
    assert body["error"]["message"]
    assert ("Retry-After" in headers) == (status in (429, 503))


async def test_the_desk_is_bounded(house: House) -> None:
    asked = [house.asking(session=f"n{number}") for number in range(MAX_WAITING)]
    await house.kernel.wait_published(MAX_WAITING)
    extra, _, headers = await house.asking(session="one more")
    assert (extra, headers["Retry-After"]) == (503, "1")
    for task in asked:
        task.cancel()
    await asyncio.wait(asked)


async def test_an_answer_that_nobody_waits_for(house: House) -> None:
    with pytest.raises(WindowClosed):
        await house.send("hello?")
    with pytest.raises(InvalidArgument):
        await house.send("hello?", chat=Chat.group("g"))


async def test_a_client_that_left_is_answered_no_more(house: House) -> None:
    async with house.ask("never mind", stream=True) as answer:
        assert answer.status == 200
    question = house.kernel.published[0].event.message_id
    # A new question of the session is taken as soon as the departure was noticed.
    async with asyncio.timeout(10):
        while (status := (again := await house.ask("better", stream=True)).status) == 409:
            again.close()
    assert status == 200
    late = ReplyReference(message_id=question)
    with pytest.raises(WindowClosed):
        await house.kernel.call("one", "ReplyMessage", chat=CHAT, message=Message("late"), reference=late)
    await house.send("in time")
    assert b"in time" in await again.read()


async def test_the_deadline_ends_the_wait(house: House) -> None:
    async with FakeKernel() as kernel:
        config = {"port": 0, "deadline": 0.2}
        async with kernel.running(create_plugin(), config=config, grants=["network"]) as running:
            await kernel.open_bot("one", {"key": KEY})
            other = House(kernel, running.addresses[0][1], house.http)
            status, body, headers = await other.asking()
            assert (status, body["error"]["code"], headers["x-should-retry"]) == (504, "timeout", "false")
            async with other.ask(stream=True) as answer:
                text = await answer.text()
            assert '"timeout"' in text
            assert "[DONE]" not in text


async def test_a_closed_bot_lets_its_clients_go(house: House) -> None:
    asked = house.asking()
    await house.kernel.wait_published()
    await house.kernel.close_bot("one")
    status, _, headers = await asked
    assert (status, headers["Retry-After"]) == (503, "1")
    assert (await house.asking())[0] == 401


async def test_a_call_sent_again_answers_once(house: House) -> None:
    asked = house.asking()
    await house.kernel.wait_published()
    first = await house.send("once", key="k")
    await asked
    assert (await house.send("once", key="k")).message_id == first.message_id


async def test_a_picture_becomes_a_link_and_is_told(house: House) -> None:
    asked = house.asking()
    await house.kernel.wait_published()
    message = Message("see ", Image(media=Media(url="https://h/a.png")))
    given = await house.kernel.call("one", "SendMessage", chat=CHAT, message=message)
    assert given.degraded == ("image",)
    assert (await asked)[1]["choices"][0]["message"]["content"] == "see [image](https://h/a.png)"


def step(number: int, text: str, *, is_final: bool = False) -> adapter_message_pb2.StreamReplyRequest:
    return adapter_message_pb2.StreamReplyRequest(sequence=number, text=text, is_final=is_final)


async def test_a_stream_that_breaks_off_goes_on_and_words_that_changed_follow_whole(house: House) -> None:
    async def opened() -> Any:
        first = step(1, "Hel")
        first.opening.SetInParent()
        target = Target(bot="one", chat=CHAT)
        method = "/jackfield.v1.Adapter/StreamReply"
        return house.kernel.open_call(method, first, target=target, key="s", half_closed=False)

    async with house.ask(stream=True) as answer:
        broken = await opened()
        while b'"Hel"' not in (line := await answer.content.readline()):
            assert line
        with pytest.raises(WindowClosed):
            await house.send("another voice")
        broken.cancel()
        with pytest.raises(JackfieldError):
            await broken.result()
        call = await opened()
        await call.send(step(2, "Hello").SerializeToString())
        await call.send(step(3, "Good day", is_final=True).SerializeToString())
        call.half_close()
        await call.result()
        rest = await answer.text()
    assert rest.endswith("data: [DONE]\n\n")
    assert "Good day" in rest
