"""From a frame or a request to durable events, and only then to the acknowledgement."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

from jackfield_sdk import Bot, InvalidArgument, JackfieldError, NotFound, PermissionDenied
from jackfield_sdk.ingress import HttpRequest, HttpResponse

from jackfield_lark.convert.context import Self
from jackfield_lark.convert.incoming import Heard, heard
from jackfield_lark.places import learn_chat, place_of
from jackfield_lark.socket import Acknowledge
from jackfield_lark.web import Web

MOST_WAITING = 64
# Lark asks for an answer within three seconds.
ASKING_SECONDS = 2.0
_WITHOUT_PLACE = ("im.message.reaction.created_v1", "im.message.reaction.deleted_v1")
_WITHOUT_KIND = (*_WITHOUT_PLACE, "im.message.recalled_v1", "card.action.trigger")


class Intake:
    """One bot's way in."""

    def __init__(self, bot: Bot, web: Web, me: Self) -> None:
        self._bot = bot
        self._web = web
        self._me = me
        self._waiting: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(MOST_WAITING)

    async def frame(self, payload: bytes, acknowledge: Acknowledge) -> None:
        """One event of the long connection: queued in order, acknowledged when durable. A flood waits here and slows Lark down."""
        try:
            found = await self.understood(_json(payload))
        except InvalidArgument as error:
            # Sent again it would be no better.
            self._bot.log.warning("an event was not understood: %s", error.message)
            await self._settle((), acknowledge)
            return
        except JackfieldError as error:
            self._bot.log.warning("an event was not taken, Lark sends it again: %s", error)
            return
        await self._room.acquire()
        try:
            durable = [await self._bot.publish_nowait(one.event, one.dedup_key) for one in found]
        except JackfieldError as error:
            self._room.release()
            self._bot.log.warning("an event was not taken: %s", error)
            if not error.retryable:
                # Sent again it would be no better.
                await self._settle((), acknowledge)
            return
        task = asyncio.create_task(
            self._settle(durable, acknowledge), name=f"acknowledges for {self._bot.name}"
        )
        self._waiting.add(task)
        task.add_done_callback(self._settled)

    async def _settle(self, durable: Iterable[asyncio.Future[None]], acknowledge: Acknowledge) -> None:
        try:
            for one in durable:
                await one
            await acknowledge()
        except JackfieldError as error:
            self._bot.log.warning("an event was not taken, Lark sends it again: %s", error)
        except (ConnectionError, RuntimeError) as error:
            self._bot.log.info("the connection took no acknowledgement: %s", type(error).__name__)

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._waiting.discard(task)
        self._room.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bot.log.error("an event was not settled", exc_info=error)

    async def settle(self) -> None:
        """Waits until everything that was heard is durable and acknowledged."""
        if self._waiting:
            await asyncio.wait(set(self._waiting), timeout=5.0)
        for task in self._waiting:
            task.cancel()

    async def request(self, request: HttpRequest) -> HttpResponse | None:
        """One request of the platform. Answered when durable; raises InvalidArgument, and what the kernel refuses."""
        self._bot.alive()
        for one in await self.understood(request.json()):
            await self._bot.publish(one.event, one.dedup_key)
        return HttpResponse.json({})

    async def understood(self, payload: Any) -> list[Heard]:
        """The events of a payload. Raises InvalidArgument; RateLimited or Unavailable where Lark does not say what it left out."""
        if not isinstance(payload, Mapping):
            raise InvalidArgument("the payload is no object")
        try:
            await self._ask(payload)
            return heard(payload, self._me)
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            # The shape of a stranger's JSON: nothing of it may end the intake.
            raise InvalidArgument(f"the payload has another shape: {type(error).__name__}") from error

    async def _ask(self, payload: Mapping[str, Any]) -> None:
        header, event = payload.get("header"), payload.get("event")
        if not isinstance(header, dict) or not isinstance(event, dict):
            return
        kind, chat = header.get("event_type"), event.get("chat_id")
        if kind not in _WITHOUT_KIND:
            return
        context = event.get("context")
        if isinstance(context, dict):
            chat = context.get("open_chat_id")
        try:
            async with asyncio.timeout(ASKING_SECONDS):
                if kind in _WITHOUT_PLACE and isinstance(event.get("message_id"), str):
                    chat = (await place_of(self._web, self._me, event["message_id"])).chat
                if isinstance(chat, str) and chat:
                    await learn_chat(self._web, self._me, chat)
        except (NotFound, PermissionDenied, TimeoutError) as error:
            # Told with what is known rather than never.
            self._bot.log.info("Lark did not say where an event happened: %s", type(error).__name__)


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("the event is no JSON") from error
