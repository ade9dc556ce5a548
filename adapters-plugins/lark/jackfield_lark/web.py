"""The Open API: tenant tokens, calls, uploads and downloads. Nothing is retried but a call whose token had become too old."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
from jackfield_sdk import AuthExpired, ContentTooLarge, PlatformError, Unavailable

from jackfield_lark.errors import STALE_TOKEN, error_of

TIMEOUT = aiohttp.ClientTimeout(total=30)
TRANSFER = aiohttp.ClientTimeout(total=300)
EARLY_SECONDS = 300.0
"""A token is renewed so long before its end."""
LARGEST_ANSWER = 8 << 20


class Web:
    """One app's calls. Raises typed errors; no secret and no token stands in any of them."""

    def __init__(
        self,
        app_id: str,
        app_secret: str,
        domain: str,
        http: aiohttp.ClientSession,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app_id = app_id
        self._secret = app_secret
        self._domain = domain.rstrip("/")
        self._http = http
        self._clock = clock
        self._token, self._until = "", 0.0
        self._renewing = asyncio.Lock()

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        **query: str | int | None,
    ) -> dict[str, Any]:
        """`/im/v1/messages` and the like; returns `data`, or the whole answer where there is none."""
        answer = await self._authorised(
            method, path, lambda: {"json": body} if body is not None else {}, query, TIMEOUT
        )
        found = answer.get("data")
        return found if isinstance(found, dict) else answer

    async def upload(self, path: str, field: str, name: str, data: bytes, **form: str) -> dict[str, Any]:
        """A file with the fields beside it."""

        def content() -> dict[str, Any]:
            parts = aiohttp.FormData()
            for key, value in form.items():
                parts.add_field(key, value)
            parts.add_field(field, data, filename=name, content_type="application/octet-stream")
            return {"data": parts}

        answer = await self._authorised("POST", path, content, {}, TRANSFER)
        return dict(answer.get("data") or {})

    async def download(
        self, path: str, most: int, **query: str
    ) -> AsyncIterator[tuple[bytes, aiohttp.ClientResponse]]:
        """The bytes behind a key, in chunks of at most 64 KiB. Raises ContentTooLarge as soon as there are more than `most`."""
        token = await self._tenant_token()
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with self._http.get(
                self._url(path), params=query, headers=headers, timeout=TRANSFER, allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    raise error_of(_name(path), answer.status, await _json(answer), answer.headers)
                seen = 0
                async for chunk in answer.content.iter_chunked(65_536):
                    seen += len(chunk)
                    if max(seen, answer.content_length or 0) > most:
                        raise ContentTooLarge(
                            "the file is larger than max_bytes", metadata={"limit": str(most)}
                        )
                    yield chunk, answer
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"the file was not downloaded: {type(error).__name__}") from None

    async def endpoint(self) -> tuple[str, Mapping[str, Any]]:
        """The address of a long connection, and how it is to be kept."""
        body = {"AppID": self.app_id, "AppSecret": self._secret}
        url = f"{self._domain}/callback/ws/endpoint"
        _, answer = await self._send("POST", url, {"json": body}, {}, {"locale": "en"}, TIMEOUT)
        data = answer.get("data") or {}
        if not isinstance(data, dict) or not isinstance(data.get("URL"), str):
            raise PlatformError("Lark gave no address for a long connection")
        settings = data.get("ClientConfig")
        return data["URL"], settings if isinstance(settings, dict) else {}

    async def _authorised(
        self,
        method: str,
        path: str,
        content: Callable[[], dict[str, Any]],
        query: Mapping[str, Any],
        timeout: aiohttp.ClientTimeout,
    ) -> dict[str, Any]:
        given = {name: str(value) for name, value in query.items() if value is not None}
        for last in (False, True):
            token = await self._tenant_token()
            try:
                _, answer = await self._send(
                    method, self._url(path), content(), given, {"Authorization": f"Bearer {token}"}, timeout
                )
                return answer
            except AuthExpired as error:
                stale = int(error.metadata.get("platform_code", "0")) in STALE_TOKEN
                if last or not stale:
                    raise
                if token == self._token:
                    self._until = 0.0
        raise AssertionError("a second refusal is raised")

    async def _tenant_token(self) -> str:
        async with self._renewing:
            if self._clock() < self._until:
                return self._token
            body = {"app_id": self.app_id, "app_secret": self._secret}
            url = self._url("/auth/v3/tenant_access_token/internal")
            _, answer = await self._send("POST", url, {"json": body}, {}, {}, TIMEOUT)
            token, expire = answer.get("tenant_access_token"), answer.get("expire")
            if not isinstance(token, str) or not isinstance(expire, int):
                raise PlatformError("Lark gave no tenant token")
            self._token = token
            self._until = self._clock() + max(expire - EARLY_SECONDS, 1.0)
            return token

    async def _send(
        self,
        method: str,
        url: str,
        content: dict[str, Any],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
    ) -> tuple[int, dict[str, Any]]:
        name = f"{method} {_name(url.removeprefix(self._domain))}"
        try:
            async with self._http.request(
                method, url, params=query, headers=headers, timeout=timeout, allow_redirects=False, **content
            ) as answer:
                found = await _json(answer)
                if answer.status != 200 or found.get("code") != 0:
                    raise error_of(name, answer.status, found, answer.headers)
                return answer.status, found
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"Lark was not reached for {name}: {type(error).__name__}") from None

    def _url(self, path: str) -> str:
        return f"{self._domain}/open-apis{path}"


def part(value: str) -> str:
    """An id as one part of a path."""
    return quote(value, safe="")


async def _json(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    """Empty for what is no JSON object, and for too much of it."""
    data = bytearray()
    async for chunk in answer.content.iter_chunked(65_536):
        data += chunk
        if len(data) > LARGEST_ANSWER:
            return {}
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _name(path: str) -> str:
    """The path without ids."""
    words = path.removeprefix("/open-apis").split("/")
    return "/".join(":id" if "_" in word and any(c.isdigit() for c in word) else word for word in words)
