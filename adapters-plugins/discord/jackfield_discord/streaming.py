"""Replies that grow by edits; long ones go on in further messages."""

from __future__ import annotations

import asyncio
import json

from jackfield_sdk import (
    Call,
    JackfieldError,
    Message,
    NotFound,
    PermissionDenied,
    Quote,
    SendResult,
    StreamStep,
    StreamSteps,
    Text,
)

from jackfield_discord.convert.context import ReplyContext
from jackfield_discord.convert.outgoing import Part, Plan
from jackfield_discord.messaging import Messaging, result_of

# Discord takes about five edits in five seconds of one channel.
STREAM_SECONDS = 1.2
# How long the ids of a begun reply are kept for a stream that is opened anew.
REMEMBERED_SECONDS = 86_400


class Streaming(Messaging):
    """Streamed replies."""

    stream_interval = STREAM_SECONDS

    async def stream_reply(self, call: Call, steps: StreamSteps) -> SendResult:
        """Shows what there is not more often than the platform bears, and at the end everything."""
        opening = steps.opening
        reference = opening.reference.reply_context if opening.reference is not None else b""
        growing = _Growing(self, call, steps, await self.channel_of(call, reference))
        await growing.begin()
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
                    shown, due = step.text, clock() + self.stream_interval
                except JackfieldError as error:
                    # What comes later says the same and more.
                    call.bot.log.info("a step of a streamed reply was not shown: %s", error)
                    due = clock() + max(self.stream_interval, error.retry_after or 0.0)
        return await growing.finish(last)


class _Growing:
    """Messages of the bot, edited as they grow. Their ids are kept, so that a stream opened anew goes on with them."""

    def __init__(self, owner: Messaging, call: Call, steps: StreamSteps, channel: str) -> None:
        self._owner = owner
        self._call = call
        self._steps = steps
        self._channel = channel
        granted = any(grant == "kv" or grant.startswith("kv:") for grant in call.bot.plugin.grants)
        self._kv = call.bot.plugin.kv if granted and call.key else None
        self._key = f"stream/{call.key}"[:512]
        self._ids: list[str] = []
        self._shown: list[Part | None] = []

    async def begin(self) -> None:
        """What an earlier process began under this key."""
        if self._kv is not None and (kept := await self._kv.get_text(self._key)):
            self._ids = [str(one) for one in json.loads(kept)]
            self._shown = [None] * len(self._ids)

    async def show(self, step: StreamStep) -> None:
        """The text so far."""
        await self._lay_out(self._plan(step))

    async def finish(self, last: StreamStep) -> SendResult:
        """The whole text; sent again where it cannot be edited any more."""
        plan = self._plan(last)
        try:
            await self._lay_out(plan)
        except (NotFound, PermissionDenied) as error:
            if not self._ids:
                raise
            self._call.bot.log.info("a streamed reply is sent again: %s", error)
            # Under numbers of their own: a repeat of the first would be answered with the message that is gone.
            return await self._owner.send_plan(self._call, plan, self._channel, first=len(self._ids))
        return result_of(self._ids, plan)

    def _plan(self, step: StreamStep) -> Plan:
        opening = self._steps.opening
        message = Message(Text(step.text, opening.format)) if step.text else Message()
        if step.attachments is not None:
            message += step.attachments
        if opening.reference is not None and opening.quote_origin and not self._context().token:
            message = Quote(message_id=opening.reference.message_id) + message
        return Plan().add(message)

    def _context(self) -> ReplyContext:
        reference = self._steps.opening.reference
        return ReplyContext.decode(reference.reply_context) if reference is not None else ReplyContext()

    async def _lay_out(self, plan: Plan) -> None:
        for number, part in enumerate(plan.parts):
            if number < len(self._ids):
                if self._shown[number] != part:
                    await self._owner.edit_part(self._call, plan, part, self._ids[number], self._channel)
                    self._shown[number] = part
                continue
            alone = Plan()
            alone.parts, alone.users, alone.everyone = [part], plan.users, plan.everyone
            alone.quoted, alone.forms = plan.quoted if number == 0 else "", plan.forms
            # Each message of a stream has a number of its own in what Discord recognises as repeated.
            result = await self._owner.send_plan(
                self._call, alone, self._channel, self._context() if number == 0 else None, first=number
            )
            self._ids.append(result.message_id)
            self._shown.append(part)
            if self._kv is not None:
                await self._kv.put(self._key, json.dumps(self._ids), ttl=REMEMBERED_SECONDS)
