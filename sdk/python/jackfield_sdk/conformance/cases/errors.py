"""API-20: refusals of the platform become the typed errors of the contract; deadlines and cancellation end calls."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from jackfield_sdk.conformance.case import Case, Failure, expect
from jackfield_sdk.conformance.declared import Declared
from jackfield_sdk.conformance.stage import Stage
from jackfield_sdk.errors import JackfieldError, RateLimited

TOPIC = "errors"
REASONS = ("RATE_LIMITED", "PERMISSION_DENIED", "NOT_FOUND", "UNAVAILABLE", "AUTH_EXPIRED")
# An effect whose outcome nobody knows may also be told as such.
ALSO = {"UNAVAILABLE": ("OUTCOME_UNKNOWN", "PLATFORM_ERROR")}
RETRY_AFTER = 3.0


def cases(declared: Declared) -> Iterator[Case]:
    """One for each reason, then cancellation."""
    for reason in REASONS:
        yield Case("API-20", TOPIC, f"{reason} is told as such", partial(refused, reason), reason)
    yield Case("API-20", TOPIC, "a cancelled call ends, and the adapter serves on", cancelled, "CANCELLED")


async def refused(reason: str, stage: Stage) -> None:
    # Learnt things such as the chat of a user are out of the way.
    await stage.send("before the trouble")
    await stage.platform.refuse(reason, RETRY_AFTER)
    try:
        await stage.send("refused")
    except JackfieldError as error:
        allowed = (reason, *ALSO.get(reason, ()))
        expect(error.reason in allowed, f"{reason} of the platform is told as {error.reason}: {error}")
        if isinstance(error, RateLimited):
            exact = stage.platform.tells_retry_after
            fits = error.retry_after == RETRY_AFTER if exact else (error.retry_after or 0) > 0
            expect(fits, f"retry_after is {error.retry_after}, the platform said {RETRY_AFTER}")
        _no_secret(stage, str(error))
    else:
        raise Failure(f"the platform refused with {reason}, but the call succeeded")
    await stage.send("after the trouble")


async def cancelled(stage: Stage) -> None:
    await stage.platform.stall()
    try:
        call = stage.sending("never answered")
        await stage.platform.until(lambda: stage.platform.stalled)
        call.cancel()
        try:
            await call.result()
        except JackfieldError as error:
            ended = ("CANCELLED", "OUTCOME_UNKNOWN")
            expect(error.reason in ended, f"a cancelled call ended with {error.reason}")
        else:
            raise Failure("a cancelled call succeeded although the platform never answered")
    finally:
        await stage.platform.release()
    await stage.send("after the cancelled call")


def _no_secret(stage: Stage, text: str) -> None:
    config = stage.platform.bot_config()
    expect(not any(one in text for one in stage.declared.secrets(config)), "an error shows a secret")
