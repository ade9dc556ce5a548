"""Posts to the callback: signed, with an idempotency key that is the same for every repeat, each answer as a typed error."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp
from google.protobuf.json_format import MessageToDict
from jackfield_sdk import (
    AuthExpired,
    Bot,
    Chat,
    ContentTooLarge,
    InvalidArgument,
    JackfieldError,
    Media,
    Message,
    NotSupported,
    PlatformError,
    RateLimited,
    Unavailable,
    convert,
)

from jackfield_webhook.signing import signed_headers

LARGEST_FILE = 1 << 20
"""Bytes of a file that travels inside the request, in base64."""


def chat_json(chat: Chat) -> dict[str, str]:
    """A conversation as callers know it."""
    fields = {"type": chat.type.name.lower(), "id": chat.id, "thread_id": chat.thread_id}
    return {name: value for name, value in fields.items() if value}


async def message_json(bot: Bot, message: Message) -> dict[str, Any]:
    """`text` for people who want no more, and `segments` with everything. Files stand in them in base64."""
    segments = []
    for segment in message:
        proto = convert.message_to_proto(Message(segment)).segments[0]
        shown = MessageToDict(proto, preserving_proto_field_name=True)
        await _carry(bot, shown)
        segments.append(shown)
    return {"text": message.text, "segments": segments}


async def _carry(bot: Bot, shown: Any) -> None:
    """Puts bytes in the place of the kernel's handles, wherever they stand: in bundles and as covers too."""
    if isinstance(shown, list):
        for one in shown:
            await _carry(bot, one)
    elif isinstance(shown, dict):
        media = shown.get("media")
        # The bytes of a segment stand beside its media, those of a cover inside.
        handle = media if isinstance(media, dict) else shown
        if blob_id := handle.pop("blob_id", ""):
            data = await _bytes(bot, Media(blob_id=blob_id, size=int(handle.get("size", 0))))
            shown["data"] = base64.b64encode(data).decode()
        for inner in list(shown.values()):
            await _carry(bot, inner)


async def _bytes(bot: Bot, media: Media) -> bytes:
    if media.size > LARGEST_FILE:
        raise _too_large()
    data = await bot.plugin.get_blob(media.blob_id)
    if len(data) > LARGEST_FILE:
        raise _too_large()
    return data


def _too_large() -> ContentTooLarge:
    return ContentTooLarge(
        "a file inside a request has at most 1 MiB",
        remedy="Send it as a link.",
        metadata={"limit": str(LARGEST_FILE)},
    )


class Poster:
    """One bot's way out."""

    def __init__(self, bot: Bot, http: aiohttp.ClientSession, now: Callable[[], float] = time.time) -> None:
        self._url = str(bot.config.get("callback_url") or "")
        self._secret = str(bot.config["secret"])
        self._timeout = aiohttp.ClientTimeout(total=float(bot.config.get("timeout", 10)))
        self._http = http
        self._now = now

    async def post(self, key: str, content: dict[str, Any]) -> None:
        """Returns when the callback took it. Raises the error that its answer means."""
        if not self._url:
            raise NotSupported(
                "this bot has no callback_url: it only receives", remedy="Set callback_url of the bot."
            )
        body = json.dumps(content, ensure_ascii=False).encode()
        headers = signed_headers(self._secret, key, body, self._now())
        try:
            async with self._http.post(
                self._url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as answer:
                if not 200 <= answer.status < 300:
                    raise _error(answer.status, answer.headers.get("Retry-After", ""))
        except aiohttp.InvalidURL as error:
            raise InvalidArgument("callback_url is no address") from error
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise Unavailable(f"the callback was not reached: {type(error).__name__}") from error


def _error(status: int, retry_after: str) -> JackfieldError:
    said = {"platform_code": str(status)}
    if status == 429:
        seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 1.0
        return RateLimited(min(seconds, 3600.0), "the callback asks to slow down", metadata=said)
    if status in (401, 403):
        return AuthExpired(
            "the callback refused the signature", remedy="Both sides need the same secret.", metadata=said
        )
    if status == 413:
        return ContentTooLarge("the callback takes no request of this size", metadata=said)
    if status >= 500 or status in (408, 425):
        return Unavailable(f"the callback answered {status}", metadata=said)
    return PlatformError(f"the callback answered {status}", metadata=said)


__all__ = ["Poster", "chat_json", "message_json"]
