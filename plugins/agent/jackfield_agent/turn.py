"""One answer: model, tools, model again, until there is nothing left to call or a bound is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jackfield.v1 import conversation_pb2, model_pb2, tool_pb2
from jackfield_sdk import Context, JackfieldError, LeaseLost, Message

from jackfield_agent.asking import Asking
from jackfield_agent.catalog import OfferedTool
from jackfield_agent.incoming import media_of, text_of
from jackfield_agent.memory import Memory
from jackfield_agent.replying import Reply
from jackfield_agent.settings import Settings
from jackfield_agent.texts import Texts
from jackfield_agent.tooling import Tooling, answer

MOST_MALFORMED = 3
SHOWN = 500


class Bound(Exception):
    """The answer reached a bound that the operator set."""

    def __init__(self, name: str, count: int) -> None:
        super().__init__(f"{name}: {count}")
        self.name = name
        self.count = count


@dataclass(slots=True)
class Spent:
    """What an answer took so far."""

    rounds: int = 0
    usage: model_pb2.ModelUsage = field(default_factory=model_pb2.ModelUsage)

    @property
    def tokens(self) -> int:
        """Read and written."""
        return self.usage.input_tokens + self.usage.output_tokens

    def add(self, usage: model_pb2.ModelUsage) -> None:
        """Count one request."""
        for counted in usage.DESCRIPTOR.fields:
            total = getattr(self.usage, counted.name) + getattr(usage, counted.name)
            setattr(self.usage, counted.name, total)


class Clock:
    """Time spent, waiting for people left out. `now` in seconds."""

    def __init__(self, now: Callable[[], float], seconds: float) -> None:
        self._now = now
        self._end = now() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, never below a moment."""
        return max(0.05, self._end - self._now())

    @property
    def over(self) -> bool:
        """True when the time is used up."""
        return self._now() >= self._end

    def give_back(self, seconds: float) -> None:
        """Time that a person took."""
        self._end += seconds

    @property
    def now(self) -> float:
        """The time."""
        return self._now()


class Turn:
    """Works on one delivery. `said` holds the turns of this answer so far, for the memory."""

    def __init__(
        self,
        ctx: Context,
        settings: Settings,
        texts: Texts,
        memory: Memory,
        asking: Asking,
        tooling: Tooling,
        clock: Clock,
    ) -> None:
        self._ctx = ctx
        self._settings = settings
        self._texts = texts
        self._memory = memory
        self._asking = asking
        self._tooling = tooling
        self._clock = clock
        self.said: list[conversation_pb2.ConversationTurn] = []
        self.spent = Spent()
        self.partial = ""
        self.reply: Reply | None = None
        self.answer = ""
        self._media = Message()

    async def run(
        self,
        system: model_pb2.ModelMessage,
        user: model_pb2.ModelMessage,
        tools: dict[str, OfferedTool],
        user_id: str = "",
    ) -> None:
        """Answer. Raises ModelFailed and Bound; what was said until then stands in `said` and `partial`."""
        before = [system, *self._memory.messages]
        self.said.append(self._memory.turn(user, user_id=user_id, message_id=self._ctx.event.message_id))
        for number in range(self._settings.max_rounds + 1):
            self.spent.rounds = number + 1
            request = self._request(before, tools, last=number == self._settings.max_rounds)
            finish = await self._asked(request, number)
            calls = finish.message.tool_calls
            self.said.append(self._memory.turn(finish.message, finish.usage))
            self.partial = ""
            self._tell(finish)
            if not calls:
                return
            if number == self._settings.max_rounds:
                raise Bound("rounds", self._settings.max_rounds)
            await self._run_tools(list(calls), number)
            self._check()

    def _request(
        self, before: list[model_pb2.ModelMessage], tools: dict[str, OfferedTool], *, last: bool
    ) -> model_pb2.ChatRequest:
        request = model_pb2.ChatRequest(messages=[*before, *(turn.message for turn in self.said)])
        for name, offered in tools.items():
            tool = tool_pb2.Tool()
            tool.CopyFrom(offered.tool)
            tool.name = name
            request.tools.append(tool)
        if last:
            request.tool_choice = model_pb2.TOOL_CHOICE_NONE
        return request

    async def _asked(self, request: model_pb2.ChatRequest, number: int) -> model_pb2.ChatFinish:
        reply = self.reply = Reply(
            self._ctx, f"reply/{number}", self._settings.target, lambda: self._clock.now
        )

        async def heard(text: str) -> None:
            self.partial = text
            try:
                await reply.grow(text)
            except LeaseLost:
                raise
            except JackfieldError as error:
                # Not the model's fault: it goes on, and the settled reply fails or not by itself.
                self._ctx.log.warning("the reply cannot grow: %s", error)
                await reply.abandon()

        try:
            async with asyncio.timeout(self._clock.left):
                finish = await self._asking.ask(request, f"model/{number}", heard, self._clock.left + 1.0)
        except TimeoutError:
            raise Bound("time", self._settings.max_seconds) from None
        self.spent.add(finish.usage)
        text, media = self._shown(finish), media_of(finish.message)
        if not finish.message.tool_calls and self._media:
            media, self._media = media + self._media, Message()
        self.answer = text or self.answer
        await reply.finish(text, media or None)
        return finish

    def _shown(self, finish: model_pb2.ChatFinish) -> str:
        """The text of a round as the user sees it; a round without any says why, when it is the last."""
        text = text_of(finish.message)
        if finish.reason == model_pb2.FINISH_REASON_LENGTH:
            return f"{text}\n\n{self._texts('length')}".strip()
        if finish.reason == model_pb2.FINISH_REASON_FILTERED:
            return f"{text}\n\n{self._texts('filtered')}".strip()
        if not text.strip() and not finish.message.tool_calls and not media_of(finish.message):
            return "" if self._media else self._texts("empty")
        return text

    async def _run_tools(self, calls: list[model_pb2.ToolCall], number: int) -> None:
        """All calls of a round at once; their answers in the order in which they were asked for."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._tooling.run(call, f"tool/{number}/{call.id}")) for call in calls
                ]
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        for task in tasks:
            result = task.result()
            self._media += media_of(result)
            self.said.append(self._memory.turn(result))

    def settle(self, note: str) -> None:
        """End what was broken off, so that the memory holds no call without an answer: `note` says why."""
        said, self.partial = self.partial, ""
        answered = {turn.message.tool_call_id for turn in self.said}
        for turn in list(self.said):
            for call in turn.message.tool_calls:
                if call.id not in answered:
                    self.said.append(self._memory.turn(answer(call, note, failed=True)))
        last = model_pb2.ModelMessage(role=model_pb2.MODEL_ROLE_ASSISTANT)
        last.content.segments.add().text.text = f"{said}\n\n{note}".strip()
        self.said.append(self._memory.turn(last))
        self.answer = text_of(last)

    def _check(self) -> None:
        if self._tooling.malformed >= MOST_MALFORMED:
            raise Bound("malformed", MOST_MALFORMED)
        if self.spent.tokens > self._settings.max_tokens:
            raise Bound("tokens", self._settings.max_tokens)
        if self._clock.over:
            raise Bound("time", self._settings.max_seconds)

    def _tell(self, finish: model_pb2.ChatFinish) -> None:
        data: dict[str, Any] = {
            "round": self.spent.rounds,
            "model": finish.model,
            "text": text_of(finish.message)[:SHOWN],
            "tools": [call.name for call in finish.message.tool_calls],
            "input_tokens": finish.usage.input_tokens,
            "output_tokens": finish.usage.output_tokens,
        }
        self._ctx.emit("step", data)
