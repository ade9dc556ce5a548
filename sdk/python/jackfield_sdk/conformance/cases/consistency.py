"""CO: manifest and adapter say the same, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jackfield_sdk.conformance.case import Case, Failure, Level, Skip, expect
from jackfield_sdk.conformance.declared import Declared
from jackfield_sdk.conformance.stage import BOT, Stage

TOPIC = "consistency"


def cases(declared: Declared) -> Iterator[Case]:
    """CO-04 and CO-05 are about listeners of another system; they have no case here."""
    yield Case("CO-01", TOPIC, "manifest events = reported events", events)
    yield Case("CO-02", TOPIC, "manifest apis = reported methods", apis, "get_capabilities")
    yield Case("CO-03", TOPIC, "manifest actions = reported actions", actions)
    yield Case("CO-03", TOPIC, "manifest segments = reported segments", segments, "segments")
    yield Case("CO-06", TOPIC, "the bot's own messages are filtered", own)
    yield Case("CO-07", TOPIC, "the native update is kept", raw)
    yield Case("CO-08", TOPIC, "events carry the bot's name", stamped)
    yield Case(
        "OP-06",
        TOPIC,
        "one key of the bot is leased: two never run on one credential",
        unique,
        "",
        Level.STATIC,
    )
    yield Case("OP-07", TOPIC, "every route is verified before its body is read", routes, "", Level.STATIC)


def _same(what: str, declared: Iterable[str], reported: Iterable[str]) -> None:
    only_declared, only_reported = set(declared) - set(reported), set(reported) - set(declared)
    if only_declared:
        raise Failure(f"declared but not reported {what}: {', '.join(sorted(only_declared))}")
    if only_reported:
        raise Failure(f"reported but not declared {what}: {', '.join(sorted(only_reported))}")


async def events(stage: Stage) -> None:
    _same("events", stage.declared.events, (await stage.call("get_capabilities")).events)


async def apis(stage: Stage) -> None:
    # The kernel alone opens and closes bots: these two are no matter of the manifest.
    reported = set((await stage.call("get_capabilities")).apis) - {"open_bot", "close_bot"}
    _same("methods", stage.declared.apis, reported)


async def actions(stage: Stage) -> None:
    named = [str(action["name"]) for action in stage.declared.actions]
    _same("actions", named, (await stage.call("get_capabilities")).actions)


async def segments(stage: Stage) -> None:
    reported = await stage.call("get_capabilities")
    _same("received segments", stage.declared.receives, reported.receive_segments)
    _same("sent segments", stage.declared.sends, reported.send_segments)


async def own(stage: Stage) -> None:
    since = stage.mark
    await stage.platform.own("my own words")
    came = [event.type for event in await stage.fence(since) if event.text == "my own words"]
    expect("message.received" not in came, "the bot's own message came back as message.received")


async def raw(stage: Stage) -> None:
    since = stage.mark
    await stage.platform.say("keep it")
    event = await stage.received("keep it", since)
    expect(event.raw or event.raw_json or event.raw_blob_id, "the event holds no native update")


async def stamped(stage: Stage) -> None:
    since = stage.mark
    await stage.platform.say("stamped")
    event = await stage.received("stamped", since)
    expect(event.bot == BOT, f"the event is of the bot {event.bot!r}, not {BOT!r}")


async def unique(stage: Stage) -> None:
    marked = [
        key for key, one in stage.declared.bot_config.get("properties", {}).items() if one.get("unique")
    ]
    if not stage.declared.secrets(stage.platform.bot_config()) and not marked:
        raise Skip("the bot needs no credential")
    if not marked:
        # A bot that shows its platform no credential has nothing to lease.
        stage.platform.wrong_config()
    expect(marked, "no key of bot_config is marked `unique`, so two bots may run on one credential")


async def routes(stage: Stage) -> None:
    if not stage.declared.routes:
        raise Skip("the adapter declares no routes")
    for route in stage.declared.routes:
        expect((route.get("verify") or {}).get("scheme"), f"the route {route['name']} verifies nothing")
