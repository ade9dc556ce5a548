"""EV: what happens on the platform becomes the event of the contract, once and in order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from jackfield_sdk.conformance.case import Case, Skip, expect
from jackfield_sdk.conformance.declared import Declared
from jackfield_sdk.conformance.platform import Cannot
from jackfield_sdk.conformance.samples import sample
from jackfield_sdk.conformance.stage import Stage

TOPIC = "events"
IDS = {
    "message.received": "EV-A01",
    "message.edited": "EV-A02",
    "message.deleted": "EV-A03",
    "message.reaction": "EV-A04",
    "feedback.received": "EV-A05",
    "interaction.received": "EV-A05",
    "group.member_joined": "EV-A06",
    "group.member_left": "EV-A07",
    "group.member_banned": "EV-A08",
    "group.member_unbanned": "EV-A08",
    "group.info_updated": "EV-A09",
    "friend.request_received": "EV-A10",
    "friend.added": "EV-A11",
    "friend.removed": "EV-A11",
    "bot.invited_to_group": "EV-A12",
    "bot.removed_from_group": "EV-A13",
    "bot.muted": "EV-A14",
    "bot.unmuted": "EV-A14",
}
# What of the payload has to be filled in, by event.
FILLED: dict[str, tuple[str, ...]] = {
    "message.received": ("message_id", "message"),
    "message.edited": ("message_id", "message"),
    "message.deleted": ("message_id",),
    "message.reaction": ("message_id", "reaction"),
    "feedback.received": ("feedback_type",),
    "interaction.received": ("id", "kind"),
    "group.member_joined": ("group", "member"),
    "group.member_left": ("group", "member"),
    "group.member_banned": ("group", "member"),
    "group.member_unbanned": ("group", "member"),
    "group.info_updated": ("group",),
    "friend.request_received": ("request_id",),
    "bot.invited_to_group": ("group",),
    "bot.removed_from_group": ("group",),
    "bot.muted": ("group",),
    "bot.unmuted": ("group",),
}
BURST = 100
FLOOD = 1000


def cases(declared: Declared) -> Iterator[Case]:
    """In the order of the acceptance page."""
    for event, case_id in IDS.items():
        yield Case(case_id, TOPIC, f"{event} is published", partial(common, event), event)
    yield Case("EV-A15", TOPIC, "an event of the platform's own is structured data", native)
    yield Case("EV-A16", TOPIC, "the same delivery twice is one event", duplicates)
    yield Case("EV-A17", TOPIC, f"{BURST} messages of a chat arrive in order", partial(order, BURST))
    yield Case("OP-10", TOPIC, f"{FLOOD} messages at once arrive, each once", partial(order, FLOOD))


async def common(event: str, stage: Stage) -> None:
    since = stage.mark
    declared = event in stage.declared.events
    try:
        await happens(event, stage)
    except Cannot as reason:
        raise Skip(f"{'' if declared else 'not declared; '}{reason}") from None
    if declared:
        published = await stage.event(since, lambda e: e.type == event)
        missing = [name for name in FILLED.get(event, ()) if not _filled(published.payload, name)]
        expect(not missing, f"{event} came without {', '.join(missing)}")
        return
    came = {one.type for one in await stage.fence(since)}
    expect(event not in came, f"{event} is published, but `events` of the manifest lacks it")
    raise Skip("not declared, and not published")


async def happens(event: str, stage: Stage) -> None:
    """Lets it happen. Raises Cannot."""
    if event == "message.received":
        await stage.platform.say("an event")
        return
    if event == "interaction.received":
        # So that there is something to press.
        await stage.send("press ", sample(stage, "actions", "", {}))
    await stage.platform.cause(event)


def _filled(payload: Any, name: str) -> bool:
    return bool(getattr(payload, name, None))


async def native(stage: Stage) -> None:
    since = stage.mark
    kind = await stage.platform.native()
    event = await stage.event(since, lambda e: e.type == kind)
    known = stage.declared.provides.get("platform_events") or {}
    expect(kind.rpartition(".")[2] in known, f"{kind} is published, but platform_events lacks it")
    expect(isinstance(getattr(event.payload, "data", None), dict), f"{kind} holds no data")


async def duplicates(stage: Stage) -> None:
    since = stage.mark
    await stage.platform.say("only once")
    await stage.received("only once", since)
    await stage.platform.again()
    came = [event for event in await stage.fence(since) if event.type == "message.received"]
    expect(len(came) == 1, f"one message, delivered twice, became {len(came)} events")


async def order(count: int, stage: Stage) -> None:
    since = stage.mark
    said = [f"{count}.{number}" for number in range(count)]
    for text in said:
        await stage.platform.say(text)
    await stage.received(said[-1], since)
    await stage.fence(since)
    heard = [one.event.text for one in stage.kernel.published[since:]]
    heard = [text for text in heard if text.startswith(f"{count}.")]
    expect(sorted(heard) == sorted(said), f"{len(said)} messages became {len(heard)} events")
    expect(heard == said, "the messages of one chat arrived out of order")
