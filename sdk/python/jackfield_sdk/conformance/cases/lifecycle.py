"""OP: trouble with the connection, the process, the configuration; nothing is lost and nothing happens twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from jackfield_sdk.conformance.case import Case, Failure, Skip, expect
from jackfield_sdk.conformance.declared import Declared
from jackfield_sdk.conformance.stage import Stage
from jackfield_sdk.errors import AuthExpired, InvalidArgument, JackfieldError, Overloaded, UnknownBot
from jackfield_sdk.event import Event

TOPIC = "operation"


def cases(declared: Declared) -> Iterator[Case]:
    """The last ones end the process."""
    yield Case("RX-11", TOPIC, "malformed updates stop nothing", malformed, "malformed")
    yield Case("OP-03", TOPIC, "a dropped connection comes back; nothing is lost or doubled", dropped)
    yield Case("OP-11", TOPIC, "the adapter reports that it is ready, and no trouble", healthy)
    yield Case("OP-04", TOPIC, "SIGKILL with an event in flight: it is published once", killed)
    yield Case(
        "OP-04", TOPIC, "SIGKILL before an event is stored: it was not acknowledged", unstored, "unstored"
    )
    yield Case("OP-04", TOPIC, "the kernel's stream breaks: events go on", stream, "kernel")
    yield Case("OP-05", TOPIC, "a closed bot touches the platform no more", closed)
    yield Case("OP-01", TOPIC, "no configuration is a clear error", unconfigured)
    yield Case("OP-02", TOPIC, "a wrong credential is AUTH_EXPIRED", wrong)
    yield Case("OP-08", TOPIC, "no secret stands in the log", secrets)
    yield Case("OP-09", TOPIC, "24 hours against the local platform", soak)


async def malformed(stage: Stage) -> None:
    since = stage.mark
    await stage.platform.malformed()
    await stage.fence(since)
    expect(stage.process.alive, "the process ended")


async def dropped(stage: Stage) -> None:
    since = stage.mark
    await stage.platform.say("before the cut")
    await stage.received("before the cut", since)
    await stage.platform.drop()
    await stage.platform.say("after the cut")
    await stage.received("after the cut", since)
    await stage.send("it still sends")
    came = [one.text for one in await stage.fence(since) if one.type == "message.received"]
    expect(came == ["before the cut", "after the cut"], f"of two messages these arrived: {came}")


async def healthy(stage: Stage) -> None:
    session = stage.process.session
    expect(session.ready.is_set(), "the adapter does not report that it is ready")
    opened = stage.kernel.sessions[stage.declared.name].bots
    expect(all(not report.HasField("reason") for report in opened.values()), "a bot reports a trouble")


async def killed(stage: Stage) -> None:
    since = stage.mark
    if stage.declared.provides.get("intake") != "acknowledged":
        await stage.killed()
        await stage.fence(since)
        raise Skip("killed and serving again; the platform does not wait, so what it says meanwhile is lost")
    stage.kernel.holds_acks = True
    try:
        await stage.platform.say("in flight")
        await stage.received("in flight", since)
        await stage.process.kill()
    finally:
        stage.kernel.holds_acks = False
    await stage.fresh()
    await stage.platform.again()
    came = [one.text for one in await stage.fence(since) if one.type == "message.received"]
    expect(came == ["in flight"], f"one message, sent again after the crash, became {came}")


async def unstored(stage: Stage) -> None:
    if stage.declared.provides.get("intake") != "acknowledged":
        raise Skip("the platform does not wait for an acknowledgement")
    since, tried = stage.mark, asyncio.Event()

    def full(event: Event) -> JackfieldError | None:
        if event.text == "not yet stored":
            tried.set()
            return Overloaded("the disk is full")
        return None

    stage.kernel.refuse_publish = full
    try:
        await stage.platform.say("not yet stored")
        await tried.wait()
        await stage.process.kill()
    finally:
        stage.kernel.refuse_publish = None
    await stage.fresh()
    await stage.platform.resend()
    await stage.received("not yet stored", since)
    came = [one.text for one in await stage.fence(since) if one.type == "message.received"]
    expect(came == ["not yet stored"], f"one message became {came}")


async def stream(stage: Stage) -> None:
    since = stage.mark
    stage.kernel.drop(stage.declared.name)
    await stage.process.session.detached.wait()
    await stage.process.session.attached.wait()
    await stage.fence(since)
    await stage.send("it still sends")


async def closed(stage: Stage) -> None:
    await stage.close()
    since = len(stage.platform.seen)
    try:
        await stage.send("to a closed bot")
    except UnknownBot:
        pass
    except JackfieldError as error:
        raise Failure(f"a call to a closed bot is answered with {error.reason}, not UNKNOWN_BOT") from None
    else:
        raise Failure("a call to a closed bot was carried out")
    finally:
        await stage.open(checkpoint=stage.checkpoint)
    sent = [one for one in stage.platform.seen[since:] if one.text == "to a closed bot"]
    expect(not sent, "a closed bot still sends")
    await stage.fence(stage.mark)


async def unconfigured(stage: Stage) -> None:
    if not stage.declared.bot_config.get("required"):
        raise Skip("the bot needs no configuration")
    await _refused_opening(stage, {}, (InvalidArgument, AuthExpired))


async def wrong(stage: Stage) -> None:
    await _refused_opening(stage, stage.platform.wrong_config(), (AuthExpired,))


async def _refused_opening(
    stage: Stage, config: dict[str, object], fits: tuple[type[JackfieldError], ...]
) -> None:
    await stage.close()
    try:
        await stage.open(config)
    except fits as error:
        expect(error.remedy, f"{error.reason} names no remedy")
        shown = [one for one in stage.declared.secrets(config) if one in str(error)]
        expect(not shown, "the error shows the credential")
    except JackfieldError as error:
        names = " or ".join(one.reason for one in fits)
        raise Failure(f"opening was refused with {error.reason}, not {names}: {error}") from None
    else:
        await stage.close()
        raise Failure("the bot opened all the same")
    finally:
        await stage.open(checkpoint=stage.checkpoint)
    expect(stage.process.alive, "the process ended")


async def secrets(stage: Stage) -> None:
    known = stage.declared.secrets(stage.platform.bot_config())
    if not known:
        raise Skip("the bot has no secrets")
    log = stage.process.log
    expect(not any(secret in log for secret in known), "the log of the adapter shows a secret")


async def soak(stage: Stage) -> None:
    raise Skip("a run of a day is no part of the kit")
