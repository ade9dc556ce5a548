"""Bytes of received media, where only the implementation has them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator

import aiohttp
from jackfield_sdk import (
    Call,
    ContentTooLarge,
    InvalidArgument,
    MediaChunk,
    NotFound,
    NotSupported,
    PlatformError,
    Unavailable,
)

from jackfield_onebot.accounts import Account
from jackfield_onebot.calls import act_as
from jackfield_onebot.convert.entities import table
from jackfield_onebot.convert.values import integer_of, is_host_path, is_web, text_of

CHUNK = 65_536
SECONDS = 120.0


async def chunks(
    account: Account, call: Call, http: aiohttp.ClientSession, platform_id: str, max_bytes: int
) -> AsyncIterator[MediaChunk]:
    """By `get_file` (an extension that most have), else by `get_image`: bytes in base64, or an address.

    Raises NotSupported where the implementation answers with a path of its own host, NotFound, ContentTooLarge.
    """
    if not platform_id or is_host_path(platform_id):
        raise InvalidArgument("the handle names a file of the host", metadata={"field": "platform_id"})
    found = await _ask(account, call, platform_id)
    name = text_of(found.get("file_name")).replace("/", "_").replace("\\", "_")
    size = max(0, integer_of(found.get("file_size")) or 0)
    if size > max_bytes:
        raise ContentTooLarge("the file is larger than max_bytes", metadata={"size": str(size)})
    encoded, address = text_of(found.get("base64")), text_of(found.get("url"))
    if encoded:
        if len(encoded) * 3 // 4 > max_bytes + 2:
            raise ContentTooLarge("the file is larger than max_bytes", metadata={"limit": str(max_bytes)})
        try:
            data = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise PlatformError("the implementation sent no base64") from None
        for start in range(0, len(data), CHUNK):
            yield MediaChunk(
                data[start : start + CHUNK], "", "" if start else name, 0 if start else len(data)
            )
    elif is_web(address):
        async for chunk in _download(http, address, name, max_bytes):
            yield chunk
    else:
        raise NotSupported(
            "the implementation keeps the file on its own host",
            remedy="Let it answer get_file with base64 or an address.",
            metadata={"api": "fetch_media"},
        )


async def _ask(account: Account, call: Call, handle: str) -> dict[str, object]:
    try:
        data = await act_as(account, call, "get_file", {"file_id": handle, "file": handle}, effect=False)
    except (NotSupported, NotFound, PlatformError, InvalidArgument):
        data = await act_as(account, call, "get_image", {"file": handle}, effect=False)
    return dict(table(data))


async def _download(
    http: aiohttp.ClientSession, address: str, name: str, max_bytes: int
) -> AsyncIterator[MediaChunk]:
    seen = 0
    try:
        async with http.get(address, timeout=aiohttp.ClientTimeout(SECONDS), allow_redirects=False) as answer:
            if answer.status != 200:
                kind = NotFound if answer.status in (404, 410) else Unavailable
                raise kind(f"the file's address answered with {answer.status}")
            async for data in answer.content.iter_chunked(CHUNK):
                first = not seen
                seen += len(data)
                if max(seen, answer.content_length or 0) > max_bytes:
                    raise ContentTooLarge(
                        "the file is larger than max_bytes", metadata={"limit": str(max_bytes)}
                    )
                if first:
                    yield MediaChunk(data, answer.content_type, name, answer.content_length or 0)
                else:
                    yield MediaChunk(data)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable(f"the file was not downloaded: {type(error).__name__}") from None
