"""Requests to the REST API: one attempt each, answers as plain JSON, refusals as typed errors."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
from jackfield_sdk import ContentTooLarge, NotFound, OutcomeUnknown, PlatformError, Unavailable

from jackfield_discord import __version__
from jackfield_discord.convert.values import well_formed
from jackfield_discord.errors import error_of

API = "https://discord.com/api/v10"
USER_AGENT = f"DiscordBot (https://github.com/jackfield, {__version__})"
REQUEST_SECONDS = 20.0
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with a message."""

    name: str
    data: bytes
    mime: str = ""


class Rest:
    """The REST API for one token. Nothing is repeated here: what is repeated is the kernel's to decide."""

    def __init__(self, token: str, base_url: str = API) -> None:
        self.base = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bot {token}", "User-Agent": USER_AGENT}
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS), cookie_jar=aiohttp.DummyCookieJar()
        )

    @property
    def session(self) -> aiohttp.ClientSession:
        """For the gateway's socket."""
        return self._session

    async def close(self) -> None:
        """Closes all connections."""
        await self._session.close()

    async def get(self, *path: str, **query: str | int) -> Any:
        """Reads something. `path` in parts, each an id or a word."""
        return await self.request("GET", *path, query=query)

    async def request(
        self,
        method: str,
        *path: str,
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        query: Mapping[str, str | int] | None = None,
        files: Sequence[Attachment] = (),
        reason: str = "",
        timeout: float = REQUEST_SECONDS,
    ) -> Any:
        """The answer's JSON, None for an empty one. Raises the typed error of a refusal or of silence."""
        url = "/".join([self.base, *(quote(part, safe="@") for part in path)])
        action = f"{method} {path[0]}/.../{path[-1]}" if len(path) > 2 else f"{method} {'/'.join(path)}"
        effect = method != "GET"
        headers = dict(self._headers)
        if reason:
            headers["X-Audit-Log-Reason"] = quote(reason[:512], safe="/ ")
        if path[0] in ("webhooks", "interactions"):
            # Those addresses hold the token of an interaction: it is the credential, and stands in no log.
            action = f"{method} {path[0]}"
        try:
            async with self._session.request(
                method,
                url,
                params=dict(query or {}),
                headers=headers,
                data=_encoded(body, files),
                timeout=aiohttp.ClientTimeout(total=max(1.0, min(timeout, REQUEST_SECONDS))),
                allow_redirects=False,
            ) as response:
                text = await response.text(errors="replace")
                status, answered = response.status, response.headers
        except aiohttp.ClientConnectorError as error:
            raise Unavailable(f"Discord cannot be reached for {action}: {type(error).__name__}") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            silence = f"Discord did not answer {action}: {type(error).__name__}"
            raise (OutcomeUnknown if effect else Unavailable)(silence, metadata={"action": action}) from None
        answer = _decoded(text)
        if not 200 <= status < 300:
            raise error_of(action, status, answer, answered, effect=effect)
        if text and answer is _UNREADABLE:
            raise PlatformError(f"Discord's answer to {action} is no JSON", metadata={"action": action})
        return well_formed(answer) if text else None

    async def download(self, url: str, max_bytes: int) -> AsyncIterator[bytes]:
        """The bytes of an attachment, without the bot's token: its address is public."""
        problem: Unavailable | None = None
        try:
            async with self._session.get(url, headers={"User-Agent": USER_AGENT}) as response:
                if response.status in (403, 404):
                    raise NotFound("Discord has no such file any more, or its address has expired")
                if response.status != 200:
                    raise Unavailable(f"Discord refused the file with {response.status}")
                size = 0
                async for chunk in response.content.iter_chunked(CHUNK):
                    size += len(chunk)
                    if size > max_bytes:
                        raise ContentTooLarge(f"the file is larger than {max_bytes} bytes")
                    yield chunk
        except (aiohttp.ClientError, TimeoutError) as error:
            problem = Unavailable(f"the file did not arrive: {type(error).__name__}")
        if problem is not None:
            raise problem


_UNREADABLE = "\0"


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _UNREADABLE if text else None


def _encoded(body: Mapping[str, Any] | Sequence[Any] | None, files: Sequence[Attachment]) -> Any:
    if body is None and not files:
        return None
    if not files:
        return aiohttp.JsonPayload(body)
    # Discord does not understand escaped brackets in the names of fields.
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("payload_json", json.dumps(body), content_type="application/json")
    for number, file in enumerate(files):
        form.add_field(
            f"files[{number}]",
            file.data,
            filename=file.name,
            content_type=file.mime or "application/octet-stream",
        )
    return form
