"""Replies that grow: a card that is updated, long ones in further cards. Texts may be edited twenty times, cards without end."""

from __future__ import annotations

import asyncio

from jackfield_sdk import Call, JackfieldError, Message, SendResult, StreamSteps, TextFormat
from jackfield_sdk.chunking import split

from jackfield_lark.account import Account
from jackfield_lark.convert.outgoing import LIMIT, Post, as_card
from jackfield_lark.sending import deliver, put, send, target_of

# Lark takes five updates of one message in a second.
STREAM_SECONDS = 0.5


async def stream(account: Account, call: Call, steps: StreamSteps, answered: str, thread: bool) -> SendResult:
    """Shows what there is not more often than the platform bears, and at the end everything."""
    answered, thread = await target_of(account, call, answered, thread)
    growing = _Growing(account, call, steps.opening.format is TextFormat.MARKDOWN, answered, thread)
    clock = asyncio.get_running_loop().time
    due, shown = 0.0, ""
    async for step in steps:
        if step.is_final:
            ids = await growing.show(step.text, final=True)
            return await _attached(account, call, step.attachments, ids, answered, thread)
        if step.text.strip() and step.text != shown and clock() >= due:
            pause = STREAM_SECONDS
            try:
                await growing.show(step.text, final=False)
                shown = step.text
            except JackfieldError as error:
                # What comes later says the same and more.
                call.bot.log.info("a step of a streamed reply was not shown: %s", error)
                pause = max(pause, error.retry_after or 0.0)
            due = clock() + pause
    raise AssertionError("a stream ends with its final step or an error")


async def _attached(
    account: Account, call: Call, attachments: Message | None, ids: list[str], answered: str, thread: bool
) -> SendResult:
    degraded: tuple[str, ...] = ()
    if attachments:
        result = await send(account, call, attachments, answered if thread else "", thread)
        ids = [*ids, *(result.message_ids or (result.message_id,))]
        degraded = result.degraded
    return SendResult(
        message_id=ids[0] if ids else "", message_ids=tuple(ids) if len(ids) > 1 else (), degraded=degraded
    )


class _Growing:
    """Cards of the bot. A stream that is opened anew begins them again under the same keys, and gets the cards that are there."""

    def __init__(self, account: Account, call: Call, markdown: bool, answered: str, thread: bool) -> None:
        self._account = account
        self._call = call
        self._markdown = markdown
        self._answered = answered
        self._thread = thread
        self._ids: list[str] = []
        self._shown: list[Post | None] = []

    async def show(self, text: str, final: bool) -> list[str]:
        """The text so far; at the end nothing is taken for shown that was not put there by an update."""
        chunks = split(text, LIMIT, "bytes", markdown=self._markdown) if text.strip() else []
        for number, chunk in enumerate(chunks):
            post = as_card(chunk, self._markdown)
            if number == len(self._ids):
                target = self._answered if self._thread or number == 0 else ""
                # Numbers of their own: attachments follow under those of an ordinary message.
                self._ids.append(
                    await deliver(self._account, self._call, post, target, self._thread, 1000 + number)
                )
                self._shown.append(None)
                if not final and not self._call.possibly_repeated:
                    continue
            if self._shown[number] != post:
                await put(self._account, self._ids[number], post)
                self._shown[number] = post
        return self._ids
