"""The Web API by Slack's own client, with its retries off: the broker repeats what may be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from jackfield_sdk import PlatformError, Unavailable
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from jackfield_slack.errors import error_of

TIMEOUT = 30
PAGE = 200


class Web:
    """One bot's calls. Raises typed errors; no token stands in any of them."""

    def __init__(self, token: str, base_url: str, http: aiohttp.ClientSession) -> None:
        self._token = token
        self._http = http
        self._host = urlsplit(base_url).netloc
        self.client = AsyncWebClient(
            token=token,
            base_url=base_url if base_url.endswith("/") else base_url + "/",
            timeout=TIMEOUT,
            session=http,
            retry_handlers=[],
        )

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """`chat.postMessage` and the like; None is left out."""
        given = {name: value for name, value in params.items() if value is not None}
        return await self._guarded(method, self.client.api_call(method, json=given))

    async def read(self, method: str, **params: Any) -> dict[str, Any]:
        """Methods that read take their arguments as a query: not all of them read JSON."""
        given = {name: value for name, value in params.items() if value is not None}
        return await self._guarded(method, self.client.api_call(method, http_verb="GET", params=given))

    async def open_socket(self, app_token: str) -> str:
        """The address of a new socket."""
        answer = await self._guarded(
            "apps.connections.open", self.client.apps_connections_open(app_token=app_token)
        )
        return str(answer["url"])

    async def _guarded(self, method: str, call: Any) -> dict[str, Any]:
        try:
            answer = await call
        except SlackApiError as error:
            response = error.response
            body = response.data if isinstance(response.data, Mapping) else {}
            raise error_of(method, response.status_code, body, response.headers) from None
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise Unavailable(f"Slack was not reached for {method}: {type(error).__name__}") from None
        except (SlackClientError, ValueError) as error:
            raise PlatformError(f"the answer to {method} cannot be read: {type(error).__name__}") from None
        data = answer.data
        return data if isinstance(data, dict) else {}

    async def put(self, url: str, data: bytes) -> None:
        """The second step of an upload."""
        try:
            async with self._http.post(url, data=data, timeout=aiohttp.ClientTimeout(300)) as answer:
                if answer.status != 200:
                    raise error_of("file upload", answer.status, {}, answer.headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"the file was not uploaded: {type(error).__name__}") from None

    async def respond(self, url: str, content: Mapping[str, Any]) -> None:
        """Answers by a response address, which holds its own right to answer."""
        try:
            async with self._http.post(
                url, json=content, timeout=aiohttp.ClientTimeout(TIMEOUT), allow_redirects=False
            ) as answer:
                text = (await answer.text(errors="replace"))[:200]
                if answer.status != 200:
                    word = "expired_url" if answer.status in (404, 410) else _word(text)
                    raise error_of("response_url", answer.status, {"error": word}, answer.headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"Slack was not reached for an answer: {type(error).__name__}") from None

    async def download(self, url: str) -> AsyncIterator[bytes]:
        """The bytes of a file, in chunks of at most 64 KiB. The token goes to Slack's own hosts alone."""
        if not self._is_slack(url):
            raise PlatformError("the file is not kept by Slack", remedy="Fetch it from where it is shared.")
        try:
            async with self._http.get(
                url,
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=aiohttp.ClientTimeout(300),
                allow_redirects=False,
            ) as answer:
                if answer.status != 200:
                    raise error_of("file download", answer.status, {}, answer.headers)
                async for chunk in answer.content.iter_chunked(65_536):
                    yield chunk
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"the file was not downloaded: {type(error).__name__}") from None

    def _is_slack(self, url: str) -> bool:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.netloc == self._host:
            return True
        return parts.scheme == "https" and (host == "slack.com" or host.endswith(".slack.com"))


def _word(text: str) -> str:
    """`{"ok": false, "error": "expired_url"}`, or the word alone."""
    for word in ("expired_url", "used_url", "invalid_blocks", "no_text", "invalid_payload"):
        if word in text:
            return word
    return "response_url_refused"
