"""The content of a message as segments: JSON inside a string, in another shape for each type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from jackfield_sdk import (
    Face,
    File,
    Image,
    InvalidArgument,
    Location,
    Media,
    Mention,
    MentionAll,
    Sticker,
    Text,
    Unknown,
    Video,
    Voice,
)
from jackfield_sdk.message import Segment

_NAMES = {
    "interactive": "[Card]",
    "share_chat": "[Chat card]",
    "share_user": "[Contact card]",
    "merge_forward": "[Chat history]",
    "hongbao": "[Red packet]",
    "system": "[System message]",
    "todo": "[Task]",
    "vote": "[Vote]",
    "video_chat": "[Video meeting]",
}
Names = Mapping[str, tuple[str, str]]
"""By the key that stands in the text: (open_id, name)."""


def content_of(kind: str, text: str, mentions: Any, message_id: str) -> tuple[Segment, ...]:
    """Raises InvalidArgument for what is no content of the type."""
    try:
        content = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("the content of the message is no JSON") from error
    if not isinstance(content, dict):
        return (Unknown(text=f"[{kind}]", native_type=kind),)
    return _merged(_segments(kind, content, _names(mentions), message_id))


def media_id(kind: str, message_id: str, key: str) -> str:
    """Files are read with the message that brought them: `image` or `file`, message, key."""
    return f"{kind}/{message_id}/{key}"


def media_parts(platform_id: str) -> tuple[str, str, str]:
    """(kind, message, key); for a key alone the kind by its prefix, and no message."""
    parts = platform_id.split("/")
    if len(parts) == 3 and parts[0] in ("image", "file"):
        return parts[0], parts[1], parts[2]
    return ("image" if platform_id.startswith("img_") else "file"), "", platform_id


def _segments(kind: str, content: Mapping[str, Any], names: Names, message_id: str) -> Iterator[Segment]:
    key = _word(content, "file_key")
    media = Media(platform_id=media_id("file", message_id, key), name=_file_name(content)) if key else None
    if kind == "text":
        yield from _text(_word(content, "text"), names)
    elif kind == "post":
        yield from _post(content, names, message_id)
    elif kind == "image" and _word(content, "image_key"):
        yield _image(content, message_id)
    elif kind == "file" and media:
        yield File(media=media)
    elif kind == "audio" and media:
        yield Voice(media=media, duration=_duration(content))
    elif kind == "media" and media:
        cover = _image(content, message_id).media if _word(content, "image_key") else None
        yield Video(media=media, duration=_duration(content), cover=cover)
    elif kind == "sticker" and key:
        yield Sticker(id=key)
    elif kind == "location":
        yield _location(content)
    else:
        yield Unknown(text=_NAMES.get(kind, f"[{kind}]"), native_type=kind)


def _text(text: str, names: Names) -> Iterator[Segment]:
    """`@_user_1` and `@_all` stand where somebody is addressed."""
    rest = text
    while rest:
        found = [(rest.find(key), key) for key in (*names, "@_all") if key and key in rest]
        if not found:
            break
        # `@_user_1` is the beginning of `@_user_12`: of two at one place the longer one.
        start, key = min(found, key=lambda one: (one[0], -len(one[1])))
        if start:
            yield Text(rest[:start])
        yield _mention(key, names)
        rest = rest[start + len(key) :]
    if rest:
        yield Text(rest)


def _mention(key: str, names: Names) -> Segment:
    user_id, name = names.get(key, (key, ""))
    return (
        MentionAll()
        if key in ("@_all", "all") or user_id == "all"
        else Mention(user_id=user_id, display=name)
    )


def _post(content: Mapping[str, Any], names: Names, message_id: str) -> Iterator[Segment]:
    if "content" not in content:
        # Posts that were sent carry their languages; received ones do not.
        content = next((one for one in content.values() if isinstance(one, dict) and "content" in one), {})
    if title := _word(content, "title"):
        yield Text(f"{title}\n")
    paragraphs = content.get("content")
    for number, paragraph in enumerate(paragraphs if isinstance(paragraphs, list) else ()):
        if number:
            yield Text("\n")
        for element in paragraph if isinstance(paragraph, list) else ():
            if isinstance(element, dict):
                yield from _element(element, names, message_id)


def _element(element: Mapping[str, Any], names: Names, message_id: str) -> Iterator[Segment]:
    tag = _word(element, "tag")
    if tag in ("text", "md"):
        yield from _text(_word(element, "text"), names)
    elif tag == "a":
        text, href = _word(element, "text"), _word(element, "href")
        yield Text(text if text == href or not href else f"{text} ({href})")
    elif tag == "at":
        key = _word(element, "user_id")
        named = _mention(key, names)
        shown = _word(element, "user_name")
        yield Mention(named.user_id, named.display or shown) if isinstance(named, Mention) else named
    elif tag == "img":
        yield _image(element, message_id)
    elif tag == "media":
        yield Video(media=Media(platform_id=media_id("file", message_id, _word(element, "file_key"))))
    elif tag == "emotion":
        name = _word(element, "emoji_type")
        yield Face(id=name, name=name)
    elif tag == "code_block":
        yield Text(f"```{_word(element, 'language').lower()}\n{_word(element, 'text')}\n```")
    elif tag == "hr":
        yield Text("---")
    else:
        yield Unknown(text=f"[{tag}]", native_type=f"post.{tag}")


def _image(content: Mapping[str, Any], message_id: str) -> Image:
    return Image(media=Media(platform_id=media_id("image", message_id, _word(content, "image_key"))))


def _location(content: Mapping[str, Any]) -> Segment:
    try:
        latitude, longitude = float(content["latitude"]), float(content["longitude"])
    except (KeyError, TypeError, ValueError):
        return Unknown(text="[Location]", native_type="location")
    return Location(latitude=latitude, longitude=longitude, title=_word(content, "name"))


def _names(mentions: Any) -> Names:
    found: dict[str, tuple[str, str]] = {}
    for one in mentions if isinstance(mentions, list) else ():
        if isinstance(one, dict) and isinstance(one.get("key"), str):
            given = one.get("id")
            # Read back a mention holds the id itself, in an event the three kinds of it.
            user_id = given.get("open_id") if isinstance(given, dict) else given
            found[one["key"]] = (str(user_id or ""), _word(one, "name"))
    return found


def _merged(segments: Iterator[Segment]) -> tuple[Segment, ...]:
    done: list[Segment] = []
    for one in segments:
        if isinstance(one, Text) and done and isinstance(last := done[-1], Text):
            done[-1] = Text(last.text + one.text)
        elif not isinstance(one, Text) or one.text:
            done.append(one)
    return tuple(done)


def _file_name(content: Mapping[str, Any]) -> str:
    return _word(content, "file_name").replace("/", "_").replace("\\", "_")


def _duration(content: Mapping[str, Any]) -> timedelta | None:
    value = content.get("duration")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    return timedelta(milliseconds=value) if isinstance(value, int) and 0 <= value < 10**11 else None


def _word(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    return value if isinstance(value, str) else ""
