"""Running what the model calls: once per key, with a person's word where it needs one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from jackfield.v1 import message_pb2, model_pb2, tool_pb2
from jackfield_sdk import (
    Cancelled,
    Context,
    DeadlineExceeded,
    JackfieldError,
    LeaseLost,
    OutcomeUnknown,
    Target,
    wellknown,
)

from jackfield_agent.approvals import APPROVED
from jackfield_agent.asking import connected
from jackfield_agent.catalog import TOOLS, OfferedTool

CALL = f"/{TOOLS}/CallTool"
TRIES = 4
LONGEST_RESULT = 32_000
NOTE_SECONDS = 2 * 86_400
Approve = Callable[[OfferedTool, model_pb2.ToolCall, str], Awaitable[str]]
Sleep = Callable[[float], Awaitable[None]]


class Malformed(ValueError):
    """The model wrote arguments that are no JSON object."""


class Tooling:
    """Runs tools for one delivery. `approve` says what a person decided about a call, or that none is needed."""

    def __init__(
        self,
        ctx: Context,
        tools: Mapping[str, OfferedTool],
        approve: Approve,
        seconds: float,
        language: str,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._ctx = ctx
        self._tools = tools
        self._approve = approve
        self._seconds = seconds
        self._language = language
        self._sleep = sleep
        self.malformed = 0

    async def run(self, call: model_pb2.ToolCall, key: str) -> model_pb2.ModelMessage:
        """The turn that answers a call: whatever goes wrong is told to the model."""
        offered = self._tools.get(call.name)
        if offered is None:
            known = ", ".join(sorted(self._tools)) or "none"
            return answer(call, f"There is no tool {call.name[:64]!r}. Tools: {known}", failed=True)
        try:
            arguments = arguments_of(call.arguments_json)
        except Malformed as fault:
            self.malformed += 1
            return answer(call, f"The arguments cannot be read: {fault}. Write one JSON object.", failed=True)
        decision = await self._approve(offered, call, key)
        if decision != APPROVED:
            text = f"The tool did not run: the user's approval was {decision}. Do not call it again unasked."
            return answer(call, text, failed=True)
        return await self._run(offered, call, arguments, key)

    async def _run(
        self, offered: OfferedTool, call: model_pb2.ToolCall, arguments: dict[str, Any], key: str
    ) -> model_pb2.ModelMessage:
        note = f"unknown/{self._ctx.delivery_id}/{key}"[:512]
        harmless = offered.tool.danger == tool_pb2.TOOL_DANGER_SAFE
        if not harmless and await self._ctx.kv.get(note) is not None:
            return _unknown(call)
        for attempt in range(1, TRIES + 1):
            try:
                return _result(call, await self._called(offered, arguments, key))
            except (LeaseLost, Cancelled):
                raise
            except (OutcomeUnknown, DeadlineExceeded) as error:
                self._ctx.log.warning("tool %s/%s: %s", offered.plugin, offered.tool.name, error)
                if not harmless:
                    # The broker keeps no result of it; without this note the next attempt would run it again.
                    await self._ctx.kv.put(note, b"1", ttl=NOTE_SECONDS, now=True)
                    return _unknown(call)
                if attempt == TRIES or isinstance(error, DeadlineExceeded):
                    return _failed(call, error)
            except JackfieldError as error:
                self._ctx.log.warning("tool %s/%s: %s", offered.plugin, offered.tool.name, error)
                if not error.retryable or attempt == TRIES:
                    return _failed(call, error)
                await self._sleep(min(error.retry_after or 0.25 * 2**attempt, 10.0))
                await connected(self._ctx)
        raise AssertionError("every attempt returns or is the last")

    async def _called(self, offered: OfferedTool, arguments: dict[str, Any], key: str) -> tool_pb2.ToolResult:
        request = tool_pb2.CallToolRequest(
            name=offered.tool.name, arguments=wellknown.struct_to_proto(arguments), locale=self._language
        )
        event = self._ctx.event
        target = Target(bot=event.bot, chat=event.chat if event.bot else None, plugin=offered.plugin)
        result: tool_pb2.ToolResult | None = None
        stream = self._ctx.call_stream(
            CALL, request, tool_pb2.CallToolResponse, target=target, key=key, timeout=self._seconds
        )
        async for step in stream:
            if step.HasField("result"):
                result = step.result
        if result is None:
            raise JackfieldError("the tool ended without a result", reason="INTERNAL")
        return result


def arguments_of(text: str) -> dict[str, Any]:
    """The arguments as the model wrote them. Raises Malformed."""
    try:
        arguments = json.loads(text or "{}", parse_constant=_refused)
    except (ValueError, RecursionError) as fault:
        raise Malformed(str(fault)[:200]) from fault
    if not isinstance(arguments, dict):
        raise Malformed(f"a JSON object is needed, not {type(arguments).__name__}")
    return arguments


def answer(call: model_pb2.ToolCall, text: str, *, failed: bool = False) -> model_pb2.ModelMessage:
    """A tool's turn in plain words."""
    turn = model_pb2.ModelMessage(role=model_pb2.MODEL_ROLE_TOOL, tool_call_id=call.id, is_error=failed)
    turn.content.segments.add().text.text = text
    return turn


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _result(call: model_pb2.ToolCall, result: tool_pb2.ToolResult) -> model_pb2.ModelMessage:
    turn = model_pb2.ModelMessage(
        role=model_pb2.MODEL_ROLE_TOOL, tool_call_id=call.id, is_error=result.is_error
    )
    turn.content.CopyFrom(_bounded(result.content))
    if not turn.content.segments and result.HasField("structured"):
        text = json.dumps(wellknown.struct_to_plain(result.structured), ensure_ascii=False)
        turn.content.segments.add().text.text = text[:LONGEST_RESULT]
    return turn


def _bounded(content: message_pb2.Message) -> message_pb2.Message:
    left = LONGEST_RESULT
    kept = message_pb2.Message()
    for segment in content.segments:
        copy = kept.segments.add()
        copy.CopyFrom(segment)
        if segment.HasField("text"):
            text = segment.text.text
            if len(text) > left:
                copy.text.text = f"{text[:left]}\n[{len(text) - left} characters left out]"
            left = max(0, left - len(text))
    return kept


def _failed(call: model_pb2.ToolCall, error: JackfieldError) -> model_pb2.ModelMessage:
    return answer(call, f"The tool failed ({error.reason}): {error.message[:1000]}", failed=True)


def _unknown(call: model_pb2.ToolCall) -> model_pb2.ModelMessage:
    text = "Nobody knows whether the tool acted: it ended before it answered. Look before you call it again."
    return answer(call, text, failed=True)
