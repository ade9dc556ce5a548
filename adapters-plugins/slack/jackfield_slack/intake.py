"""From an envelope or a request to durable events, and only then to the acknowledgement."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from jackfield_sdk import Bot, InvalidArgument, JackfieldError
from jackfield_sdk.ingress import HttpRequest, HttpResponse

from jackfield_slack.convert.incoming import Heard, Self, heard
from jackfield_slack.convert.interactions import command, interaction
from jackfield_slack.socket import Acknowledge

MOST_WAITING = 64


class Intake:
    """One bot's way in."""

    def __init__(self, bot: Bot, me: Self) -> None:
        self._bot = bot
        self._me = me
        self.heard_until = _time(bot.checkpoint)
        """When Slack was heard last: the checkpoint, in seconds since 1970."""
        self._waiting: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(MOST_WAITING)

    async def envelope(self, frame: dict[str, Any], acknowledge: Acknowledge) -> None:
        """One envelope of Socket Mode: queued in order, acknowledged when durable. A flood waits here and slows Slack down."""
        try:
            found = self.understood(str(frame.get("type")), frame.get("payload"))
        except InvalidArgument as error:
            # Sent again it would be no better.
            self._bot.log.warning("an envelope was not understood: %s", error.message)
            await acknowledge()
            return
        await self._room.acquire()
        self.heard_until = time.time()
        mark = f"{self.heard_until:.3f}".encode()
        try:
            durable = [await self._bot.publish_nowait(one.event, one.dedup_key, mark) for one in found]
        except BaseException as error:
            self._room.release()
            if not isinstance(error, JackfieldError):
                raise
            await self._refused(error, acknowledge)
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
            await self._refused(error, acknowledge)
        except (ConnectionError, RuntimeError) as error:
            self._bot.log.info("the socket took no acknowledgement: %s", type(error).__name__)

    async def _refused(self, error: JackfieldError, acknowledge: Acknowledge) -> None:
        """Slack sends again what may be taken later; what never will be is taken from its hands."""
        if error.retryable:
            self._bot.log.warning("an event was not taken, Slack sends it again: %s", error)
            return
        self._bot.log.error("an event was refused and is gone: %s", error)
        with contextlib.suppress(ConnectionError, RuntimeError):
            await acknowledge()

    def _settled(self, task: asyncio.Task[None]) -> None:
        self._waiting.discard(task)
        self._room.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bot.log.error("an envelope was not settled", exc_info=error)

    async def settle(self) -> None:
        """Waits until everything that was heard is durable and acknowledged."""
        if self._waiting:
            await asyncio.wait(set(self._waiting), timeout=5.0)
        for task in self._waiting:
            task.cancel()

    async def request(self, request: HttpRequest) -> HttpResponse | None:
        """One request of the Events API. Answered when durable; raises InvalidArgument, and what the kernel refuses."""
        if retry := request.header("x-slack-retry-num"):
            reason = request.header("x-slack-retry-reason")
            self._bot.log.info("Slack sends a request again (%.8s, %.40s)", retry, reason)
        self._bot.alive()
        for one in self.understood(*_kind_and_payload(request)):
            await self._bot.publish(one.event, one.dedup_key)
        return None

    def understood(self, kind: str, payload: Any) -> list[Heard]:
        """The events of a payload. Raises InvalidArgument."""
        if not isinstance(payload, Mapping):
            raise InvalidArgument("the payload is no object")
        try:
            if kind == "events_api":
                if payload.get("type") != "event_callback":
                    return []
                found = heard(payload, self._me)
                return [found] if found is not None else []
            if kind == "slash_commands":
                return [command(payload, self._me)]
            if kind == "interactive":
                return list(interaction(payload, self._me))
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            # The shape of a stranger's JSON: nothing of it may end the intake.
            raise InvalidArgument(f"the payload has another shape: {type(error).__name__}") from error
        raise InvalidArgument(f"there is no envelope of the type {kind[:40]!r}")


def _time(checkpoint: bytes) -> float:
    """0 for none, and for one that is not ours."""
    try:
        return float(checkpoint or b"0")
    except ValueError:
        return 0.0


def _kind_and_payload(request: HttpRequest) -> tuple[str, Any]:
    """Events come as JSON, interactions as a form with JSON inside, commands as a form."""
    if request.content_type != "application/x-www-form-urlencoded":
        return "events_api", request.json()
    form = request.form()
    if "payload" not in form:
        return "slash_commands", form
    try:
        return "interactive", json.loads(form["payload"])
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("the payload is no JSON") from error
