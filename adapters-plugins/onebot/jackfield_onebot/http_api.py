"""HTTP mode: actions as requests to the implementation. Its events come through ingress."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from jackfield_sdk import (
    AuthExpired,
    BotState,
    DeadlineExceeded,
    InvalidArgument,
    JackfieldError,
    NotSupported,
    OutcomeUnknown,
    PlatformError,
    Unavailable,
)

from jackfield_onebot.accounts import Account, OpenBot
from jackfield_onebot.connection import ACTION_SECONDS
from jackfield_onebot.convert.entities import table
from jackfield_onebot.convert.values import id_of, text_of
from jackfield_onebot.dialling import FIRST_PAUSE, LONGEST_PAUSE, checked
from jackfield_onebot.errors import error_of, succeeded

PROOF_SECONDS = 30.0
LARGEST_ANSWER = 16 << 20


class HttpActions:
    """`POST <address>/<action>` with the parameters as JSON; the same face as a connection."""

    def __init__(self, url: str, token: str, http: aiohttp.ClientSession) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = http

    async def call(
        self, action: str, params: Mapping[str, Any], timeout: float = ACTION_SECONDS, *, effect: bool = True
    ) -> Mapping[str, Any]:
        """Runs one action and returns the whole answer. Raises the error that the answer means."""
        seconds = max(0.0, min(timeout, ACTION_SECONDS))
        try:
            async with asyncio.timeout(seconds):
                async with self._http.post(
                    f"{self._url}/{action}",
                    json=dict(params),
                    headers=self._headers,
                    allow_redirects=False,
                ) as answer:
                    body = await _body(answer, action)
                    status = answer.status
        except TimeoutError:
            raise DeadlineExceeded(
                f"the OneBot implementation did not answer {action} in time", metadata={"action": action}
            ) from None
        except aiohttp.ClientConnectorError as error:
            raise Unavailable(f"the OneBot implementation is not reached: {type(error).__name__}") from None
        except aiohttp.ClientError as error:
            if effect:
                raise OutcomeUnknown("the OneBot implementation left before it answered") from None
            raise Unavailable(f"no answer to {action}: {type(error).__name__}") from None
        if status != 200:
            raise _status_error(action, status)
        if not succeeded(body):
            raise error_of(action, body)
        return body

    async def close(self, code: int, reason: str) -> None:
        """There is no lasting connection."""


async def login(actions: HttpActions, wanted: str) -> tuple[str, str]:
    """Id and name of the account. Raises AuthExpired, InvalidArgument for another account than the wanted one, Unavailable."""
    found = table((await actions.call("get_login_info", {}, effect=False)).get("data"))
    return checked(wanted, id_of(found.get("user_id"))), text_of(found.get("nickname"))


def join(opened: OpenBot, actions: HttpActions, self_id: str, nickname: str) -> None:
    """The account is there."""
    account = opened.accounts.get(self_id)
    if account is None:
        # Another login is another account.
        opened.accounts.clear()
        account = opened.accounts[self_id] = Account(self_id)
    account.actions = actions
    opened.greet(self_id, nickname)
    opened.bot.alive()


async def watch(opened: OpenBot, actions: HttpActions) -> None:
    """Asks who is logged in, at once and every half minute, until it is cancelled: that is how the bot is known to be there."""
    bot = opened.bot
    pause = FIRST_PAUSE
    while True:
        try:
            self_id, nickname = await login(actions, opened.self_id)
        except (AuthExpired, InvalidArgument) as error:
            opened.accounts.clear()
            bot.state(BotState.FAILED, error)
            pause = LONGEST_PAUSE
        except JackfieldError as error:
            opened.accounts.clear()
            bot.state(BotState.CONNECTING, error)
        else:
            join(opened, actions, self_id, nickname)
            pause = PROOF_SECONDS
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _status_error(action: str, status: int) -> JackfieldError:
    metadata = {"action": action, "platform_code": str(status)}
    if status in (401, 403):
        return AuthExpired(
            f"the OneBot implementation refused the access token with {status}",
            remedy="Give access_token the value of the implementation.",
            metadata=metadata,
        )
    if status == 404:
        return NotSupported(
            f"the OneBot implementation has no {action}", metadata={**metadata, "api": action}
        )
    if status >= 500:
        return Unavailable(f"the OneBot implementation answered {action} with {status}", metadata=metadata)
    return PlatformError(f"the OneBot implementation answered {action} with {status}", metadata=metadata)


async def _body(answer: aiohttp.ClientResponse, action: str) -> dict[str, Any]:
    data = bytearray()
    async for chunk in answer.content.iter_chunked(65_536):
        data += chunk
        if len(data) > LARGEST_ANSWER:
            raise PlatformError(f"the answer to {action} is above {LARGEST_ANSWER >> 20} MiB")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
