"""The caller's side of `jackfield.v1.Responder`: an answer is asked for once per delivery, whatever dies on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from jackfield.v1 import responder_pb2

from jackfield_sdk import convert, wellknown
from jackfield_sdk.context import Context
from jackfield_sdk.errors import JackfieldError, LeaseLost, OutcomeUnknown, PlatformError
from jackfield_sdk.message import Message
from jackfield_sdk.target import Target

RESPOND = "/jackfield.v1.Responder/Respond"
TRIES = 3
LONGEST_WAIT = 20.0
Sleep = Callable[[float], Awaitable[None]]


async def respond(
    ctx: Context,
    plugin: str,
    name: str,
    message: Message,
    *,
    settings: Mapping[str, Any] | None = None,
    key: str = "respond",
    timeout: float = 590.0,
    sleep: Sleep = asyncio.sleep,
) -> AsyncIterator[responder_pb2.RespondResponse]:
    """Asks the assistant `name` of a plugin about `message`; the last step is the end.

    Under the delivery's key a redelivery gets the recorded end. Where the provider died in the middle nobody knows whether
    it had asked, and it is asked again; it shows the other side the same key. `timeout` in seconds bounds the whole
    answer; the default ends before a rule does. Needs the grants `call:jackfield.v1.Responder` and `kv`. Raises what the
    provider raises.
    """
    request = responder_pb2.RespondRequest(
        name=name,
        settings=wellknown.struct_to_proto(dict(settings or {})),
        message=convert.message_to_proto(message),
        event=convert.event_to_proto(ctx.event),
    )
    request.event.ClearField("native")
    request.event.ClearField("reply_context")
    if request.event.HasField("message_received"):
        request.event.message_received.ClearField("message")
    target = Target(bot=ctx.event.bot, chat=ctx.event.chat, plugin=plugin)
    lost = tries = 0
    while True:
        stream = ctx.call_stream(
            RESPOND,
            request,
            responder_pb2.RespondResponse,
            target=target,
            key=f"{key}/{lost}" if lost else key,
            timeout=timeout,
        )
        try:
            async for step in stream:
                yield step
                if step.HasField("end"):
                    return
            raise PlatformError(f"the answer of {plugin} had no end")
        except LeaseLost:
            raise
        except JackfieldError as error:
            tries += 1
            if tries >= TRIES or not (error.retryable or isinstance(error, OutcomeUnknown)):
                raise
            lost += isinstance(error, OutcomeUnknown)
            ctx.log.warning("asking %s, attempt %d: %s", plugin, tries, error)
            wait = error.retry_after or 0.25 * 2**tries
        finally:
            await stream.aclose()  # type: ignore[attr-defined]
        await sleep(min(wait, LONGEST_WAIT))
        # Where a cut connection was the failure: a unary call outlives the gap.
        await ctx.kv.get("connected")
