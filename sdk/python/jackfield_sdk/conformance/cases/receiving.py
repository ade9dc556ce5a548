"""RX: what users send arrives in the contract's own parts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from jackfield_sdk.conformance.case import Case, Skip, expect
from jackfield_sdk.conformance.declared import Declared
from jackfield_sdk.conformance.platform import Cannot
from jackfield_sdk.conformance.samples import CLASSES, check_received
from jackfield_sdk.conformance.stage import Stage

TOPIC = "receiving"
IDS = {
    "mention": "RX-03",
    "mention_all": "RX-04",
    "image": "RX-05",
    "voice": "RX-06",
    "file": "RX-07",
    "quote": "RX-08",
    "face": "RX-09",
    "forward": "RX-10",
    "unknown": "RX-11",
    "platform": "RX-11",
    "video": "RX-15",
    "location": "RX-15",
    "sticker": "RX-15",
}
UNICODE = "👩‍👩‍👧‍👦 שלום e\u0301 \u200f\u0627"


def cases(declared: Declared) -> Iterator[Case]:
    """In the order of the acceptance page."""
    yield Case("RX-01", TOPIC, "id and time are there", source)
    yield Case("RX-02", TOPIC, "exact text with blanks and lines", plain, "text")
    for name, case_id in IDS.items():
        yield Case(case_id, TOPIC, f"{name} arrives as its segment", partial(segment, name), name)
    yield Case("RX-13", TOPIC, "a very long text arrives whole", huge)
    yield Case("RX-14", TOPIC, "joined emoji, right-to-left, combining marks", unicode)


async def source(stage: Stage) -> None:
    since = stage.mark
    await stage.platform.say("a source")
    event = await stage.received("a source", since)
    expect(event.message_id, "the event names no message")
    expect(event.time is not None, "the event has no time")
    expect(event.sender is not None and event.sender.id, "the event has no sender")
    expected = str(stage.platform.private)
    expect(str(event.chat) == expected, f"the chat is {event.chat}, not {expected}")


async def plain(stage: Stage) -> None:
    for text in ("two  blanks", "first\n\nthird & <b>*_`", "tab\there"):
        since = stage.mark
        await stage.platform.say(text)
        await stage.received(text, since)


async def segment(name: str, stage: Stage) -> None:
    since = stage.mark
    declared = name in stage.declared.receives
    try:
        await stage.platform.show(name)
    except Cannot as reason:
        raise Skip(f"{'' if declared else 'not declared; '}{reason}") from None
    if declared:
        kind = CLASSES[name]
        event = await stage.event(since, lambda e: e.message.first(kind) is not None)
        check_received(name, event.message.first(kind))
        return
    came = [event for event in await stage.fence(since) if event.message.first(CLASSES[name])]
    expect(not came, f"{name} arrives, but segments.receive of the manifest lacks it")
    raise Skip("not declared, and does not arrive")


async def huge(stage: Stage) -> None:
    # What no platform lets a user write is no case: most end at a few thousand characters.
    longest = max(stage.declared.text_limit, 4000)
    text = "long " * (min(longest, 100_000) // 8)
    since = stage.mark
    await stage.platform.say(text.strip())
    await stage.received(text.strip(), since)


async def unicode(stage: Stage) -> None:
    since = stage.mark
    await stage.platform.say(UNICODE)
    await stage.received(UNICODE, since)
