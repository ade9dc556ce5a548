"""A message as what Lark is told: texts, posts, cards and files to upload, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from jackfield_sdk import (
    Actions,
    Face,
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
    NotSupported,
    PlatformSegment,
    Quote,
    Sticker,
    Text,
    TextFormat,
    Unknown,
    Video,
    Voice,
)
from jackfield_sdk.chunking import length, split

from jackfield_lark.convert.cards import actions_elements, card, form_elements, text_element
from jackfield_lark.convert.markup import is_id, rich, safe

LIMIT = 10_000
"""Bytes of UTF-8. Lark takes 30 KB of a post or card as JSON inside JSON, where a quotation mark takes four."""

Kind = Literal["text", "md", "at", "face"]


@dataclass(frozen=True)
class Piece:
    """A part of a line: text, Markdown, the id of somebody, the name of an emoji."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Post:
    """One message: `msg_type` and `content`."""

    kind: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Upload:
    """One file: `kind` is the segment's name."""

    media: Media
    kind: str
    duration: int = 0
    """Milliseconds, 0 when unknown."""
    cover: Media | None = None


@dataclass(frozen=True)
class Outgoing:
    """What to do, which message is quoted, and which segments stand in another form than they were given."""

    steps: tuple[Post | Upload, ...]
    quoted: str
    degraded: tuple[str, ...]


def outgoing(message: Message, limit: int = LIMIT) -> Outgoing:
    """Raises NotSupported for a segment without any form, before anything is sent; InvalidArgument for one Lark never takes."""
    build = _Build(limit)
    for segment in message:
        build.add(segment)
    return build.done()


def as_card(text: str, markdown: bool) -> Post:
    """Text as a card, for a message that grows."""
    return Post("interactive", card([text_element(rich(text) if markdown else text, markdown)]))


@dataclass
class _Build:
    limit: int
    steps: list[Post | Upload] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    elements: list[dict[str, Any]] = field(default_factory=list)
    degraded: dict[str, None] = field(default_factory=dict)
    quoted: str = ""
    forms: int = 0

    def add(self, segment: Any) -> None:
        match segment:
            case Text(text=text, format=TextFormat.MARKDOWN):
                self._piece("md", rich(text))
            case Text(text=text):
                self._piece("text", text)
            case Mention(user_id=user_id):
                self._at(user_id)
            case MentionAll():
                self._piece("at", "all")
            case Quote(message_id=message_id) if message_id and not self.quoted:
                self.quoted = message_id
            case Quote():
                self.degraded["quote"] = None
            case Face(id=face) if face.isascii() and face.replace("_", "").isalnum() and not face.isdigit():
                self._piece("face", face)
            case Face(name=name, id=face):
                self.degraded["face"] = None
                self._piece("text", face if face and not face.isascii() else f"[{name or face or 'Face'}]")
            case Sticker(id=key) if key.startswith("file_"):
                self._flush()
                self.steps.append(Post("sticker", {"file_key": key}))
            case Sticker(media=media, emoji=emoji):
                self.degraded["sticker"] = None
                if media is not None and media.blob_id:
                    self._media(Upload(media, "image"))
                else:
                    self._piece("text", emoji or "[Sticker]")
            case Image(media=media):
                self._media(Upload(media or Media(), "image"))
            case Voice(media=media, duration=duration):
                long = round(duration.total_seconds() * 1000) if duration else 0
                self._media(Upload(media or Media(), "voice", long))
            case Video(media=media, duration=duration, cover=cover):
                long = round(duration.total_seconds() * 1000) if duration else 0
                self._media(Upload(media or Media(), "video", long, cover))
            case File(media=media):
                self._media(Upload(media or Media(), "file"))
            case Location(latitude=latitude, longitude=longitude, title=title, address=address):
                self.degraded["location"] = None
                place = ", ".join(filter(None, (title, address)))
                link = f"https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}"
                self._piece("text", f"{place} {link}".strip())
            case Forward(title=title, nodes=nodes):
                self.degraded["forward"] = None
                said = [f"{n.sender_name or n.sender_id}: {(n.message or Message()).plain()}" for n in nodes]
                self._piece("text", "".join(f"> {line}\n" for line in (title, *said) if line))
            case Actions():
                self._into_card(actions_elements(segment))
            case Form():
                self.forms += 1
                self._into_card(form_elements(segment, self.forms))
            case PlatformSegment(platform="lark", type="card", data=dict() as data) if data:
                self._flush()
                self.steps.append(Post("interactive", data))
            case Unknown() | PlatformSegment():
                name = type(segment).__name__
                raise NotSupported(f"Lark has no form of the segment {name}", metadata={"segment": name})
            case _:
                self.degraded[type(segment).__name__.lower()] = None
                self._piece("text", Message(segment).plain())

    def done(self) -> Outgoing:
        self._flush()
        return Outgoing(tuple(self.steps), self.quoted, tuple(self.degraded))

    def _piece(self, kind: Kind, text: str) -> None:
        if text:
            self.pieces.append(Piece(kind, text))

    def _at(self, user_id: str) -> None:
        if not is_id(user_id):
            raise InvalidArgument("nobody has such an id", metadata={"field": "user_id"})
        self._piece("at", user_id)

    def _media(self, upload: Upload) -> None:
        media = upload.media
        if media.blob_id or media.platform_id:
            self._flush()
            self.steps.append(upload)
        elif media.url:
            self.degraded[upload.kind] = None
            self._piece("text", f"{media.name} {media.url}".strip())
        else:
            raise InvalidArgument("there are no bytes", metadata={"segment": upload.kind})

    def _into_card(self, elements: list[dict[str, Any]]) -> None:
        if sum(length(piece.text, "bytes") for piece in self.pieces) > self.limit:
            self._flush()
        self._text_into_card()
        self.elements += elements

    def _text_into_card(self) -> None:
        markdown = any(piece.kind != "text" for piece in self.pieces)
        for piece in _joined([_in_card(piece, markdown) for piece in self.pieces]):
            if piece.text.strip():
                self.elements.append(text_element(piece.text, piece.kind == "md"))
        self.pieces.clear()

    def _flush(self) -> None:
        if self.elements:
            self._text_into_card()
            self.steps.append(Post("interactive", card(self.elements)))
            self.elements = []
            return
        for pieces in _packed(self.pieces, self.limit):
            if any(piece.kind in ("at", "face") or piece.text.strip() for piece in pieces):
                self.steps.append(_post(pieces))
        self.pieces = []


def _in_card(piece: Piece, markdown: bool) -> Piece:
    """In a card somebody is addressed by Markdown alone; plain text beside it stays plain."""
    if piece.kind == "at":
        return Piece("md", f"<at id={piece.text}></at>")
    if piece.kind == "face":
        return Piece("md", f":{piece.text}:")
    return piece


def _joined(pieces: list[Piece]) -> list[Piece]:
    done: list[Piece] = []
    for piece in pieces:
        if done and done[-1].kind == piece.kind and piece.kind in ("text", "md"):
            done[-1] = Piece(piece.kind, done[-1].text + piece.text)
        else:
            done.append(piece)
    return done


def _packed(pieces: list[Piece], limit: int) -> list[list[Piece]]:
    """Messages of at most `limit` bytes each."""
    messages: list[list[Piece]] = []
    room = 0
    for piece in _joined(pieces):
        if piece.kind in ("at", "face"):
            chunks = [piece.text]
        else:
            first = room if messages and room >= 64 else limit
            chunks = split(piece.text, limit, "bytes", first=first, markdown=piece.kind == "md")
        for chunk in chunks:
            size = length(chunk, "bytes")
            if not messages or size > room:
                messages.append([])
                room = limit
            messages[-1].append(Piece(piece.kind, chunk))
            room -= size
    return messages


def _post(pieces: list[Piece]) -> Post:
    """A text, where it is nothing else; else a post, in which no text is read for who is addressed."""
    if len(pieces) == 1 and pieces[0].kind == "text" and safe(pieces[0].text) == pieces[0].text:
        return Post("text", {"text": pieces[0].text})
    paragraphs: list[list[dict[str, Any]]] = [[]]
    for piece in pieces:
        if piece.kind == "md":
            # Markdown is a paragraph of its own.
            paragraphs += [[{"tag": "md", "text": piece.text}], []]
        elif piece.kind == "at":
            paragraphs[-1].append({"tag": "at", "user_id": piece.text})
        elif piece.kind == "face":
            paragraphs[-1].append({"tag": "emotion", "emoji_type": piece.text})
        else:
            paragraphs[-1].append({"tag": "text", "text": piece.text})
    return Post("post", {"zh_cn": {"content": [each for each in paragraphs if each]}})
