"""One question to a model: bounded, tried again while nothing was said, then put to the next model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from jackfield.v1 import model_pb2
from jackfield_sdk import (
    Context,
    DeadlineExceeded,
    JackfieldError,
    LeaseLost,
    OutcomeUnknown,
    PlatformError,
    Target,
)

from jackfield_agent.catalog import MODEL, Candidate

CHAT = f"/{MODEL}/Chat"
TRIES = 3
LONGEST_WAIT = 20.0
LONGEST_ANSWER = 200_000
MOST_CALLS = 32
LONGEST_ARGUMENTS = 64 * 1024
OnText = Callable[[str], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]


class ModelFailed(Exception):
    """No model answered; `error` is the last one's, `said` what it had said before it broke off."""

    def __init__(self, error: JackfieldError, said: str = "") -> None:
        super().__init__(str(error))
        self.error = error
        self.said = said


@dataclass(slots=True)
class _Heard:
    """What came of a stream. Text of a stream that was opened again may lack its beginning: the finish has all."""

    text: str = ""


class Asking:
    """Asks for one delivery. `silence` in seconds is how long a model may say nothing."""

    def __init__(
        self, ctx: Context, candidates: Sequence[Candidate], silence: float, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._ctx = ctx
        self._candidates = candidates
        self._silence = silence
        self._sleep = sleep

    async def ask(
        self, request: model_pb2.ChatRequest, name: str, on_text: OnText, timeout: float
    ) -> model_pb2.ChatFinish:
        """The model's turn. Raises ModelFailed.

        The broker records the answer under the key, which is the same whichever model is asked, so that a turn that was paid
        for is not paid again after a crash. A final refusal is recorded too; the question after it has a key of its own.
        """
        heard = _Heard()
        refusals = 0
        error: JackfieldError = PlatformError("no model is running")
        for candidate in self._candidates:
            request.model = candidate.model
            for attempt in range(1, TRIES + 1):
                key = f"{name}/{refusals}" if refusals else name
                try:
                    return await self._heard(candidate, request, key, on_text, heard, timeout)
                except LeaseLost:
                    raise
                except JackfieldError as failure:
                    error = failure
                self._ctx.log.warning("model %s, %s, attempt %d: %s", candidate, key, attempt, error)
                if not error.retryable and not isinstance(error, OutcomeUnknown):
                    refusals += 1
                    break
                if attempt < TRIES:
                    await self._sleep(min(error.retry_after or 0.25 * 2**attempt, LONGEST_WAIT))
                    await connected(self._ctx)
            if heard.text:
                # It had begun to answer: another model would begin anew in the middle of a reply.
                break
        raise ModelFailed(error, heard.text)

    async def _heard(
        self,
        candidate: Candidate,
        request: model_pb2.ChatRequest,
        key: str,
        on_text: OnText,
        heard: _Heard,
        timeout: float,
    ) -> model_pb2.ChatFinish:
        again = bool(heard.text)
        said = ""
        stream = self._ctx.call_stream(
            CHAT,
            request,
            model_pb2.ChatResponse,
            target=Target(plugin=candidate.plugin),
            key=key,
            timeout=timeout,
        )
        async with asyncio.timeout(None) as silence:
            try:
                silence.reschedule(_in(self._silence))
                async for step in stream:
                    silence.reschedule(_in(self._silence))
                    if step.HasField("finish"):
                        return _checked(step.finish)
                    if step.text:
                        said += step.text
                        if len(said) > LONGEST_ANSWER:
                            raise PlatformError(f"the model wrote more than {LONGEST_ANSWER} characters")
                        if not again:
                            heard.text = said
                            # A slow platform is not a silent model.
                            silence.reschedule(None)
                            await on_text(said)
                            silence.reschedule(_in(self._silence))
            except asyncio.CancelledError:
                if silence.expired():
                    raise _Silent(f"the model said nothing for {self._silence:g} s") from None
                raise
            finally:
                await stream.aclose()  # type: ignore[attr-defined]
        raise PlatformError("the model's answer had no end")


class _Silent(DeadlineExceeded):
    """Nothing came in time: worth another model, and another try."""


async def connected(ctx: Context) -> None:
    """Waits until the kernel is reachable, where a cut connection was the failure: a unary call outlives the gap."""
    await ctx.kv.get("connected")


def _in(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


def _checked(finish: model_pb2.ChatFinish) -> model_pb2.ChatFinish:
    """A turn that can be worked with, whatever the provider made of it. Raises PlatformError for nonsense."""
    message = finish.message
    if len(message.tool_calls) > MOST_CALLS:
        raise PlatformError(
            f"the model called {len(message.tool_calls)} tools at once; {MOST_CALLS} are allowed"
        )
    seen: set[str] = set()
    for number, call in enumerate(message.tool_calls):
        if len(call.arguments_json) > LONGEST_ARGUMENTS:
            raise PlatformError(f"the arguments of {call.name[:64]!r} are above {LONGEST_ARGUMENTS} bytes")
        if not call.id or call.id in seen:
            call.id = f"{call.id or 'call'}_{number}"
        seen.add(call.id)
    message.role = model_pb2.MODEL_ROLE_ASSISTANT
    if sum(len(segment.text.text) for segment in message.content.segments) > LONGEST_ANSWER:
        raise PlatformError(f"the model wrote more than {LONGEST_ANSWER} characters")
    return finish
