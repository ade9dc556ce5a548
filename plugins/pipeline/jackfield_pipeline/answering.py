"""Stage: the responder is asked, and its answer made fit to be said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from jackfield.v1 import responder_pb2
from jackfield_sdk import Context, JackfieldError, LeaseLost, Message, Text, convert
from jackfield_sdk.errors import error_to_plain
from jackfield_sdk.responder import respond

from jackfield_pipeline.failing import ERROR, HIDE, told
from jackfield_pipeline.length import shaped
from jackfield_pipeline.sending import Sending
from jackfield_pipeline.settings import Settings
from jackfield_pipeline.texts import Texts
from jackfield_pipeline.words import OUTGOING, filtered

ANSWERED, STOPPED, FAILED, WITHHELD = "answered", "stopped", "failed", "withheld"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an answer ended, and why when it did not end well."""

    name: str
    reason: str = ""


async def answer(
    ctx: Context,
    settings: Settings,
    question: Message,
    delay: float,
    sleep: Callable[[float], Awaitable[None]],
) -> Outcome:
    """Ask, and send what comes. `delay` in seconds before it is sent."""
    texts = Texts(settings.language)
    sending = Sending(ctx, settings, sleep)
    responder = settings.responder
    try:
        async for step in respond(
            ctx, responder.plugin, responder.name, question, settings=responder.settings, sleep=sleep
        ):
            if step.HasField("end"):
                message, outcome = _ended(ctx, settings, step.end, texts)
                break
            await sending.grow(step.text)
        else:
            raise AssertionError("an answer has an end")
    except LeaseLost:
        raise
    except JackfieldError as error:
        ctx.log.error("%s did not answer: %s", responder.plugin, error)
        words = told(error, settings.errors, texts)
        message, outcome = Message(words) if words else Message(), Outcome(FAILED, error.reason)
    if message:
        allowed = filtered(message, settings.filter, OUTGOING)
        if allowed is None:
            ctx.log.warning("an answer was held back by the filter")
            allowed, outcome = Message(texts("withheld")), Outcome(WITHHELD)
        await sending.finish(shaped(allowed, settings.long, ctx.bot), delay)
    return outcome


def _ended(
    ctx: Context, settings: Settings, end: responder_pb2.AnswerEnd, texts: Texts
) -> tuple[Message, Outcome]:
    message: Message = convert.message_to_plain(end.message)
    if end.outcome == responder_pb2.ANSWER_OUTCOME_STOPPED:
        return _noted(message, texts("stopped")), Outcome(STOPPED)
    if end.outcome == responder_pb2.ANSWER_OUTCOME_FAILED:
        error = error_to_plain(end.error)
        ctx.log.error("%s broke off: %s", settings.responder.plugin, error)
        show = settings.errors.show
        note = "" if show == HIDE else f"({error})" if show == ERROR else texts("cut")
        return _noted(message, note), Outcome(FAILED, error.reason)
    return message if message.plain().strip() else Message(texts("empty")), Outcome(ANSWERED)


def _noted(message: Message, note: str) -> Message:
    """The text with a note below, then the rest."""
    text = "\n\n".join(part for part in (message.text, note) if part.strip())
    rest = [one for one in message if not isinstance(one, Text)]
    first = message.first(Text)
    return Message([Text(text, first.format) if first is not None else Text(text), *rest] if text else rest)
