"""Tokens, refusals and files."""

from __future__ import annotations

import aiohttp
import pytest
from jackfield_lark.errors import error_of
from jackfield_lark.web import Web
from jackfield_sdk import (
    AuthExpired,
    ContentTooLarge,
    JackfieldError,
    NotFound,
    PermissionDenied,
    PlatformError,
    RateLimited,
    Unavailable,
)

from tests.platforms.lark import APP_ID, LarkServer
from tests.platforms.lark.chats import DIRECT


async def test_a_token_is_asked_for_once_and_again_before_it_ends(server: LarkServer) -> None:
    now = [0.0]
    async with aiohttp.ClientSession() as http:
        web = Web(APP_ID, "a secret of the app", server.url, http, lambda: now[0])
        await web.call("GET", "/bot/v3/info")
        await web.call("GET", "/bot/v3/info")
        assert len(server.tokens) == 1
        now[0] = server.token_seconds - 299
        await web.call("GET", "/bot/v3/info")
        assert len(server.tokens) == 2


async def test_a_token_that_was_revoked_is_renewed_without_a_word(server: LarkServer, web: Web) -> None:
    await web.call("GET", "/bot/v3/info")
    server.revoke()
    assert (await web.call("GET", "/bot/v3/info"))["bot"]["app_name"] == "Bot"


async def test_a_second_refusal_is_told(server: LarkServer, web: Web) -> None:
    server.fail("GET info", 400, 99991663)
    server.fail("GET info", 400, 99991663)
    with pytest.raises(AuthExpired):
        await web.call("GET", "/bot/v3/info")


async def test_a_wrong_secret_is_told_and_never_shown(server: LarkServer) -> None:
    async with aiohttp.ClientSession() as http:
        web = Web(APP_ID, "the wrong one", server.url, http)
        with pytest.raises(AuthExpired) as caught:
            await web.call("GET", "/bot/v3/info")
        assert "the wrong one" not in f"{caught.value!r}{caught.value.metadata}"
        with pytest.raises(AuthExpired):
            await web.endpoint()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, 230002, PermissionDenied),
        (400, 99991672, PermissionDenied),
        (400, 230110, NotFound),
        (400, 230025, ContentTooLarge),
        (200, 230020, RateLimited),
        (429, 0, RateLimited),
        (503, 0, Unavailable),
        (401, 0, AuthExpired),
        (400, 123456, PlatformError),
    ],
)
def test_codes_are_typed(status: int, code: int, kind: type[JackfieldError]) -> None:
    error = error_of("POST /im/v1/messages", status, {"code": code, "msg": "it said X"}, {})
    assert type(error) is kind
    assert error.metadata["platform_code"] == str(code or status)
    assert "it said X" not in str(error)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0", 1.0), ("soon", 1.0), ("99999", 3600.0)])
def test_a_limit_names_its_end(header: str, seconds: float) -> None:
    error = error_of("x", 429, {"code": 99991400}, {"X-Ogw-Ratelimit-Reset": header})
    assert error.retry_after == seconds


async def test_files_come_in_chunks_and_too_large_ones_not_at_all(server: LarkServer, web: Web) -> None:
    server.chats.files["file_1"] = b"x" * 100_000
    message = server.chats.said(DIRECT, "file", {"file_key": "file_1"})["message_id"]
    path = f"/im/v1/messages/{message}/resources/file_1"
    assert sum([len(chunk) async for chunk, _ in web.download(path, 100_000, type="file")]) == 100_000
    with pytest.raises(ContentTooLarge):
        async for _ in web.download(path, 99_999, type="file"):
            pass
    with pytest.raises(NotFound):
        async for _ in web.download("/im/v1/files/file_none", 10):
            pass


async def test_a_server_that_is_not_there_is_unavailable(server: LarkServer) -> None:
    async with aiohttp.ClientSession() as http:
        web = Web(APP_ID, "x", "http://127.0.0.1:1", http)
        with pytest.raises(Unavailable):
            await web.call("GET", "/bot/v3/info")
