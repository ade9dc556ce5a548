"""Answers to pressed buttons."""

from __future__ import annotations

from dataclasses import replace

from jackfield_sdk import Call, ChatType, JackfieldError, Message, SendResult
from jackfield_sdk.chunking import length

from jackfield_telegram.convert.context import ReplyContext
from jackfield_telegram.messaging import Messaging

# Of the words that a client shows to whoever pressed, in UTF-16 units.
LONGEST_ANSWER = 200


class Interactions(Messaging):
    """Buttons are settled by the adapter after a few seconds; until then an answer may show words to one user."""

    async def answer_interaction(
        self,
        call: Call,
        interaction_id: str,
        message: Message | None,
        reply_context: bytes,
        ephemeral: bool,
        replace_origin: bool,
    ) -> SendResult | None:
        """Words for one user stand in a box; what is too long or late for it is shown to all, said as degraded."""
        account = self.account_of(call)
        context = ReplyContext.decode(reply_context)
        waits = account.queries.claim(interaction_id)
        if ephemeral and message is not None and call.chat.type is not ChatType.PRIVATE:
            words = message.plain()
            if waits and 0 < length(words, "utf16") <= LONGEST_ANSWER:
                await account.queries.settle(interaction_id, words, alert=True)
                return SendResult()
        if waits:
            try:
                await account.queries.settle(interaction_id)
            except JackfieldError as error:
                if message is None:
                    raise
                call.bot.log.info("a pressed button was not settled: %s", error)
        if message is None:
            return None
        if replace_origin and context.message_id:
            degraded = await self.edit_message(call, context.message_id, message)
            result = SendResult(message_id=context.message_id, degraded=tuple(degraded))
        else:
            result = await self.send_message(call, message)
        if ephemeral and call.chat.type is not ChatType.PRIVATE:
            result = replace(result, degraded=(*result.degraded, "ephemeral"))
        return result
