"""Webhooks: the platform sends updates to the listener of the plugin `ingress`, which verifies the secret and hands them over."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from jackfield.v1 import ingress_pb2
from jackfield_sdk import (
    AuthExpired,
    Bot,
    BotState,
    Call,
    InvalidArgument,
    JackfieldError,
    Unavailable,
)
from jackfield_sdk.ingress import HttpRequest, HttpResponse

from jackfield_telegram.calls import Acting
from jackfield_telegram.convert.updates import KINDS, id_of
from jackfield_telegram.convert.values import table, text_of, well_formed
from jackfield_telegram.polling import FIRST_WAIT, LONGEST_WAIT, REFUSED_WAITS, Sleep
from jackfield_telegram.wire import Api

ROUTE = "updates"
ADDRESSES = "/jackfield.v1.IngressAddresses/GetAddresses"
# How often it is seen to that the platform still sends here.
CHECK_SECONDS = 60.0
# What the platform accepts as a secret.
_SECRET = re.compile(r"[A-Za-z0-9_-]{16,256}")


class Webhooks(Acting):
    """Updates that were sent here."""

    async def handle_request(self, call: Call, request: HttpRequest) -> HttpResponse | None:
        """Answered when every event of the update is durable."""
        account = self.account_of(call)
        try:
            update = json.loads(request.body)
        except (ValueError, RecursionError):
            update = None
        if id_of(update) is None:
            raise InvalidArgument("the body is no update", metadata={"field": "body"})
        await account.intake.take([well_formed(update)], b"")
        account.bot.alive()
        return None


def secret_of(bot: Bot) -> str:
    """The secret that proves where updates come from. Raises InvalidArgument: without one anybody could write as anybody."""
    secret = str(bot.config.get("webhook_secret") or "")
    if not _SECRET.fullmatch(secret):
        raise InvalidArgument(
            f"bot {bot.name} has no usable webhook_secret",
            remedy="Set `webhook_secret` to 16 to 256 letters, digits, _ and -; for example from: openssl rand -hex 32.",
            metadata={"field": "webhook_secret"},
        )
    return secret


class Registration:
    """Tells the platform where to send, and looks again and again whether it still does. `run` ends by being cancelled only."""

    def __init__(self, bot: Bot, api: Api, secret: str, sleep: Sleep = asyncio.sleep) -> None:
        self._bot = bot
        self._api = api
        self._secret = secret
        self._sleep = sleep
        self._set = ""
        self._failures = 0

    async def run(self) -> None:
        """Registers and watches."""
        while True:
            try:
                await self._see_to_it()
            except JackfieldError as error:
                await self._failed(error)
            else:
                self._failures = 0
                await self._sleep(CHECK_SECONDS)

    async def _see_to_it(self) -> None:
        url = await self._address()
        present: Mapping[str, Any] = table(await self._api.call("getWebhookInfo"))
        self._bot.alive()
        # The platform does not tell the secret, so that it is set once by every process in any case.
        if self._set != url or text_of(present.get("url")) != url:
            # One connection: several would mix up the order of a chat.
            await self._api.call(
                "setWebhook",
                url=url,
                secret_token=self._secret,
                allowed_updates=list(KINDS),
                max_connections=1,
            )
            self._set = url
        if self._bot.reported is not BotState.ACTIVE:
            self._bot.state(BotState.ACTIVE)

    async def _address(self) -> str:
        request = ingress_pb2.GetAddressesRequest(bot=self._bot.name)
        response = await self._bot.plugin.call(ADDRESSES, request, ingress_pb2.GetAddressesResponse)
        for address in response.addresses:
            if address.route == ROUTE and address.public:
                return str(address.url)
        raise Unavailable(
            "the platform cannot reach this machine: the plugin ingress states no public address for this bot",
            remedy="Set public_url of the plugin ingress, or mode: polling for this bot.",
        )

    async def _failed(self, error: JackfieldError) -> None:
        self._failures += 1
        if isinstance(error, AuthExpired):
            self._bot.state(BotState.FAILED, error)
            await self._sleep(REFUSED_WAITS[min(self._failures, len(REFUSED_WAITS)) - 1])
            return
        if self._failures > 1 or self._bot.reported is not BotState.ACTIVE:
            self._bot.state(BotState.CONNECTING, error)
        wait = min(FIRST_WAIT * 2 ** min(self._failures - 1, 10), LONGEST_WAIT)
        await self._sleep(max(wait, error.retry_after or 0.0))
