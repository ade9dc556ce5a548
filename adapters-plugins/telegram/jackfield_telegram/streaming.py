"""Replies that grow: drafts in private chats, edits elsewhere; long ones go on in further messages."""

from __future__ import annotations

import asyncio
import json
import zlib

from jackfield_sdk import (
    Call,
    ChatType,
    JackfieldError,
    Message,
    Quote,
    SendResult,
    StreamStep,
    StreamSteps,
    Text,
)

from jackfield_telegram.calls import place_of
from jackfield_telegram.convert.context import ReplyContext
from jackfield_telegram.convert.outgoing import Plan
from jackfield_telegram.messaging import Messaging, result_of

# Seconds between two changes: about one message per second in a chat, twenty per minute in a group.
PRIVATE_SECONDS, GROUP_SECONDS = 1.0, 3.0
# How long the ids of a begun reply are kept for a stream that is opened anew.
REMEMBERED_SECONDS = 86_400


class Streaming(Messaging):
    """Streamed replies."""

    private_seconds = PRIVATE_SECONDS
    group_seconds = GROUP_SECONDS

    async def stream_reply(self, call: Call, steps: StreamSteps) -> SendResult:
        """Shows what there is not more often than the platform bears, and at the end everything."""
        private = call.chat.type is ChatType.PRIVATE
        drafts = private and call.bot.config.get("stream_drafts", True)
        growing = _Drafts(self, call, steps) if drafts else _Messages(self, call, steps)
        await growing.begin()
        pause = self.private_seconds if private else self.group_seconds
        clock = asyncio.get_running_loop().time
        due, shown = 0.0, ""
        last = StreamStep("", True)
        async for step in steps:
            last = step
            if step.is_final:
                break
            if step.text.strip() and step.text != shown and clock() >= due:
                try:
                    await growing.show(step)
                    shown, due = step.text, clock() + pause
                except JackfieldError as error:
                    # What comes later says the same and more.
                    call.bot.log.info("a step of a streamed reply was not shown: %s", error)
                    due = clock() + max(pause, error.retry_after or 0.0)
        return await growing.finish(last)


class _Drafts:
    """A draft is seen by the user alone and goes away by itself; only the end is a message."""

    def __init__(self, owner: Messaging, call: Call, steps: StreamSteps) -> None:
        self._owner = owner
        self._call = call
        self._steps = steps
        # The same for a stream that is opened anew, and never 0.
        self._id = zlib.crc32(call.key.encode()) or 1
        self._usable = True

    async def begin(self) -> None:
        """Nothing to remember."""

    async def show(self, step: StreamStep) -> None:
        if not self._usable:
            return
        plan = Plan().add(_message(self._steps, step))
        try:
            await self._owner.act(
                self._call,
                "sendMessageDraft",
                **place_of(self._call.chat),
                draft_id=self._id,
                **plan.parts[-1].params,
            )
        except JackfieldError as error:
            # An older Bot API server, or a chat without drafts.
            self._usable = error.retryable
            raise

    async def finish(self, last: StreamStep) -> SendResult:
        opening = self._steps.opening
        message = _message(self._steps, last)
        if opening.reference is None:
            return await self._owner.send_message(self._call, message)
        return await self._owner.reply_message(self._call, message, opening.reference, opening.quote_origin)


class _Messages:
    """Messages of the bot, edited as they grow. Their ids are kept, so that a stream opened anew goes on with them."""

    def __init__(self, owner: Messaging, call: Call, steps: StreamSteps) -> None:
        self._owner = owner
        self._call = call
        self._steps = steps
        self._key = f"stream/{call.key}"[:512] if call.key else ""
        self._ids: list[str] = []
        self._shown: list[object] = []

    async def begin(self) -> None:
        """What an earlier process began under this key."""
        if self._key and (kept := await self._call.bot.plugin.kv.get_text(self._key)):
            self._ids = [str(one) for one in json.loads(kept)]
            self._shown = [None] * len(self._ids)

    async def show(self, step: StreamStep) -> None:
        await self._lay_out(self._plan(step, final=False))

    async def finish(self, last: StreamStep) -> SendResult:
        plan = self._plan(last, final=True)
        reply = plan.parts[0].params.get("reply_parameters")
        try:
            await self._lay_out(plan)
        except JackfieldError as error:
            if error.retryable and error.retry_after is not None:
                raise
            if not self._ids:
                raise
            # An edit failed for good, for example because the message was deleted: the whole once more, as it would be sent.
            self._call.bot.log.info("a streamed reply is sent again: %s", error)
            if reply is not None:
                plan.parts[0].params["reply_parameters"] = reply
            return await self._owner.send_plan(self._call, plan)
        return result_of(self._ids, plan)

    def _plan(self, step: StreamStep, *, final: bool) -> Plan:
        opening = self._steps.opening
        message = _message(self._steps, step)
        if opening.reference is not None and opening.quote_origin:
            context = ReplyContext.decode(opening.reference.reply_context)
            message = Quote(message_id=opening.reference.message_id or context.message_id) + message
        return Plan().add(message, with_feedback=final and opening.with_feedback)

    async def _lay_out(self, plan: Plan) -> None:
        await self._owner.keep_buttons(self._call, plan)
        for number, part in enumerate(plan.parts):
            if number < len(self._ids):
                params = {key: value for key, value in part.params.items() if key != "reply_parameters"}
                if self._shown[number] != params:
                    part.params = params
                    await self._owner.edit_part(self._call, self._ids[number], part)
                    self._shown[number] = params
                continue
            sent = Plan()
            sent.parts = [part]
            result = await self._owner.send_plan(self._call, sent)
            self._ids.append(result.message_id)
            self._shown.append({k: v for k, v in part.params.items() if k != "reply_parameters"})
            if self._key:
                await self._call.bot.plugin.kv.put(self._key, json.dumps(self._ids), ttl=REMEMBERED_SECONDS)


def _message(steps: StreamSteps, step: StreamStep) -> Message:
    text = Message(Text(step.text, steps.opening.format)) if step.text else Message()
    return text + step.attachments if step.attachments is not None else text
