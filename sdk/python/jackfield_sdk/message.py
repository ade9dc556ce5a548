"""Chat content: a message is an ordered chain of segments. Everything here is immutable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, TypeVar

from jackfield_sdk.entity import Chat
from jackfield_sdk.interactive import Actions, Form
from jackfield_sdk.plain import plain


class TextFormat(IntEnum):
    """How the text of a segment is to be read; received text is always plain."""

    UNSPECIFIED = 0
    MARKDOWN = 1


class FaceKind(IntEnum):
    """What a `Face` shows."""

    UNSPECIFIED = 0
    FACE = 1
    DICE = 2
    RPS = 3


@plain
class Text:
    """Text, preserved exactly."""

    text: str = ""
    format: TextFormat = TextFormat.UNSPECIFIED


def markdown(text: str) -> Text:
    """Text in CommonMark; adapters translate it to the platform's dialect."""
    return Text(text, TextFormat.MARKDOWN)


@plain
class Mention:
    """A user addressed by name."""

    user_id: str = ""
    display: str = ""


@plain
class MentionAll:
    """Everyone in the chat addressed."""


@plain
class Quote:
    """The message that this one answers."""

    message_id: str = ""
    chat: Chat | None = None
    sender_id: str = ""
    origin: Message | None = None


@plain
class Media:
    """A handle to bytes: one of `platform_id`, `url`, `blob_id`; never a path. `size` in bytes, 0 when
    unknown."""

    platform_id: str = ""
    url: str = ""
    blob_id: str = ""
    mime: str = ""
    size: int = 0
    name: str = ""


@plain
class Image:
    """A picture."""

    media: Media | None = None


@plain
class Voice:
    """A voice recording."""

    media: Media | None = None
    duration: timedelta | None = None


@plain
class Video:
    """A film."""

    media: Media | None = None
    duration: timedelta | None = None
    cover: Media | None = None


@plain
class File:
    """A document."""

    media: Media | None = None


@plain
class ForwardNode:
    """One message of a `Forward`."""

    sender_id: str = ""
    sender_name: str = ""
    message: Message | None = None
    message_id: str = ""
    time: datetime | None = None


@plain
class Forward:
    """A bundle of messages shown as one."""

    title: str = ""
    brief: str = ""
    source: str = ""
    preview: tuple[str, ...] = ()
    summary: str = ""
    nodes: tuple[ForwardNode, ...] = ()


@plain
class Face:
    """A small picture from the platform's own set, a die or a hand game."""

    kind: FaceKind = FaceKind.UNSPECIFIED
    id: str = ""
    name: str = ""


@plain
class Sticker:
    """A sticker."""

    id: str = ""
    set_id: str = ""
    emoji: str = ""
    media: Media | None = None


@plain
class Location:
    """A place, in degrees (WGS 84)."""

    latitude: float = 0.0
    longitude: float = 0.0
    title: str = ""
    address: str = ""


@plain
class Unknown:
    """Received content that no segment expresses, also segments of a newer contract. Never sent."""

    text: str = ""
    native_type: str = ""


@plain
class PlatformSegment:
    """Content that exists on one platform only."""

    platform: str = ""
    type: str = ""
    data: dict[str, Any] | None = None


Segment = (
    Text
    | Mention
    | MentionAll
    | Quote
    | Image
    | Voice
    | Video
    | File
    | Forward
    | Face
    | Sticker
    | Location
    | Actions
    | Form
    | Unknown
    | PlatformSegment
)

_S = TypeVar("_S")


class Message:
    """A chain of segments: `Message("hello")`, `Message(Text("see "), Image(Media(url=...)))`, `a + " and "
    + b`."""

    __slots__ = ("segments",)

    segments: tuple[Segment, ...]

    def __init__(self, *parts: str | Segment | Message | Iterable[Segment]) -> None:
        object.__setattr__(self, "segments", tuple(_flat(parts)))

    @classmethod
    def of(cls, *parts: str | Segment | Message | Iterable[Segment]) -> Message:
        """The same as the constructor, for whoever likes to read it so."""
        return cls(*parts)

    @classmethod
    def from_segments(cls, segments: tuple[Segment, ...]) -> Message:
        """From segments that are known to be nothing else: skips the constructor's look at each part."""
        message = cls.__new__(cls)
        object.__setattr__(message, "segments", segments)
        return message

    @classmethod
    def markdown(cls, text: str) -> Message:
        """One segment of CommonMark."""
        return cls(markdown(text))

    @property
    def text(self) -> str:
        """All text segments joined; mentions, media and everything else left out."""
        segments = self.segments
        if len(segments) == 1 and type(segments[0]) is Text:
            return segments[0].text
        return "".join(s.text for s in segments if type(s) is Text)

    def plain(self) -> str:
        """The string form for rules, logs and prompts: `@name look: [Image]`."""
        return "".join(_plain(segment) for segment in self.segments)

    def all(self, kind: type[_S]) -> list[_S]:
        """The segments of one class, in order: `message.all(Image)`."""
        return [segment for segment in self.segments if isinstance(segment, kind)]

    def first(self, kind: type[_S]) -> _S | None:
        """The first segment of one class, or None."""
        return next((segment for segment in self.segments if isinstance(segment, kind)), None)

    def __add__(self, other: str | Segment | Message) -> Message:
        return Message(self, other)

    def __radd__(self, other: str | Segment) -> Message:
        return Message(other, self)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    def __len__(self) -> int:
        return len(self.segments)

    def __bool__(self) -> bool:
        return bool(self.segments)

    def __eq__(self, other: object) -> bool:
        return self.segments == other.segments if isinstance(other, Message) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.segments)

    def __str__(self) -> str:
        return self.plain()

    def __repr__(self) -> str:
        return f"Message({', '.join(map(repr, self.segments))})"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a message is immutable; build a new one")


def _flat(parts: Iterable[str | Segment | Message | Iterable[Segment]]) -> Iterator[Segment]:
    for part in parts:
        if isinstance(part, str):
            yield Text(part)
        elif isinstance(part, Message):
            yield from part.segments
        elif isinstance(part, Segment):
            yield part
        elif isinstance(part, Iterable):
            yield from _flat(part)
        else:
            raise TypeError(f"not a part of a message: {part!r}; give text, a segment or a message")


def _plain(segment: Segment) -> str:
    match segment:
        case Text(text=text):
            return text
        case Mention(user_id=user_id, display=display):
            return f"@{display or user_id}"
        case MentionAll():
            return "@All"
        case Quote():
            return ""
        case File(media=media):
            return f"[File]{media.name if media else ''}"
        case Forward():
            return "[Chat history]"
        case Face(name=name):
            return f"[{name or 'Face'}]"
        case Sticker(emoji=emoji):
            return emoji or "[Sticker]"
        case Location(title=title):
            return f"[Location]{title}"
        case Form(title=title):
            return f"[Form]{title}"
        case Unknown(text=text):
            return text or "[Unknown]"
        case PlatformSegment(type=kind):
            return f"[{kind}]"
        case _:
            return f"[{type(segment).__name__}]"
