"""The page in Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from jackfield_sdk import Actions, Button, Chat, InvalidArgument, Message, markdown

from .webdriver import ENTER, RELEASE, SHIFT, Page, missing

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}"),
]

ONLINE = "document.querySelector('#state').dataset.state === 'online'"
LAST = "document.querySelector('.message:last-child')"

OpenPage = Callable[..., object]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[OpenPage]:
    """Opens a window; all of its methods block and run in a thread."""
    async with AsyncExitStack() as stack:

        async def begin(url: str, **options: object) -> Page:
            page = await asyncio.to_thread(Page, tmp_path, **options)
            stack.push_async_callback(asyncio.to_thread, page.__exit__, None, None, None)
            await asyncio.to_thread(page.open, url)
            return page

        yield begin


async def test_a_conversation_by_keyboard(chat, opened) -> None:
    page = await opened(chat.url)
    await asyncio.to_thread(page.wait, ONLINE)
    assert await asyncio.to_thread(page.text, "#empty strong") == "Say hello"
    await asyncio.to_thread(page.keys, "#text", "one" + SHIFT + ENTER + RELEASE + "two" + ENTER)
    (published,) = await chat.kernel.wait_published()
    assert published.event.text == "one\ntwo"
    await asyncio.to_thread(page.wait, "document.querySelectorAll('.own:not(.sending)').length === 1")
    person = published.event.chat
    hostile = "<img src=x onerror=alert(1)> [here](javascript:alert(1)) `code` https://example.org/x."
    buttons = Actions(id="a", controls=(Button("go", "Go", value="7"),))
    await chat.kernel.call("web", "SendMessage", chat=person, message=Message(markdown(hostile), buttons))
    await asyncio.to_thread(page.wait, f"{LAST}.querySelector('.bubble a')")
    assert await asyncio.to_thread(page.run, f"return {LAST}.querySelectorAll('img').length") == 0
    links = await asyncio.to_thread(page.run, f"return [...{LAST}.querySelectorAll('a')].map((a) => a.href)")
    assert links == ["https://example.org/x"]
    await asyncio.to_thread(page.click, ".controls button")
    await chat.kernel.wait_published(2)
    assert chat.kernel.published[1].event.payload.values == {"value": "7"}
    await asyncio.to_thread(page.open, chat.url)
    await asyncio.to_thread(page.wait, "document.querySelectorAll('.message').length === 2")


async def test_what_was_written_offline_arrives_once(chat, opened) -> None:
    page = await opened(chat.url)
    await asyncio.to_thread(page.wait, ONLINE)
    await chat.kernel.close_bot("web")
    await asyncio.to_thread(page.wait, f"!({ONLINE})")
    await asyncio.to_thread(page.keys, "#text", "are you there?" + ENTER)
    await asyncio.to_thread(page.wait, "document.querySelector('.own.sending')")
    await chat.kernel.open_bot("web")
    (published,) = await chat.kernel.wait_published()
    await asyncio.to_thread(page.wait, "document.querySelector('.own:not(.sending)')")
    assert published.event.text == "are you there?"
    assert len(chat.kernel.published) == 1


async def test_a_refused_message_says_why_and_goes_again(chat, opened) -> None:
    page = await opened(chat.url)
    await asyncio.to_thread(page.wait, ONLINE)
    chat.kernel.refuse_publish = lambda event: InvalidArgument("no room")
    await asyncio.to_thread(page.keys, "#text", "hello" + ENTER)
    await asyncio.to_thread(page.wait, "document.querySelector('.failed .meta button')")
    assert "no room" in await asyncio.to_thread(page.text, ".failed .meta")
    chat.kernel.refuse_publish = None
    await asyncio.to_thread(page.click, ".failed .meta button")
    await chat.kernel.wait_published()


async def test_the_page_asks_for_the_token_in_the_readers_language(start, opened) -> None:
    chat = await start(bot={"token": "open sesame"})
    page = await opened(chat.url, language="zh-CN", width=500)
    await asyncio.to_thread(page.wait, "document.querySelector('#gate').open")
    assert await asyncio.to_thread(page.text, "#gate-title") == "访问令牌"
    await asyncio.to_thread(page.keys, "#token", "wrong" + ENTER)
    await asyncio.to_thread(page.wait, "!document.querySelector('#gate-error').hidden")
    await asyncio.to_thread(page.keys, "#token", "open sesame" + ENTER)
    await asyncio.to_thread(page.wait, ONLINE)
    await asyncio.to_thread(page.keys, "#text", "你好" + ENTER)
    (published,) = await chat.kernel.wait_published()
    assert published.event.text == "你好"


async def test_it_fits_a_small_telephone(chat, opened) -> None:
    page = await opened(f"{chat.url}?session=small")
    await asyncio.to_thread(page.wait, ONLINE)
    await chat.kernel.call(
        "web",
        "SendMessage",
        chat=Chat.private("small"),
        message=Message(markdown("x" * 300 + "\n```\n" + "y" * 300)),
    )
    await asyncio.to_thread(page.wait, LAST)
    size = {"width": 360, "height": 640, "deviceScaleFactor": 1, "mobile": True}
    await asyncio.to_thread(page.device, "Emulation.setDeviceMetricsOverride", size)
    await asyncio.to_thread(page.wait, "innerWidth === 360")
    wide = "return document.documentElement.scrollWidth"
    assert await asyncio.to_thread(page.run, wide) == 360
