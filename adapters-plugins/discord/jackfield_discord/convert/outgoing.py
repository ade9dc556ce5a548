"""Chains of segments as native messages: text in chunks, files, embeds and components with the last one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jackfield_sdk import (
    Actions,
    Face,
    FaceKind,
    File,
    Form,
    Forward,
    Image,
    InvalidArgument,
    Location,
    Media,
    Mention,
    MentionAll,
    Message,
    PlatformSegment,
    Quote,
    Segment,
    Sticker,
    Text,
    TextFormat,
    Unknown,
    Video,
    Voice,
)
from jackfield_sdk.chunking import split

from jackfield_discord.convert.controls import form_button, modal_of, rows_of
from jackfield_discord.convert.dialect import escaped, rendered
from jackfield_discord.convert.incoming import PLATFORM
from jackfield_discord.convert.values import is_snowflake

LONGEST_TEXT = 2000
MOST_FILES = 10
MOST_EMBEDS = 10
MOST_STICKERS = 3
DEEPEST_FORWARD = 4


@dataclass(slots=True)
class Part:
    """One native message."""

    content: str = ""
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    stickers: list[str] = field(default_factory=list)
    files: list[Media] = field(default_factory=list)
    poll: dict[str, Any] | None = None

    @property
    def empty(self) -> bool:
        """True when there is nothing to send."""
        return not (
            self.content.strip() or self.embeds or self.components or self.stickers or self.files or self.poll
        )


class Plan:
    """Collects a chain. Text that is plain is escaped; what cannot be shown is said in words and named in `degraded`."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.degraded: list[str] = []
        self.users: list[str] = []
        self.everyone = False
        self.quoted = ""
        self.forms: dict[str, dict[str, Any]] = {}
        self._text = ""
        self._tail = Part()

    def add(self, message: Message) -> Plan:
        """All of a chain."""
        for segment in message:
            self._add(segment, 0)
        self._finish()
        return self

    def mentions(self) -> dict[str, Any]:
        """Nobody is pinged but who was mentioned as such."""
        return {
            "parse": ["everyone"] if self.everyone else [],
            "users": self.users[:100],
            "replied_user": False,
        }

    def _add(self, segment: Segment, depth: int) -> None:
        match segment:
            case Text(text=text, format=kind):
                self._text += rendered(text) if kind is TextFormat.MARKDOWN else escaped(text)
            case Mention(user_id=user_id, display=display):
                if is_snowflake(user_id):
                    self._text += f"<@{user_id}>"
                    if user_id not in self.users:
                        self.users.append(user_id)
                else:
                    self._text += escaped(f"@{display or user_id}")
            case MentionAll():
                self._text += "@everyone"
                self.everyone = True
            case Quote(message_id=message_id):
                self.quoted = self.quoted or message_id
            case Image(media=media) | Voice(media=media) | Video(media=media) | File(media=media):
                self._media(segment, media)
            case Sticker(id=sticker_id, emoji=emoji):
                if is_snowflake(sticker_id) and len(self._tail.stickers) < MOST_STICKERS:
                    self._tail.stickers.append(sticker_id)
                else:
                    self._in_words("sticker", emoji or "[Sticker]")
            case Face(kind=kind, id=face_id, name=name):
                if kind in (FaceKind.FACE, FaceKind.UNSPECIFIED) and is_snowflake(face_id):
                    self._text += f"<:{name or 'face'}:{face_id}>"
                else:
                    self._in_words("face", f"[{name or 'Face'}]")
            case Location():
                place = f"{segment.title} {segment.address}".strip()
                address = f"https://www.openstreetmap.org/?mlat={segment.latitude}&mlon={segment.longitude}"
                self._text += escaped(place + " " if place else "") + address
                self._degrade("location")
            case Forward():
                self._forward(segment, depth)
            case Actions():
                self._tail.components += rows_of(segment)
            case Form():
                self._form(segment)
            case PlatformSegment():
                self._platform(segment)
            case Unknown():
                raise InvalidArgument("unknown content is never sent", metadata={"field": "message"})

    def _media(self, segment: Segment, media: Media | None) -> None:
        if media is None:
            raise InvalidArgument("a file without a handle", metadata={"field": "media"})
        if isinstance(segment, Voice):
            # A voice message needs a waveform that nobody made.
            self._degrade("voice")
        if media.url and not media.blob_id:
            # Discord shows what stands behind an address.
            self._text += f"\n{media.url}" if self._text else media.url
        else:
            self._tail.files.append(media)

    def _forward(self, forward: Forward, depth: int) -> None:
        self._degrade("forward")
        if depth >= DEEPEST_FORWARD:
            self._text += "[...]"
            return
        for node in forward.nodes:
            if self._text and not self._text.endswith("\n"):
                self._text += "\n"
            self._text += f"**{escaped(node.sender_name or node.sender_id or '?')}**: "
            for inner in node.message or Message():
                if not isinstance(inner, Quote | Unknown):
                    self._add(inner, depth + 1)

    def _form(self, form: Form) -> None:
        head = f"**{escaped(form.title)}**\n" if form.title else ""
        self._text += head + escaped(form.text)
        self.forms[form.id] = modal_of(form)
        self._tail.components += form_button(form)

    def _platform(self, segment: PlatformSegment) -> None:
        native = segment.data or {}
        if segment.platform != PLATFORM:
            self._degrade("platform")
        elif segment.type == "embed":
            self._tail.embeds.append(native)
        elif segment.type == "poll":
            self._tail.poll = native
        elif segment.type == "components" and isinstance(native.get("components"), list):
            self._tail.components += native["components"]
        elif segment.type == "role_mention" and is_snowflake(str(native.get("role_id", ""))):
            self._text += f"<@&{native['role_id']}>"
        else:
            raise InvalidArgument(
                f"Discord has no segment {segment.type[:40]!a}", metadata={"field": "platform.type"}
            )

    def _in_words(self, name: str, words: str) -> None:
        self._degrade(name)
        self._text += escaped(words)

    def _degrade(self, name: str) -> None:
        if name not in self.degraded:
            self.degraded.append(name)

    def _finish(self) -> None:
        chunks = [chunk for chunk in split(self._text, LONGEST_TEXT, "codepoints") if chunk.strip()]
        self.parts = [Part(chunk) for chunk in chunks[:-1]]
        last = self._tail
        last.content = chunks[-1] if chunks else ""
        files, embeds = last.files, last.embeds
        last.files, last.embeds = files[:MOST_FILES], embeds[:MOST_EMBEDS]
        if not last.empty:
            self.parts.append(last)
        self.parts += [
            Part(files=files[i : i + MOST_FILES]) for i in range(MOST_FILES, len(files), MOST_FILES)
        ]
        self.parts += [
            Part(embeds=embeds[i : i + MOST_EMBEDS]) for i in range(MOST_EMBEDS, len(embeds), MOST_EMBEDS)
        ]
        if not self.parts:
            raise InvalidArgument("there is nothing to send", metadata={"field": "message"})
