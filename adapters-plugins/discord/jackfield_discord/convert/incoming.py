"""Native messages as chains of segments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from jackfield_sdk import (
    Face,
    FaceKind,
    File,
    Forward,
    ForwardNode,
    Image,
    Media,
    Mention,
    MentionAll,
    Message,
    PlatformSegment,
    Quote,
    Segment,
    Sticker,
    Text,
    Unknown,
    Video,
    Voice,
)

from jackfield_discord.convert.people import user_of
from jackfield_discord.convert.values import integer_of, table, tables, text_of, time_of

PLATFORM = "discord"
VOICE_MESSAGE = 1 << 13
FORWARD = 1
# Messages that people write, and commands of applications; every other type is told by the platform itself.
WRITTEN = (0, 19, 20, 23)
_TOKENS = re.compile(
    r"<@!?(?P<user>\d{1,20})>|<@&(?P<role>\d{1,20})>|<(?P<moving>a?):(?P<face>\w{1,64}):(?P<emoji>\d{1,20})>"
    r"|(?P<all>@everyone|@here)"
)


def message_of(native: Mapping[str, Any]) -> Message:
    """Everything that a message shows."""
    return Message(*_segments(native))


def mentions(native: Mapping[str, Any], user_id: str) -> bool:
    """True when the message addresses this account: by name, or as an answer that pings."""
    return any(text_of(user.get("id")) == user_id for user in tables(native.get("mentions")))


def is_written(native: Mapping[str, Any]) -> bool:
    """False for what the platform says by itself: somebody joined, a message was pinned."""
    return integer_of(native.get("type")) in WRITTEN


def _segments(native: Mapping[str, Any]) -> Iterator[Segment]:
    reference = table(native.get("message_reference"))
    if integer_of(reference.get("type")) == FORWARD:
        yield _forward(native, reference)
    elif message_id := text_of(reference.get("message_id")):
        yield _quote(message_id, native.get("referenced_message"))
    yield from text_segments(native)
    for attachment in tables(native.get("attachments")):
        yield _media(native, attachment)
    for sticker in tables(native.get("sticker_items")):
        yield Sticker(id=text_of(sticker.get("id")), emoji=text_of(sticker.get("name")))
    for embed in tables(native.get("embeds")):
        # The others are previews of addresses, which the text holds already.
        if embed.get("type", "rich") in ("rich", "poll_result"):
            yield PlatformSegment(PLATFORM, "embed", embed)
    if poll := table(native.get("poll")):
        yield PlatformSegment(PLATFORM, "poll", poll)
    if components := tables(native.get("components")):
        yield PlatformSegment(PLATFORM, "components", {"components": components})


def text_segments(native: Mapping[str, Any]) -> Iterator[Segment]:
    """The text, with mentions and small pictures taken out of it."""
    content = text_of(native.get("content"))
    named = {text_of(user.get("id")): user for user in tables(native.get("mentions"))}
    everyone = native.get("mention_everyone") is True
    done = 0
    for found in _TOKENS.finditer(content):
        if found["all"] and not everyone:
            continue
        if found.start() > done:
            yield Text(content[done : found.start()])
        done = found.end()
        if user_id := found["user"]:
            known = named.get(user_id)
            user = user_of(known, table(known).get("member"))
            yield Mention(user_id, user.nickname if user is not None else "")
        elif role := found["role"]:
            yield PlatformSegment(PLATFORM, "role_mention", {"role_id": role})
        elif emoji := found["emoji"]:
            yield Face(FaceKind.FACE, id=emoji, name=found["face"])
        else:
            yield MentionAll()
    if done < len(content):
        yield Text(content[done:])


def _quote(message_id: str, origin: Any) -> Quote:
    given = table(origin)
    author = text_of(table(given.get("author")).get("id"))
    # An answer to an answer: the first one is not given again.
    return Quote(
        message_id=message_id, sender_id=author, origin=Message(*text_segments(given)) if given else None
    )


def _forward(native: Mapping[str, Any], reference: Mapping[str, Any]) -> Segment:
    nodes = []
    for snapshot in tables(native.get("message_snapshots")):
        inner = table(snapshot.get("message"))
        nodes.append(
            ForwardNode(
                message=Message(
                    *text_segments(inner), *(_media(native, one) for one in tables(inner.get("attachments")))
                ),
                message_id=text_of(reference.get("message_id")),
                time=time_of(inner.get("timestamp")),
            )
        )
    return Forward(nodes=tuple(nodes)) if nodes else Unknown("[Forwarded message]", "message_snapshot")


def _media(native: Mapping[str, Any], attachment: Mapping[str, Any]) -> Segment:
    mime = text_of(attachment.get("content_type")).partition(";")[0]
    place = (native.get("channel_id"), native.get("id"), attachment.get("id"))
    media = Media(
        # Addresses of attachments expire; this finds the file as long as the message exists.
        platform_id="/".join(text_of(part) for part in place),
        mime=mime,
        size=integer_of(attachment.get("size")),
        name=text_of(attachment.get("filename")),
    )
    seconds = attachment.get("duration_secs")
    duration = timedelta(seconds=seconds) if isinstance(seconds, int | float) and 0 < seconds < 1e6 else None
    if mime.startswith("image/"):
        return Image(media)
    if mime.startswith("video/"):
        return Video(media, duration)
    if mime.startswith("audio/") and integer_of(native.get("flags")) & VOICE_MESSAGE:
        return Voice(media, duration)
    return File(media)
