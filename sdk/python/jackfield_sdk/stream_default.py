"""Streamed replies for adapters that do not stream natively."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from jackfield_sdk.adapter_types import SendResult, StreamOpening
from jackfield_sdk.errors import JackfieldError
from jackfield_sdk.incoming import Call, StreamStep, StreamSteps
from jackfield_sdk.message import Message, Text

if TYPE_CHECKING:
    from jackfield_sdk.adapter import Adapter

# How long the id of a begun message is kept for a stream that is opened anew.
REMEMBERED_SECONDS = 86_400


async def stream_by_sending(adapter: Adapter, call: Call, steps: StreamSteps) -> SendResult:
    """Sends the final text once."""
    last = StreamStep("", False)
    async for step in steps:
        last = step
    return await _send(adapter, call, steps.opening, _message(steps.opening, last))


async def stream_by_editing(adapter: Adapter, call: Call, steps: StreamSteps) -> SendResult:
    """Sends the first text, edits it not more often than `stream_interval`, settles it with the final one.

    The id of the message is kept under the call's key, so that a stream opened anew goes on with the same
    message. When an edit fails the full text is sent once as an ordinary message.
    """
    memory = _Memory(call)
    message_id = await memory.read()
    result = SendResult(message_id=message_id)
    shown, failed = "", False
    clock = asyncio.get_running_loop().time
    due = 0.0
    async for step in steps:
        if not step.text and not step.is_final:
            continue
        changed = step.text != shown or step.attachments is not None
        if failed and not step.is_final:
            continue
        if not message_id or failed:
            result = await memory.begin(_send(adapter, call, steps.opening, _message(steps.opening, step)))
            message_id, shown, failed = result.message_id, step.text, False
        elif changed and (step.is_final or clock() >= due):
            try:
                await adapter.edit_message(call, message_id, _message(steps.opening, step))
                shown = step.text
            except JackfieldError as error:
                call.bot.log.info("an edit of a streamed reply failed: %s", error)
                failed = True
                if step.is_final:
                    return await _send(adapter, call, steps.opening, _message(steps.opening, step))
        else:
            continue
        due = clock() + adapter.stream_interval
    return result


def _message(opening: StreamOpening, step: StreamStep) -> Message:
    text = Message(Text(step.text, opening.format)) if step.text else Message()
    return text + step.attachments if step.attachments is not None else text


async def _send(adapter: Adapter, call: Call, opening: StreamOpening, message: Message) -> SendResult:
    if opening.reference is None:
        return await adapter.send_message(call, message)
    return await adapter.reply_message(call, message, opening.reference, opening.quote_origin)


class _Memory:
    """Remembers the begun message: over a crash of the adapter, where it was granted `kv`."""

    def __init__(self, call: Call) -> None:
        context = call.bot.plugin
        granted = any(grant == "kv" or grant.startswith("kv:") for grant in context.grants)
        self._kv = context.kv if granted and call.key else None
        self._key = f"stream/{call.key}"[:512] if call.key else ""
        self._begun = call.bot.begun

    async def read(self) -> str:
        """Id of the message that an earlier attempt began; empty without one."""
        beginning = self._begun.get(self._key)
        if beginning is not None:
            with contextlib.suppress(JackfieldError):
                return (await asyncio.shield(beginning)).message_id
        return await self._kv.get_text(self._key) if self._kv is not None else ""

    async def begin(self, sending: Coroutine[Any, Any, SendResult]) -> SendResult:
        """Send and remember in one go: a connection that breaks in between must not leave a message that nobody knows."""
        if not self._key:
            return await sending
        task = self._begun[self._key] = asyncio.create_task(self._kept(sending), name=self._key)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    async def _kept(self, sending: Coroutine[Any, Any, SendResult]) -> SendResult:
        result = await sending
        if self._kv is not None and result.message_id:
            await self._kv.put(self._key, result.message_id, ttl=REMEMBERED_SECONDS)
        return result

    def _over(self, task: asyncio.Task[SendResult]) -> None:
        if self._begun.get(self._key) is task:
            del self._begun[self._key]
        if not task.cancelled():
            # Whoever began it may be gone: its failure is seen here.
            task.exception()
