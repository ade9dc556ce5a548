"""Forward mode: the adapter dials the implementation, and again whenever the connection ends, until it is cancelled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import aiohttp
from jackfield_sdk import AuthExpired, BotState, InvalidArgument, JackfieldError, Unavailable

from jackfield_onebot.accounts import OpenBot
from jackfield_onebot.connection import Connection, Receive
from jackfield_onebot.convert.entities import table
from jackfield_onebot.convert.values import id_of
from jackfield_onebot.server import LONGEST_FRAME, PING_SECONDS

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
# A wrong token is tried again, but not often.
REFUSED_PAUSE = 60.0
CONNECT_SECONDS = 10.0

Connecting = Callable[[], Awaitable[aiohttp.ClientWebSocketResponse]]
# (account, connection, its life) → until the connection is over.
Carry = Callable[[str, Connection, Awaitable[None]], Awaitable[None]]


async def connect(url: str, token: str, http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    """One connection. Raises AuthExpired for a refused token, Unavailable for everything else."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await http.ws_connect(
                url, headers=headers, max_msg_size=LONGEST_FRAME, heartbeat=PING_SECONDS
            )
    except aiohttp.WSServerHandshakeError as error:
        if error.status in (401, 403):
            raise AuthExpired(
                f"the OneBot implementation refused the access token with {error.status}",
                remedy="Give access_token the value of the implementation.",
            ) from None
        raise Unavailable(f"the OneBot implementation answered with {error.status}") from None
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unavailable(
            f"the OneBot implementation is not reached: {type(error).__name__}",
            remedy="Start it, or correct url.",
        ) from None


async def dial(
    opened: OpenBot,
    connecting: Connecting,
    first: aiohttp.ClientWebSocketResponse | None,
    receive: Receive,
    carry: Carry,
) -> None:
    """One connection after the other, beginning with `first`. Only `opened` and what `receive` and `carry` do is touched."""
    bot = opened.bot
    pause = FIRST_PAUSE
    while True:
        try:
            await _talk(opened, first or await connecting(), receive, carry)
            pause = FIRST_PAUSE
            bot.state(BotState.CONNECTING, "the OneBot implementation ended the connection")
        except (AuthExpired, InvalidArgument) as error:
            bot.state(BotState.FAILED, error)
            pause = REFUSED_PAUSE
        except JackfieldError as error:
            bot.state(BotState.CONNECTING, error)
        first = None
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(2 * pause, LONGEST_PAUSE)


async def _talk(
    opened: OpenBot, socket: aiohttp.ClientWebSocketResponse, receive: Receive, carry: Carry
) -> None:
    async with socket:
        connection = Connection(socket, opened.bot.log)
        running = asyncio.create_task(connection.run(receive), name=f"reads {opened.bot.name}")
        try:
            login = table((await connection.call("get_login_info", {}, effect=False)).get("data"))
            await carry(checked(opened.self_id, id_of(login.get("user_id"))), connection, running)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def checked(wanted: str, self_id: str) -> str:
    """The account that the implementation is logged in with. Raises InvalidArgument for another one than the bot's."""
    if not self_id or (wanted and self_id != wanted):
        raise InvalidArgument(
            f"the OneBot implementation is logged in as {self_id or 'nobody'}, not as {wanted or 'anybody'}",
            remedy="Correct self_id, or the address.",
            metadata={"field": "self_id"},
        )
    return self_id
