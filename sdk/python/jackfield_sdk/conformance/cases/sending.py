"""TX: what plugins send is seen on the platform."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from jackfield.v1 import adapter_message_pb2

from jackfield_sdk.chunking import length
from jackfield_sdk.conformance.case import Case, Skip, expect
from jackfield_sdk.conformance.declared import Declared
from jackfield_sdk.conformance.samples import media, sample
from jackfield_sdk.conformance.stage import Stage
from jackfield_sdk.errors import InvalidArgument, NotSupported
from jackfield_sdk.message import Image, markdown

TOPIC = "sending"
IDS = {
    "mention": "TX-02",
    "mention_all": "TX-03",
    "image": "TX-04",
    "voice": "TX-05",
    "file": "TX-06",
    "quote": "TX-07",
    "face": "TX-08",
    "forward": "TX-09",
    "video": "TX-04",
    "sticker": "TX-08",
    "location": "TX-10",
    "actions": "TX-12",
    "form": "TX-12",
    "platform": "TX-12",
}


def cases(declared: Declared) -> Iterator[Case]:
    """In the order of the acceptance page."""
    yield Case("TX-01", TOPIC, "text appears exactly", plain, "text")
    for name, case_id in IDS.items():
        yield Case(
            case_id, TOPIC, f"{name} is sent natively or told as degraded", partial(segment, name), name
        )
    yield Case("TX-10", TOPIC, "text around a picture keeps its order", mixed)
    yield Case("TX-11", TOPIC, "long text is split and nothing of it is lost", long)
    yield Case("TX-12", TOPIC, "markup is shown, and broken markup too", markup)
    yield Case("TX-13", TOPIC, "a streamed reply ends as one whole", streaming, "stream_reply")


async def plain(stage: Stage) -> None:
    text = "exactly  this"
    since = len(stage.platform.seen)
    result = await stage.send(text)
    await stage.seen(since, "send_message", lambda one: one.text == text)
    expect(result.message_id, "the result names no message")
    expect(not result.degraded, f"text is told as degraded: {result.degraded}")


async def segment(name: str, stage: Stage) -> None:
    declared = name in stage.declared.sends
    chat = stage.platform.group or stage.platform.private
    before = await stage.send("before", chat=chat)
    part = sample(stage, name, before.message_id, stage.platform.segment_fields(name))
    since = len(stage.platform.seen)
    try:
        result = await stage.send("with ", part, chat=chat)
    except (NotSupported, InvalidArgument) as error:
        expect(not declared, f"declared in segments.send, but refused: {error}")
        raise Skip(f"not declared, and refused: {error.reason}") from None
    await stage.seen(since, "send_message")
    degraded = name in result.degraded
    if declared:
        expect(not degraded, f"declared in segments.send, but told as degraded: {result.degraded}")
        return
    expect(degraded, f"{name} is sent without a word in `degraded`, but segments.send lacks it")
    raise Skip("not declared: sent by its fallback, and told so")


async def mixed(stage: Stage) -> None:
    since = len(stage.platform.seen)
    await stage.send("one ", Image(media=media(stage, "image")), " two")
    await stage.seen(since, "send_message", lambda one: "two" in one.text)
    texts = "".join(one.text for one in stage.platform.seen[since:])
    expect(texts.index("one") < texts.index("two"), f"the order is lost: {texts!r}")


async def long(stage: Stage) -> None:
    limit = stage.declared.text_limit
    if not limit:
        raise Skip("the manifest states no limits.text")
    unit = stage.declared.provides["limits"]["text"]["unit"]
    if limit > 50_000:
        raise Skip(f"the limit of {limit} is a whole message of its own; nothing has to be split")
    words = " ".join(f"word{number}" for number in range(limit // 4))
    since = len(stage.platform.seen)
    result = await stage.send(words)
    last = words.rsplit(" ", 1)[-1]
    await stage.seen(since, "send_message", lambda one: one.text.rstrip().endswith(last))
    parts = [one.text for one in stage.platform.seen[since:] if one.action == "send_message"]
    expect(all(length(part, unit) <= limit for part in parts), "a part is longer than limits.text")
    expect(len(result.message_ids) == len(parts), f"{len(parts)} parts, {len(result.message_ids)} ids")
    expect("".join(parts).replace(" ", "") == words.replace(" ", ""), "something of the text is lost")


async def markup(stage: Stage) -> None:
    for text in (
        "**bold** and `code`\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "**never ends `at all [x](",
        "```\nopen",
    ):
        since = len(stage.platform.seen)
        await stage.send(markdown(text))
        await stage.seen(since, "send_message", lambda one: bool(one.text))


def _step(number: int, text: str, **more: Any) -> adapter_message_pb2.StreamReplyRequest:
    return adapter_message_pb2.StreamReplyRequest(sequence=number, text=text, **more)


async def streaming(stage: Stage) -> None:
    if "stream_reply" not in stage.declared.apis:
        raise Skip("stream_reply is not declared")
    since = len(stage.platform.seen)
    first = _step(1, "growing")
    first.opening.SetInParent()
    await stage.platform.invite(stage.platform.private)
    call = stage.opened_call("StreamReply", first, stage.platform.private, key="stream", half_closed=False)
    await call.send(_step(2, "growing text").SerializeToString())
    await call.send(_step(3, "growing text, whole", is_final=True).SerializeToString())
    call.half_close()
    result = adapter_message_pb2.StreamReplyResponse.FromString(await call.result()).result
    final = "growing text, whole"
    shows = ("send_message", "edit_message")
    await stage.platform.until(
        lambda: any(one.action in shows and one.text == final for one in stage.platform.seen[since:])
    )
    ids = {one.message_id for one in stage.platform.seen[since:] if one.action == "send_message"}
    expect(result.message_id, "the result names no message")
    expect(len(ids) == 1, f"one reply became {len(ids)} messages")
