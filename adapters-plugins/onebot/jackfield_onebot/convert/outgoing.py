"""Message chains to native messages, in array form: what is sent in which order, and what by a fallback."""

from __future__ import annotations

from collections.abc import Mapping
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
    Location,
    Mention,
    MentionAll,
    Message,
    NotSupported,
    PlatformSegment,
    Quote,
    Segment,
    Sticker,
    Text,
    Unknown,
    Video,
    Voice,
)

from jackfield_onebot.convert.controls import actions_text, form_text
from jackfield_onebot.convert.incoming import OWN, PLATFORM
from jackfield_onebot.convert.media import Blobs, link_of, source_of
from jackfield_onebot.convert.splitting import split
from jackfield_onebot.convert.values import native_id, refuse_host_paths

Native = dict[str, Any]
# Code points of text in one message.
LONGEST_TEXT = 4500
LONGEST_QUOTE = 60
# Own segments that may stand beside text.
_INLINE = frozenset({"markdown", "anonymous"})
_THROWS: Mapping[FaceKind, str] = {FaceKind.DICE: "dice", FaceKind.RPS: "rps"}


@dataclass(slots=True)
class Part:
    """One native message, or one bundle. `otherwise` is sent when the endpoint has no such thing."""

    segments: list[Native] = field(default_factory=list)
    nodes: list[Native] | None = None
    otherwise: list[Part] | None = None
    name: str = ""


class Plan:
    """`parts` in order of sending; `degraded` names the segments that go by a fallback."""

    def __init__(self, *, group: bool, self_id: str, blobs: Blobs) -> None:
        self.parts: list[Part] = []
        self.degraded: list[str] = []
        self._group = group
        self._self_id = self_id
        self._blobs = blobs
        self._run: list[Native] = []
        self._room = LONGEST_TEXT

    def add(self, message: Message) -> Plan:
        """Plans a chain. Raises NotSupported when nothing of it can be sent, InvalidArgument for a bad
        handle."""
        for segment in message.segments:
            self._segment(segment)
        self._end_run()
        if not self.parts:
            names = sorted({_name(segment) for segment in message.segments})
            raise NotSupported(
                f"OneBot can send nothing of this message: {', '.join(names) or 'it is empty'}",
                metadata={"api": "send_message", "segment": names[0] if names else ""},
            )
        return self

    def _segment(self, segment: Segment) -> None:
        match segment:
            case Text(text=text):
                self._text(text)
            case Mention(user_id=user_id) if self._group and user_id:
                self._inline("at", qq=user_id)
            case Mention(user_id=user_id, display=display):
                self._fallback("mention", f"@{display or user_id}")
            case MentionAll() if self._group:
                self._inline("at", qq="all")
            case MentionAll():
                self._fallback("mention_all", "@All")
            case Quote(message_id=message_id, origin=origin):
                self._quote(message_id, origin)
            case Image(media=media):
                self._picture("image", source_of(media, self._blobs), link_of(media) or "[Image]")
            case Sticker(media=media, emoji=emoji):
                self.degrade("sticker")
                self._picture("sticker", source_of(media, self._blobs), f"[{emoji or 'Sticker'}]")
            case Voice(media=media):
                self._own("voice", "record", source_of(media, self._blobs), link_of(media) or "[Voice]")
            case Video(media=media, cover=cover):
                extra = {"cover": source_of(cover, self._blobs)} if cover is not None else {}
                source = source_of(media, self._blobs)
                self._own("video", "video", source, link_of(media) or "[Video]", extra)
            case File(media=media):
                name = media.name if media is not None else ""
                text = link_of(media) or f"[File] {name}"
                extra = {"name": name} if name else {}
                self._own("file", "file", source_of(media, self._blobs), text, extra, refusable=True)
            case Forward():
                self._forward(segment)
            case Face(kind=kind, id=face_id, name=name):
                self._face(kind, face_id, name)
            case Location(latitude=latitude, longitude=longitude, title=title, address=address):
                data = {"lat": str(latitude), "lon": str(longitude), "title": title, "content": address}
                self._alone({"type": "location", "data": data})
            case Actions():
                self._fallback("actions", actions_text(segment), lines=True)
            case Form():
                self._fallback("form", form_text(segment), lines=True)
            case PlatformSegment(platform=platform, type=kind, data=native):
                self._platform(platform, kind, native or {})
            case Unknown():
                self.degrade("unknown")

    def degrade(self, name: str) -> None:
        """Notes a fallback, each name once."""
        if name not in self.degraded:
            self.degraded.append(name)

    def _text(self, text: str) -> None:
        if not text:
            return
        for piece in split(text, LONGEST_TEXT, max(1, self._room)) if len(text) > self._room else (text,):
            if len(piece) > self._room:
                self._end_run()
            self._run.append({"type": "text", "data": {"text": piece}})
            self._room -= len(piece)
            if self._room <= 0:
                self._end_run()

    def _inline(self, kind: str, **data: Any) -> None:
        self._run.append({"type": kind, "data": data})

    def _fallback(self, name: str, text: str, *, lines: bool = False) -> None:
        self.degrade(name)
        # Lists begin on a line of their own.
        self._text(f"\n{text}" if lines and self._run else text)

    def _alone(self, native: Native) -> None:
        self._end_run()
        self.parts.append(Part([native]))

    def _end_run(self) -> None:
        if self._run:
            self.parts.append(Part(self._run))
        self._run, self._room = [], LONGEST_TEXT

    def _quote(self, message_id: str, origin: Message | None) -> None:
        if message_id:
            self._inline("reply", id=message_id)
            return
        self.degrade("quote")
        if origin is not None:
            shown = " ".join(origin.plain().split())
            short = shown[:LONGEST_QUOTE] + ("…" if len(shown) > LONGEST_QUOTE else "")
            self._text(f"> {short}\n")

    def _picture(self, name: str, source: str, text: str) -> None:
        if source:
            self._inline("image", file=source)
        else:
            self._fallback(name, text)

    def _own(
        self,
        name: str,
        kind: str,
        source: str,
        text: str,
        extra: Mapping[str, str] | None = None,
        *,
        refusable: bool = False,
    ) -> None:
        if not source:
            self._fallback(name, text)
            return
        self._alone({"type": kind, "data": {"file": source, **(extra or {})}})
        if refusable:
            plain = {"type": "text", "data": {"text": text}}
            self.parts[-1].otherwise, self.parts[-1].name = [Part([plain])], name

    def _face(self, kind: FaceKind, face_id: str, name: str) -> None:
        throw = _THROWS.get(kind)
        if throw is not None and not face_id:
            self._alone({"type": throw, "data": {}})
        elif throw is not None:
            # A known result cannot be thrown again.
            self._fallback("face", f"[{name or throw} {face_id}]")
        elif face_id.isascii() and face_id.isdigit():
            self._inline("face", id=face_id)
        else:
            self._fallback("face", f"[{name or face_id or 'Face'}]")

    def _platform(self, platform: str, kind: str, data: Mapping[str, Any]) -> None:
        if platform != PLATFORM or kind not in OWN or kind == "node":
            self.degrade("platform")
            return
        refuse_host_paths(data)
        native: Native = {"type": kind, "data": dict(data)}
        if kind in _INLINE:
            self._run.append(native)
        else:
            self._alone(native)

    def _forward(self, bundle: Forward) -> None:
        self._end_run()
        flat = self._flattened(bundle)
        if not self._group or not bundle.nodes:
            self.degrade("forward")
            self.parts += flat
            return
        nodes = [
            {"type": "node", "data": {"id": node.message_id}}
            if node.message_id and not node.message
            else self._node(node.sender_id, node.sender_name, node.message or Message())
            for node in bundle.nodes
        ]
        self.parts.append(Part(nodes=nodes, otherwise=flat, name="forward"))

    def _node(self, sender_id: str, sender_name: str, message: Message) -> Native:
        """Names differ between endpoints: both are written."""
        inner = self._inner()
        for segment in message.segments:
            if isinstance(segment, Forward):
                for part in self._flattened(segment):
                    inner._run += part.segments
            else:
                inner._segment(segment)
        inner._end_run()
        content = [native for part in inner.parts for native in part.segments]
        who = native_id(sender_id or self._self_id)
        data = {"user_id": who, "uin": who, "nickname": sender_name, "name": sender_name, "content": content}
        return {"type": "node", "data": data}

    def _flattened(self, bundle: Forward) -> list[Part]:
        """Every node as `sender: content`, media as messages of their own."""
        inner = self._inner()
        for line in (bundle.title, *([] if bundle.nodes else bundle.preview)):
            inner._text(f"{line}\n" if line else "")
        for number, node in enumerate(bundle.nodes):
            inner._text(("\n" if number and inner._run else "") + f"{node.sender_name or node.sender_id}: ")
            for segment in (node.message or Message()).segments:
                inner._segment(segment)
                if isinstance(segment, Image | Sticker):
                    inner._end_run()
        if not bundle.nodes and not bundle.title:
            inner._text("[Chat history]")
        inner._end_run()
        return inner.parts

    def _inner(self) -> Plan:
        inner = Plan(group=self._group, self_id=self._self_id, blobs=self._blobs)
        inner.degraded = self.degraded
        return inner


def _name(segment: Segment) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in type(segment).__name__).lstrip("_")
