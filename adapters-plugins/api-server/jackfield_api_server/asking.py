"""A question becomes an event, durable before anybody waits for its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from jackfield_sdk import Bot, Chat, Event, Image, JackfieldError, Media, Message, MessageReceived, Text, User

from jackfield_api_server.failure import SERVER, Failure, refused
from jackfield_api_server.question import Part, Question

# Seconds that the kernel may hold a message back before the client is asked to come again.
PUSHED_BACK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Asking:
    """Where a question stands: its chat, its own mark, and whether a repeat has the same mark."""

    chat: str
    mark: str
    dedup: bool


async def publish(bot: Bot, question: Question, asking: Asking, until: float) -> None:
    """Returns when the message is durable. `until` in the loop's time. Raises Failure."""
    try:
        async with asyncio.timeout_at(until):
            event = await _event(bot, question, asking)
            durable = await _queued(bot, event, asking)
            # Given up here it may still become durable: the client is told that it was not answered, not that it was lost.
            await asyncio.shield(durable)
    except TimeoutError as error:
        raise Failure(
            504,
            "timeout",
            "the kernel did not store the message in time; it may still do",
            kind=SERVER,
            final=True,
        ) from error
    except JackfieldError as error:
        bot.log.warning("a message was not taken: %s", error)
        raise refused(error) from error


async def _queued(bot: Bot, event: Event, asking: Asking) -> asyncio.Future[None]:
    try:
        async with asyncio.timeout(PUSHED_BACK_SECONDS):
            return await bot.publish_nowait(event, asking.mark if asking.dedup else "")
    except TimeoutError as error:
        # Nothing left this process.
        raise Failure(
            429, "rate_limit_exceeded", "the bot has too much to do", kind="rate_limit_error", retry_after=5
        ) from error


async def _event(bot: Bot, question: Question, asking: Asking) -> Event:
    message = Message(*[await _segment(bot, part) for part in question.parts])
    return Event(
        payload=MessageReceived(message_id=asking.mark, message=message, mentions_bot=True),
        chat=Chat.private(asking.chat),
        sender=User(id=asking.chat, nickname=question.user),
        platform_event_id=asking.mark,
        raw={
            "model": question.model,
            "user": question.user,
            "content": [_raw(part) for part in question.parts],
        },
        reply_context=asking.mark.encode(),
    )


def _raw(part: Part) -> dict[str, str]:
    """As it came, but for the bytes of pictures, which stand in the message. The history is the client's own."""
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image_url", "url": part.url or f"data:{part.mime}"}


async def _segment(bot: Bot, part: Part) -> Text | Image:
    if isinstance(part, str):
        return Text(part)
    if part.url:
        return Image(media=Media(url=part.url))
    return Image(media=await bot.plugin.put_blob(part.data, mime=part.mime))
