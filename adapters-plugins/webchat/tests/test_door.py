"""Who gets in, and what bad input gets."""

from __future__ import annotations

import asyncio
import io

import aiohttp
import pytest
from jackfield_sdk import Chat, InvalidArgument, Message
from jackfield_webchat.media import MAX_UPLOAD

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow


async def test_pages_of_other_sites_are_refused(start) -> None:
    chat = await start(bot={"allowed_origins": ["https://chat.example.org"]})
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await chat.browser(headers={"Origin": "https://evil.example"})
    assert refused.value.status == 403
    own = chat.url.rstrip("/")
    for origin in (own, "https://chat.example.org"):
        browser = await chat.browser(headers={"Origin": origin})
        assert (await browser.next())["type"] == "connected"
    async with chat.client.post(
        f"{chat.url}upload", data=b"x", headers={"Origin": "https://evil.example"}
    ) as answer:
        assert answer.status == 403
        await answer.read()


async def test_a_name_that_was_never_given_to_the_server_is_refused(start) -> None:
    chat = await start(bot={"allowed_origins": ["https://chat.example.org"]})
    for host, status in (("evil.example", 403), ("chat.example.org", 200), ("localhost:1", 200)):
        async with chat.client.get(chat.url, headers={"Host": host}) as answer:
            assert answer.status == status, host
            await answer.read()


async def test_the_page_allows_no_foreign_script(chat) -> None:
    async with chat.client.get(chat.url) as answer:
        policy = answer.headers["Content-Security-Policy"]
        page = await answer.text()
        tag = answer.headers["ETag"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "style=" not in page
    assert "onclick" not in page
    async with chat.client.get(chat.url, headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304
    for name in ("main.js", "page.css", "icon.svg"):
        async with chat.client.get(f"{chat.url}assets/{name}") as answer:
            assert answer.status == 200
    async with chat.client.get(f"{chat.url}assets/..%2Fadapter.py") as answer:
        assert answer.status == 404


async def test_a_token_is_asked_for(start) -> None:
    chat = await start(bot={"token": "open sesame"})
    async with chat.client.get(f"{chat.url}about") as answer:
        assert (await answer.json())["token_required"]
    wrong = await chat.browser()
    await wrong.send(type="authenticate", token="open barley")
    assert (await wrong.next())["code"] == "UNAUTHENTICATED"
    assert await wrong.ended() == 4401
    hasty = await chat.browser()
    await hasty.say("hello")
    assert (await hasty.next())["code"] == "UNAUTHENTICATED"
    right = await chat.browser()
    await right.send(type="authenticate", token="open sesame")
    assert (await right.next())["type"] == "connected"
    program = await chat.browser(headers={"Authorization": "Bearer open sesame"})
    assert (await program.next())["type"] == "connected"
    async with chat.client.post(f"{chat.url}upload", data=b"x") as answer:
        assert answer.status == 401
    assert chat.kernel.published == []


async def test_without_a_token_only_this_machine_may_connect(start) -> None:
    chat = await start(host="0.0.0.0", open_bot=False)
    with pytest.raises(InvalidArgument, match="has no token") as refused:
        await chat.kernel.open_bot("web")
    assert "WEBCHAT_TOKEN" in refused.value.remedy
    await chat.kernel.open_bot("web", {"token": "x"})


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("{", "INVALID_JSON"),
        ("[" * 100_000, "INVALID_JSON"),
        ("7", "INVALID_FRAME"),
        ('{"type": "dance", "id": "d"}', "UNSUPPORTED_FRAME"),
        ('{"type": "message", "message": [{"type": "Plain", "text": "no id"}]}', "INVALID_FRAME"),
        ('{"type": "message", "id": "x", "message": "text"}', "INVALID_ARGUMENT"),
        ('{"type": "message", "id": "x", "message": [{"type": "Plain", "text": " "}]}', "INVALID_ARGUMENT"),
        (
            '{"type": "message", "id": "x", "message": [{"type": "Image", "path": "/etc/passwd"}]}',
            "INVALID_ARGUMENT",
        ),
        (
            '{"type": "message", "id": "x", "message": [{"type": "Image", "key": "guessed"}]}',
            "INVALID_ARGUMENT",
        ),
        ('{"type": "resume", "last_seen": "all"}', "INVALID_FRAME"),
    ],
)
async def test_bad_frames_are_answered_and_the_connection_stays(chat, sent: str, code: str) -> None:
    anna = await chat.greeted()
    await anna.socket.send_str(sent)
    assert (await anna.next())["code"] == code
    await anna.say("still here", "c2")
    assert (await anna.next())["id"] == "c2"
    assert len(chat.kernel.published) == 1


async def test_a_refusal_of_the_kernel_names_the_message(chat) -> None:
    anna = await chat.greeted()
    chat.kernel.refuse_publish = lambda event: InvalidArgument("too much")
    await anna.say("hello", "c9")
    error = await anna.next()
    assert (error["code"], error["request_id"], error["message"]) == ("INVALID_ARGUMENT", "c9", "too much")


async def test_a_frame_above_the_limit_ends_the_connection(chat) -> None:
    anna = await chat.greeted()
    await anna.say("x" * (1 << 20))
    assert await anna.ended() == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    async with chat.client.post(f"{chat.url}upload", data=io.BytesIO(bytes(MAX_UPLOAD + 1))) as answer:
        assert answer.status == 413


async def test_who_does_not_read_is_dropped_and_nobody_waits(chat) -> None:
    anna = await chat.greeted()
    host, port = chat.url.removeprefix("http://").rstrip("/").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13"
    head = (
        f"GET /ws?session=anna HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade"
    )
    writer.write(f"{head}\r\n{key}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    large = Message("x" * 200_000)
    for number in range(150):
        await chat.kernel.call(
            "web", "SendMessage", chat=Chat.private("anna"), message=large, key=f"l{number}"
        )
        assert (await anna.next())["data"]["content"] == "x" * 200_000
    received = 0
    while data := await reader.read(1 << 16):
        received += len(data)
    assert received < 110 * 200_000, "the connection ended before the last messages"
    writer.close()


async def test_a_session_is_well_formed(chat) -> None:
    for session in ("../x", "a" * 65, "%3Cb%3E"):
        browser = await chat.browser(session)
        assert (await browser.next())["code"] == "INVALID_ARGUMENT"
        assert await browser.ended() == 4400
    nobody = await chat.browser("")
    assert len((await nobody.next())["session"]) >= 20
