"""Message chains: the JSON that browsers speak, to and from the segments of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_sdk import (
    Actions,
    Button,
    Control,
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

Part = dict[str, Any]
Chain = list[Part]
MAX_PARTS = 64

_MEDIA: Mapping[str, type[Image] | type[Voice] | type[Video] | type[File]] = {
    "Image": Image,
    "Voice": Voice,
    "Video": Video,
    "File": File,
}


class ChainError(ValueError):
    """A chain from outside that is no message; the text says why."""


def message_of(chain: object, uploads: Mapping[str, Media]) -> Message:
    """The message that a browser sent.

    `uploads` holds the media that this session uploaded, by key; anything else may not be referenced, neither
    by path nor by base64. Raises ChainError.
    """
    if not isinstance(chain, list) or not chain:
        raise ChainError('`message` must be a list like [{"type": "Plain", "text": "hello"}]')
    if len(chain) > MAX_PARTS:
        raise ChainError(f"a message has at most {MAX_PARTS} parts")
    segments = [segment for part in chain if (segment := _segment(part, uploads)) is not None]
    if not segments or all(isinstance(s, Text) and not s.text.strip() for s in segments):
        raise ChainError("the message is empty")
    return Message(*segments)


def keys_of(chain: object) -> list[str]:
    """Keys of uploads that a chain names."""
    parts = chain if isinstance(chain, list) else []
    return [part["key"] for part in parts if isinstance(part, dict) and isinstance(part.get("key"), str)]


def _segment(part: object, uploads: Mapping[str, Media]) -> Segment | None:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise ChainError("every part of a message is an object with a `type`")
    kind = part["type"]
    match kind:
        case "Source":
            return None
        case "Plain":
            return Text(_string(part, "text"))
        case "At":
            return Mention(user_id=_string(part, "target"), display=_string(part, "display", ""))
        case "AtAll":
            return MentionAll()
        case "Quote":
            return Quote(message_id=_string(part, "id"))
        case "Image" | "Voice" | "Video" | "File":
            return _MEDIA[kind](_media(part, uploads))
        case _:
            return Unknown(text=_string(part, "text", ""), native_type=kind)


def _media(part: Part, uploads: Mapping[str, Media]) -> Media:
    if part.get("path") or part.get("base64"):
        raise ChainError("media is uploaded first and named by its `key`; `path` and `base64` are refused")
    key = part.get("key")
    if isinstance(key, str) and key in uploads:
        return uploads[key]
    url = _string(part, "url", "")
    if key or not url.startswith(("https://", "http://")):
        raise ChainError("media needs the `key` of an upload of this session or a web address in `url`")
    return Media(url=url, name=_string(part, "name", ""))


def _string(part: Part, name: str, default: str | None = None) -> str:
    value = part.get(name, default)
    if not isinstance(value, str):
        raise ChainError(f"`{name}` of a {part['type']} part must be text")
    return value


def chain_of(message: Message, keys: Mapping[str, str]) -> tuple[Chain, tuple[str, ...]]:
    """The chain to show, and the names of segments shown by a fallback. `keys`: media key by blob id."""
    chain: Chain = []
    degraded: list[str] = []
    for segment in message:
        part, loss = _part(segment, keys)
        chain.extend(part)
        if loss:
            degraded.append(loss)
    return chain, tuple(degraded)


def _part(segment: Segment, keys: Mapping[str, str]) -> tuple[Chain, str]:
    match segment:
        case Text(text=text, format=TextFormat.MARKDOWN):
            return [{"type": "Plain", "text": text, "format": "markdown"}], ""
        case Text(text=text):
            return [_plain(text)], ""
        case Mention(user_id=user_id, display=display):
            return [{"type": "At", "target": user_id, "display": display}], ""
        case MentionAll():
            return [{"type": "AtAll"}], ""
        case Quote(message_id=message_id):
            return [{"type": "Quote", "id": message_id}], ""
        case Image() | Voice() | Video() | File():
            return [_media_part(type(segment).__name__, segment.media or Media(), keys)], ""
        case Actions(id=controls_id, controls=controls):
            return [_actions(controls_id, controls)], ""
        case Form():
            return _form(segment), "form"
        case Sticker(emoji=emoji):
            return [_plain(emoji or "[Sticker]")], "sticker"
        case Location(latitude=latitude, longitude=longitude, title=title, address=address):
            place = ", ".join(part for part in (title, address, f"{latitude:.5f} {longitude:.5f}") if part)
            return [_plain(place)], "location"
        case Face(name=name):
            return [_plain(f"[{name or 'face'}]")], "face"
        case Forward(title=title, nodes=nodes):
            said = [f"{node.sender_name or node.sender_id}: {node.message or ''}" for node in nodes]
            lines = [title, *said] if title else said
            return [_plain("\n".join(lines))], "forward"
        case PlatformSegment():
            return [], "platform"
        case Unknown():
            return [], "unknown"


def _plain(text: str) -> Part:
    return {"type": "Plain", "text": text}


def _media_part(kind: str, media: Media, keys: Mapping[str, str]) -> Part:
    part: Part = {"type": kind, "name": media.name, "mime": media.mime, "size": media.size}
    key = keys.get(media.blob_id, media.platform_id)
    return part | ({"key": key} if key else {"url": media.url})


def _actions(controls_id: str, controls: tuple[Control, ...]) -> Part:
    return {"type": "Actions", "id": controls_id, "controls": [_control(control) for control in controls]}


def _control(control: Control) -> Part:
    if isinstance(control, Button):
        return {
            "kind": "button",
            "action_id": control.action_id,
            "label": control.label,
            "style": control.style.name.lower(),
            "url": control.url,
            "value": control.value,
        }
    return {
        "kind": "select",
        "action_id": control.action_id,
        "placeholder": control.placeholder,
        "options": [{"value": option.value, "label": option.label} for option in control.options],
    }


def _form(form: Form) -> Chain:
    lines = [form.title, form.text, *(f"{field.label or field.name}: …" for field in form.fields)]
    chain = [_plain("\n".join(line for line in lines if line))]
    if form.actions:
        chain.append(_actions(form.id, form.actions))
    return chain


def text_of(chain: Chain) -> str:
    """The text of a chain, for `content`."""
    return "".join(part.get("text", "") for part in chain if part["type"] == "Plain")
