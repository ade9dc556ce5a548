"""Answers to pressed buttons, choices, forms and native commands."""

from __future__ import annotations

from dataclasses import replace

from jackfield_sdk import Call, ContentTooLarge, JackfieldError, Message, SendResult

from jackfield_discord.account import snowflake
from jackfield_discord.convert.context import ReplyContext
from jackfield_discord.convert.outgoing import Plan
from jackfield_discord.convert.values import table, text_of
from jackfield_discord.files import uploads
from jackfield_discord.messaging import EPHEMERAL, TOKEN_OVER, Messaging, body_of


class Interactions(Messaging):
    """Each interaction was deferred when it came; what is answered here follows up."""

    async def answer_interaction(
        self,
        call: Call,
        interaction_id: str,
        message: Message | None,
        reply_context: bytes,
        ephemeral: bool,
        replace_origin: bool,
    ) -> SendResult | None:
        """Through the interaction's token; after its 15 minutes in the channel, where everybody sees it."""
        context = ReplyContext.decode(reply_context or call.reply_context)
        if message is None:
            return None
        plan = Plan().add(message)
        if replace_origin and context.token:
            if len(plan.parts) > 1:
                raise ContentTooLarge(
                    "one message of Discord holds 2000 characters", metadata={"max": "2000"}
                )
            return await self._replace(call, plan, context)
        channel = await self.channel_of(call, reply_context)
        flags = EPHEMERAL if ephemeral else 0
        result = await self.send_plan(call, plan, channel, context, flags=flags)
        if ephemeral and not context.token:
            result = replace(result, degraded=(*result.degraded, "ephemeral"))
        return result

    async def _replace(self, call: Call, plan: Plan, context: ReplyContext) -> SendResult:
        part = plan.parts[0]
        path = ("webhooks", snowflake(context.application_id), context.token, "messages", "@original")
        body = {"attachments": [], **body_of(plan, part)}
        try:
            sent = await self.request(call, "PATCH", *path, body=body, files=await uploads(call, part.files))
        except JackfieldError as error:
            if error.metadata.get("platform_code") not in TOKEN_OVER:
                raise
            return await self.send_plan(call, plan, context.channel_id)
        return SendResult(message_id=text_of(table(sent).get("id")), degraded=tuple(plan.degraded))
