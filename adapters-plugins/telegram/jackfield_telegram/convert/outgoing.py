"""Message chains to requests: what is sent in which order, and what by a fallback."""

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
    InvalidArgument,
    Location,
    Media,
    Mention,
    MentionAll,
    Message,
    NotSupported,
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

from jackfield_telegram.convert.dialect import rich_of
from jackfield_telegram.convert.incoming import PLATFORM
from jackfield_telegram.convert.keyboard import Keyboard, actions_text, form_text, select_text
from jackfield_telegram.convert.rich import LONGEST_CAPTION, Rich
from jackfield_telegram.convert.values import clean, native_id

LONGEST_QUOTE = 60
MOST_IN_ALBUM = 10
DICE = "🎲"
_NOTES = ("audio/ogg", "audio/opus", "application/ogg")
# What may be sent of the platform's own kinds.
OWN: Mapping[str, str] = {"poll": "sendPoll", "contact": "sendContact"}
_POLL = (
    "question",
    "options",
    "is_anonymous",
    "type",
    "allows_multiple_answers",
    "correct_option_id",
    "open_period",
)
_CONTACT = ("phone_number", "first_name", "last_name", "vcard")


@dataclass(slots=True)
class Part:
    """One request. `media` are the parameters whose value is a file; `otherwise` is sent when the platform refuses the file."""

    method: str
    params: dict[str, Any] = field(default_factory=dict)
    media: dict[str, Media] = field(default_factory=dict)
    otherwise: Part | None = None
    name: str = ""


class Plan:
    """`parts` in order of sending; `degraded` names the segments that go by a fallback; `kept` stands behind buttons."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.degraded: list[str] = []
        self.quoted = ""
        self._keyboard = Keyboard()
        self._text = Rich()
        self._album: list[tuple[str, Media]] = []
        self._family = ""

    @property
    def kept(self) -> Mapping[str, str]:
        """Meanings of buttons by their data."""
        return self._keyboard.kept

    def add(self, message: Message, *, with_feedback: bool = False) -> Plan:
        """Plans a chain. Raises NotSupported when nothing of it can be sent, InvalidArgument for a bad handle."""
        for segment in message.segments:
            self._segment(segment)
        if with_feedback:
            self._keyboard.feedback()
        self._end_album()
        if self._keyboard.rows and not self._text.text.strip() and not self._takes_keyboard():
            self._text.add("…")
        self._end_text()
        if not self.parts:
            names = sorted({_name(segment) for segment in message.segments})
            raise NotSupported(
                f"Telegram can send nothing of this message: {', '.join(names) or 'it is empty'}",
                metadata={"api": "send_message", "segment": names[0] if names else ""},
            )
        if (markup := self._keyboard.markup) is not None:
            self.parts[-1].params["reply_markup"] = markup
        if self.quoted:
            reply = {"message_id": native_id(self.quoted), "allow_sending_without_reply": True}
            self.parts[0].params["reply_parameters"] = reply
        return self

    def degrade(self, name: str) -> None:
        """Notes a fallback, each name once."""
        if name not in self.degraded:
            self.degraded.append(name)

    def _segment(self, segment: Segment) -> None:
        match segment:
            case Text(text=text, format=TextFormat.MARKDOWN):
                self._write(rich_of(clean(text)))
            case Text(text=text):
                self._write(Rich(clean(text)))
            case Mention(user_id=user_id, display=display):
                self._write(mention_of(user_id, display))
            case MentionAll():
                self._fallback("mention_all", "@All")
            case Quote():
                self._quote(segment)
            case Image(media=media):
                self._file("image", "photo", media)
            case Video(media=media):
                self._file("video", "video", media)
            case Voice(media=media):
                kind = "audio" if media is not None and media.mime and media.mime not in _NOTES else "voice"
                self._file("voice", kind, media)
            case File(media=media):
                self._file("file", "document", media)
            case Sticker():
                self._sticker(segment)
            case Location():
                self._location(segment)
            case Face(kind=kind, id=face_id, name=name):
                self._face(kind, face_id, name)
            case Forward():
                self.degrade("forward")
                self._forward(segment)
            case Actions():
                self._actions(segment)
            case Form():
                self._form(segment)
            case PlatformSegment(platform=platform, type=kind, data=data):
                self._platform(platform, kind, data or {})
            case Unknown():
                self.degrade("unknown")

    def _write(self, rich: Rich) -> None:
        if rich.text:
            self._end_album()
            self._text.append(rich)

    def _fallback(self, name: str, text: str, *, lines: bool = False) -> None:
        self.degrade(name)
        if lines:
            self._lines(text)
        else:
            self._write(Rich(clean(text)))

    def _lines(self, text: str) -> None:
        """Begins on a line of its own."""
        if text:
            self._write(Rich(f"\n{clean(text)}" if self._text.text else clean(text)))

    def _alone(self, part: Part) -> None:
        self._end_album()
        self._end_text()
        self.parts.append(part)

    def _end_text(self) -> None:
        for chunk in self._text.chunks():
            self.parts.append(Part("sendMessage", text_params("text", chunk)))
        self._text = Rich()

    def _takes_keyboard(self) -> bool:
        return bool(self.parts) and self.parts[-1].method != "sendMediaGroup"

    def _quote(self, quote: Quote) -> None:
        if quote.message_id.isascii() and quote.message_id.isdigit():
            self.quoted = quote.message_id
            return
        self.degrade("quote")
        if quote.origin is not None:
            shown = " ".join(quote.origin.plain().split())
            short = shown[:LONGEST_QUOTE] + ("…" if len(shown) > LONGEST_QUOTE else "")
            self._write(Rich(clean(f"> {short}\n")))

    def _file(self, name: str, kind: str, media: Media | None) -> None:
        if media is None or not (media.blob_id or media.url or media.platform_id):
            self._fallback(name, f"[{name.capitalize()}]")
            return
        check_source(media)
        # Films and pictures side by side are one album; so are documents, and so is music.
        family = "photo" if kind == "video" else kind
        if self._album and (self._family != family or len(self._album) == MOST_IN_ALBUM):
            self._end_album()
        self._family = family
        self._album.append((kind, media))
        if kind == "voice":
            self._end_album()

    def _end_album(self) -> None:
        """The files so far; short text before pictures becomes their caption, shown above them."""
        files, self._album = self._album, []
        if not files:
            return
        caption: dict[str, Any] = {}
        if self._family == "photo" and self._text.text.strip() and self._text.size <= LONGEST_CAPTION:
            caption = {**text_params("caption", self._text), "show_caption_above_media": True}
            self._text = Rich()
        self._end_text()
        if len(files) == 1:
            kind, media = files[0]
            self.parts.append(_single(kind, media, caption))
            return
        items = [{"type": kind, "media": f"attach://file{n}"} for n, (kind, _) in enumerate(files)]
        items[0].update(caption)
        media_of = {f"file{number}": media for number, (_, media) in enumerate(files)}
        self.parts.append(Part("sendMediaGroup", {"media": items}, media_of))

    def _sticker(self, sticker: Sticker) -> None:
        media = sticker.media if sticker.media and (sticker.media.blob_id or sticker.media.url) else None
        if not sticker.id and media is None:
            self._fallback("sticker", sticker.emoji or "[Sticker]")
            return
        media = Media(platform_id=sticker.id) if sticker.id else media
        assert media is not None
        check_source(media)
        shown = Part("sendMessage", text_params("text", Rich(clean(sticker.emoji or "[Sticker]"))))
        self._alone(Part("sendSticker", {}, {"sticker": media}, shown, "sticker"))

    def _location(self, place: Location) -> None:
        if not (-90 <= place.latitude <= 90 and -180 <= place.longitude <= 180):
            raise InvalidArgument("a place has a latitude of -90 to 90 and a longitude of -180 to 180")
        params: dict[str, Any] = {"latitude": place.latitude, "longitude": place.longitude}
        if place.title or place.address:
            params |= {"title": place.title or place.address, "address": place.address or place.title}
            self._alone(Part("sendVenue", params))
        else:
            self._alone(Part("sendLocation", params))

    def _face(self, kind: FaceKind, face_id: str, name: str) -> None:
        if kind is FaceKind.DICE and not face_id:
            self._alone(Part("sendDice", {"emoji": DICE}))
        else:
            # A known result cannot be thrown again, and there are no faces but characters.
            self._fallback(
                "face",
                f"[{name or 'dice'} {face_id}]"
                if kind is FaceKind.DICE
                else name or f"[{face_id or 'Face'}]",
            )

    def _actions(self, actions: Actions) -> None:
        if not self._keyboard.actions(actions):
            self.degrade("actions")
            if len(actions.controls) and not self._keyboard.rows:
                self._lines(actions_text(actions))
                return
        self._lines(select_text(actions))

    def _form(self, form: Form) -> None:
        if form.fields:
            self._fallback("form", form_text(form, numbered=True), lines=True)
            return
        self._lines(form_text(form, numbered=False))
        self._keyboard.form_buttons(form)

    def _platform(self, platform: str, kind: str, data: Mapping[str, Any]) -> None:
        if platform != PLATFORM or kind not in OWN:
            self.degrade("platform")
            return
        allowed = _POLL if kind == "poll" else _CONTACT
        params = {key: data[key] for key in allowed if key in data}
        if kind == "poll" and isinstance(params.get("options"), list):
            # As received, options carry counts.
            params["options"] = [
                {"text": option.get("text", "")} if isinstance(option, Mapping) else {"text": str(option)}
                for option in params["options"]
            ]
        self._alone(Part(OWN[kind], params))

    def _forward(self, bundle: Forward) -> None:
        """Every node as `sender: content`."""
        if bundle.title:
            self._lines(bundle.title)
        for line in () if bundle.nodes else bundle.preview:
            self._lines(line)
        for node in bundle.nodes:
            self._lines(f"{node.sender_name or node.sender_id}: ")
            for segment in (node.message or Message()).segments:
                if not isinstance(segment, Quote):
                    self._segment(segment)
        if not bundle.title and not bundle.nodes and not bundle.preview:
            self._lines("[Chat history]")


def text_params(key: str, rich: Rich) -> dict[str, Any]:
    """Text or caption; plain text needs no format and is never read as one."""
    if rich.spans:
        return {key: rich.html(), "parse_mode": "HTML"}
    return {key: rich.text}


def mention_of(user_id: str, display: str) -> Rich:
    """A link to the user, or the name that the platform turns into one."""
    rich = Rich()
    if user_id.isascii() and user_id.isdigit():
        rich.add(clean(display or user_id))
        rich.mark(0, "a", f"tg://user?id={user_id}")
    else:
        rich.add(clean(user_id if user_id.startswith("@") else f"@{display or user_id}"))
    return rich


def check_source(media: Media) -> None:
    """Raises InvalidArgument for what would make the platform's server read a file of its own machine."""
    if media.blob_id:
        return
    if media.url:
        if not media.url.lower().startswith(("http://", "https://")):
            raise InvalidArgument("media.url must be http or https", metadata={"field": "media.url"})
        return
    if any(mark in media.platform_id for mark in ("/", "\\", ":")):
        raise InvalidArgument("media.platform_id is no file id", metadata={"field": "media.platform_id"})


def _single(kind: str, media: Media, caption: dict[str, Any]) -> Part:
    method = f"send{kind.capitalize()}"
    otherwise = None
    if kind == "photo" and not media.platform_id:
        # Pictures of an odd size or kind are refused as photos.
        plain = {key: value for key, value in caption.items() if key != "show_caption_above_media"}
        otherwise = Part("sendDocument", plain, {"document": media})
    return Part(method, dict(caption), {kind: media}, otherwise, "image")


def _name(segment: Segment) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in type(segment).__name__).lstrip("_")
