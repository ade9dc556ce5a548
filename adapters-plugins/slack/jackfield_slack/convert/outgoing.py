"""A message as what Slack is told: posts of text and blocks, and files to upload, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jackfield_sdk import (
    Actions,
    Face,
    File,
    Form,
    Forward,
    Image,
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

from jackfield_slack.convert.blocks import actions_blocks, actions_text, form_blocks, form_text
from jackfield_slack.convert.mrkdwn import LIMIT, escape, written

MOST_BLOCKS = 50
SECTION = 3_000


@dataclass
class Post:
    """One `chat.postMessage`."""

    text: str = ""
    blocks: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Upload:
    """One file, by blob."""

    media: Media
    kind: str


@dataclass(frozen=True)
class Outgoing:
    """What to do, and which segments stand in another form than they were given."""

    steps: tuple[Post | Upload, ...]
    degraded: tuple[str, ...]


def outgoing(message: Message, limit: int = LIMIT) -> Outgoing:
    """Raises NotSupported for a segment without any form, before anything is sent; InvalidArgument for one Slack never takes."""
    build = _Build(limit)
    for segment in message:
        build.add(segment)
    return build.done()


class _Build:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._steps: list[Post | Upload] = []
        self._inline: list[tuple[str, bool]] = []
        """Runs of text; True for CommonMark, False for what stands in Slack's markup already."""
        self._blocks: list[dict[str, Any]] = []
        self._fallback: list[str] = []
        self._degraded: dict[str, None] = {}
        self._number = 0

    def add(self, segment: Any) -> None:
        match segment:
            case Text(text=text, format=TextFormat.MARKDOWN):
                self._inline.append((text, True))
            case Text(text=text):
                self._raw(escape(text))
            case Mention(user_id=user_id):
                self._raw(f"<@{escape(user_id)}>")
            case MentionAll():
                self._raw("<!channel>")
            case Quote(origin=origin):
                self._degraded["quote"] = None
                if origin is not None and origin.text:
                    self._raw("".join(f"> {escape(line)}\n" for line in origin.text.splitlines()))
            case Image(media=Media() as media) if media.url.startswith("https://") and not media.blob_id:
                name = media.name or "image"
                self._block(
                    {"type": "image", "image_url": media.url, "alt_text": name[:2000]}, f"{name} {media.url}"
                )
            case Image(media=media) | Voice(media=media) | Video(media=media) | File(media=media):
                self._media(media or Media(), type(segment).__name__.lower())
            case Face(name=name, id=face):
                self._raw(
                    f":{name or face}:"
                    if (name or face).replace("_", "").isalnum()
                    else escape(name or "[Face]")
                )
            case Sticker(media=media, emoji=emoji):
                self._degraded["sticker"] = None
                if media is not None and (media.blob_id or media.url):
                    self._media(media, "image")
                else:
                    self._raw(escape(emoji or "[Sticker]"))
            case Location(latitude=latitude, longitude=longitude, title=title, address=address):
                self._degraded["location"] = None
                place = ", ".join(filter(None, (title, address)))
                link = f"https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}"
                self._raw(f"{escape(place)} <{escape(link)}>".strip())
            case Forward(title=title, nodes=nodes):
                self._degraded["forward"] = None
                lines = [
                    title,
                    *(f"{n.sender_name or n.sender_id}: {(n.message or Message()).plain()}" for n in nodes),
                ]
                self._raw("".join(f"> {escape(line)}\n" for line in lines if line))
            case Actions():
                self._number += 1
                for block in actions_blocks(segment, self._number):
                    self._block(block, "")
                self._fallback.append(escape(actions_text(segment)))
            case Form():
                self._number += 1
                for block in form_blocks(segment, self._number):
                    self._block(block, "")
                self._fallback.append(escape(form_text(segment)))
            case PlatformSegment(platform="slack", type="blocks", data={"blocks": list() as blocks}):
                for block in blocks:
                    self._block(block, "")
            case Unknown() | PlatformSegment():
                raise NotSupported(
                    f"Slack has no form of the segment {type(segment).__name__}",
                    metadata={"segment": type(segment).__name__},
                )
            case _:
                self._degraded[type(segment).__name__.lower()] = None
                self._raw(escape(Message(segment).plain()))

    def done(self) -> Outgoing:
        self._flush()
        return Outgoing(tuple(self._steps), tuple(self._degraded))

    def _raw(self, shown: str) -> None:
        if self._inline and not self._inline[-1][1]:
            self._inline[-1] = (self._inline[-1][0] + shown, False)
        else:
            self._inline.append((shown, False))

    def _media(self, media: Media, kind: str) -> None:
        if media.blob_id:
            self._flush()
            self._steps.append(Upload(media, kind))
        elif media.url:
            self._degraded[kind] = None
            name = escape(media.name).replace("|", "¦")
            self._raw(f"<{escape(media.url)}|{name}>" if name else f"<{escape(media.url)}>")
        else:
            raise NotSupported(
                "a file of another message cannot be sent again",
                remedy="Fetch it and send it as a blob.",
                metadata={"segment": kind},
            )

    def _block(self, block: dict[str, Any], fallback: str) -> None:
        if len(self._blocks) >= MOST_BLOCKS - 2:
            self._flush()
        for text in self._texts(SECTION):
            self._blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
            self._fallback.append(text)
        self._inline.clear()
        self._blocks.append(block)
        if fallback:
            self._fallback.append(escape(fallback))

    def _flush(self) -> None:
        if self._blocks:
            for text in self._texts(SECTION):
                self._blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
                self._fallback.append(text)
            fallback = "\n".join(filter(None, self._fallback))
            self._steps.append(Post(fallback[: self._limit], self._blocks))
        else:
            self._steps.extend(Post(text) for text in self._texts(self._limit))
        self._inline, self._blocks, self._fallback = [], [], []

    def _texts(self, limit: int) -> list[str]:
        """The text so far in pieces; no mention, link or escape is cut."""
        pieces: list[str] = []
        for text, markdown in self._inline:
            shown = written(text, markdown=True, limit=limit) if markdown else _whole(text, limit)
            for piece in shown:
                if pieces and len(pieces[-1]) + len(piece) <= limit:
                    pieces[-1] += piece
                else:
                    pieces.append(piece)
        return [piece for piece in pieces if piece.strip()]


def _whole(text: str, limit: int) -> list[str]:
    """Slack's markup in pieces that end at a line, a blank, or else anywhere outside `<...>` and `&...;`."""
    found = []
    while len(text) > limit:
        end = max(text.rfind("\n", 1, limit), text.rfind(" ", limit // 2, limit)) + 1 or limit
        for opened, closed in (("<", ">"), ("&", ";")):
            start = text.rfind(opened, 0, end)
            if start > 0 and closed not in text[start:end]:
                end = start
        found.append(text[:end])
        text = text[end:]
    return [*found, text] if text else found
