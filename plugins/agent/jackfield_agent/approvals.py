"""Tools that ask a person first. Question and decision stand in the kernel's keys, so both outlive this process."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from jackfield.v1 import tool_pb2
from jackfield_sdk import Conflict, PluginContext

PREFIX = "approval/"
CONTROLS = "agent/approval/"
ASKED, APPROVED, DENIED, EXPIRED = "asked", "approved", "denied", "expired"
# A decision is kept longer than any delivery lives.
KEEP_SECONDS = 2 * 86_400
# Another process of this plugin may have taken the decision: during an upgrade two of them run.
LOOK_AGAIN = 1.0
MOST_LISTED = 1000

_ASKS = {
    "never": frozenset[int](),
    "destructive": frozenset({tool_pb2.TOOL_DANGER_DESTRUCTIVE, tool_pb2.TOOL_DANGER_UNSPECIFIED}),
    "dangerous": frozenset(
        {tool_pb2.TOOL_DANGER_DESTRUCTIVE, tool_pb2.TOOL_DANGER_UNSPECIFIED, tool_pb2.TOOL_DANGER_MUTATING}
    ),
}


def must_ask(policy: str, danger: int) -> bool:
    """Whether a tool of this danger asks first. An unknown policy or danger asks."""
    if policy in _ASKS and danger in tool_pb2.ToolDanger.values():
        return danger in _ASKS[policy]
    return policy != "never"


@dataclass(frozen=True, slots=True)
class Question:
    """One tool that asks. `expires` in seconds since 1970; `place` is bot and chat, `user` who made the agent ask.

    `origin` names the call with its arguments: a decision holds for nothing else.
    """

    id: str
    origin: str
    tool: str
    bot: str
    place: str
    user: str
    expires: float
    state: str = ASKED


SHORT = 6
LONG = 16


def origin_of(delivery_id: str, key: str, arguments: str) -> str:
    """Names a call with its arguments, the same at each attempt; its beginning is what people type."""
    return hashlib.sha256("\0".join((delivery_id, key, arguments)).encode()).hexdigest()


class Approvals:
    """Questions and their answers. `now` gives the time in seconds since 1970."""

    def __init__(self, plugin: PluginContext, now: Callable[[], float]) -> None:
        self._plugin = plugin
        self._kv = plugin.kv
        self._now = now
        self._waiting: dict[str, asyncio.Event] = {}

    async def ask(self, question: Question) -> Question:
        """Note a question; returns it as it was noted by an earlier attempt, if there was one.

        A short id that another question has is made longer; the decision about that one is not taken.
        """
        for length in (SHORT, LONG, len(question.origin)):
            question = replace(question, id=question.origin[:length])
            try:
                await self._kv.cas(PREFIX + question.id, _written(question), 0, ttl=KEEP_SECONDS)
            except Conflict:
                known = await self.find(question.id)
                if known is not None and known.origin == question.origin:
                    return known
                continue
            break
        return question

    async def decision(self, question: Question) -> str:
        """Waits for APPROVED, DENIED or EXPIRED. While this process ends, the delivery is handed back: the next one waits."""
        woken = self._waiting.setdefault(question.id, asyncio.Event())
        try:
            while True:
                woken.clear()
                known = await self.find(question.id)
                if known is None:
                    return EXPIRED
                if known.state != ASKED:
                    return known.state
                if self._plugin.draining:
                    raise asyncio.CancelledError
                left = question.expires - self._now()
                if left <= 0:
                    return (await self.decide(question.id, EXPIRED)).state
                try:
                    async with asyncio.timeout(min(left, LOOK_AGAIN)):
                        await woken.wait()
                except TimeoutError:
                    continue
        finally:
            self._waiting.pop(question.id, None)

    async def decide(self, question: str, state: str) -> Question:
        """Answer a question, unless it was answered before; returns it as it is now. Raises KeyError for an unknown one."""
        while True:
            entry = await self._kv.entry(PREFIX + question)
            if entry is None or entry.version is None:
                raise KeyError(question)
            known = _read(entry.value)
            if known.state != ASKED:
                return known
            if known.expires <= self._now():
                state = EXPIRED
            decided = replace(known, state=state)
            try:
                await self._kv.cas(PREFIX + question, _written(decided), entry.version, ttl=KEEP_SECONDS)
            except Conflict:
                continue
            if (woken := self._waiting.get(question)) is not None:
                woken.set()
            return decided

    async def find(self, question: str) -> Question | None:
        """A question by its id."""
        value = await self._kv.get(PREFIX + question)
        return _read(value) if value is not None else None

    async def open_at(self, place: str) -> list[Question]:
        """Questions of a chat that wait for an answer."""
        found = [_read(entry.value) for entry in await self._kv.list(PREFIX, limit=MOST_LISTED)]
        return [
            one for one in found if one.place == place and one.state == ASKED and one.expires > self._now()
        ]


def _written(question: Question) -> str:
    return json.dumps(asdict(question))


def _read(value: bytes) -> Question:
    return Question(**json.loads(value))
