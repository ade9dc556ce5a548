"""Native messages, in array or string form, to message chains. Never raises: what is unknown becomes
Unknown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from jackfield_sdk import (
    Face,
    FaceKind,
    File,
    Forward,
    ForwardNode,
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
    Unknown,
    Video,
    Voice,
)

from jackfield_onebot.convert import cq
from jackfield_onebot.convert.values import (
    float_of,
    id_of,
    integer_of,
    is_host_path,
    is_web,
    shallow,
    text_of,
    time_of,
)

PLATFORM = "onebot"
# Parts of one message; more are cut by no platform, but a hostile endpoint may send any number.
MOST_SEGMENTS = 1000
# A handle above this is content, not a name.
LONGEST_HANDLE = 1024
DEEPEST_FORWARD = 4
# Segments that exist here only; their data is kept as it came.
OWN = frozenset(
    {"shake", "poke", "anonymous", "share", "contact", "music", "xml", "json", "node", "markdown", "keyboard"}
)

Data = Mapping[str, Any]


def message_of(native: Any) -> Message:
    """The chain of a native message: a CQ string, an array, or one segment object."""
    return _message(native, 0)


def mentions(message: Message, user_id: str) -> bool:
    """True when the message addresses this user by name."""
    return any(isinstance(s, Mention) and s.user_id == user_id for s in message.segments)


def _message(native: Any, depth: int) -> Message:
    if isinstance(native, str):
        native = cq.parse(native)
    elif isinstance(native, Mapping):
        native = [native]
    if not isinstance(native, list):
        return Message()
    return Message.from_segments(tuple(_segment(part, depth) for part in native[:MOST_SEGMENTS]))


def _segment(native: Any, depth: int) -> Segment:
    if isinstance(native, str):
        return Text(native)
    if not isinstance(native, Mapping):
        return Unknown(text="[?]")
    kind = text_of(native.get("type"))
    data = native.get("data")
    data = data if isinstance(data, Mapping) else {}
    if kind == "text":
        return Text(text_of(data.get("text")))
    if kind == "forward":
        return _forward(data, depth)
    if kind in OWN:
        return PlatformSegment(PLATFORM, kind, shallow(data))
    read = _READERS.get(kind)
    return read(data) if read is not None else Unknown(text=f"[{kind[:64] or '?'}]", native_type=kind[:64])


def _media(data: Data) -> Media:
    """The address where there is one, else the platform's handle; a path of a host is neither."""
    file, url = text_of(data.get("file")), text_of(data.get("url"))
    name = text_of(data.get("name")) or text_of(data.get("file_name")) or ("" if is_web(file) else file)
    name = re.split(r"[/\\]", name)[-1][:255] if len(name) <= LONGEST_HANDLE else ""
    size = max(0, integer_of(data.get("file_size") or data.get("size")) or 0)
    address = next((text for text in (url, file) if is_web(text)), "")
    if address:
        return Media(url=address, name=name, size=size)
    handle = text_of(data.get("file_id")) or file
    if is_host_path(handle) or len(handle) > LONGEST_HANDLE:
        handle = ""
    return Media(platform_id=handle, name=name, size=size)


def _at(data: Data) -> Segment:
    target = text_of(data.get("qq"))
    return MentionAll() if target == "all" else Mention(target, text_of(data.get("name")).removeprefix("@"))


def _image(data: Data) -> Segment:
    """Pictures of the platform's emoji packages carry a sub type above 0."""
    kind = integer_of(data.get("sub_type", data.get("subType")))
    if kind == 1:
        emoji = text_of(data.get("summary")).strip("[]")
        return Sticker(emoji=emoji, media=_media(data))
    return Image(_media(data))


def _sticker(data: Data) -> Segment:
    address = text_of(data.get("url"))
    return Sticker(
        id=text_of(data.get("emoji_id") or data.get("id")),
        set_id=text_of(data.get("emoji_package_id")),
        emoji=text_of(data.get("summary")).strip("[]"),
        media=Media(url=address) if is_web(address) else None,
    )


def _location(data: Data) -> Segment:
    return Location(
        float_of(data.get("lat")),
        float_of(data.get("lon")),
        text_of(data.get("title")),
        text_of(data.get("content")),
    )


def _forward(data: Data, depth: int) -> Segment:
    """The bundle is a handle; some endpoints send the nodes along."""
    nodes = data.get("content")
    if not isinstance(nodes, list) or depth >= DEEPEST_FORWARD:
        return Forward()
    return Forward(nodes=tuple(_node(node, depth + 1) for node in nodes[:200] if isinstance(node, Mapping)))


def forward_of(nodes: Any) -> Forward:
    """The bundle that `get_forward_msg` or a node list describes."""
    segment = _forward({"content": nodes}, 0)
    return segment if isinstance(segment, Forward) else Forward()


def _node(node: Data, depth: int) -> ForwardNode:
    data = node.get("data")
    data = data if node.get("type") == "node" and isinstance(data, Mapping) else node
    sender = data.get("sender")
    sender = sender if isinstance(sender, Mapping) else {}
    return ForwardNode(
        sender_id=id_of(data.get("user_id") or data.get("uin") or sender.get("user_id")),
        sender_name=text_of(data.get("nickname") or data.get("name") or sender.get("nickname")),
        message=_message(data.get("content", data.get("message")), depth),
        message_id=id_of(data.get("message_id") or data.get("id")),
        time=time_of(data.get("time")),
    )


def _throw(kind: FaceKind, name: str) -> Callable[[Data], Segment]:
    return lambda data: Face(kind, id_of(data.get("result")), name)


_READERS: Mapping[str, Callable[[Data], Segment]] = {
    "at": _at,
    "face": lambda data: Face(FaceKind.FACE, text_of(data.get("id")), text_of(data.get("name"))),
    "dice": _throw(FaceKind.DICE, "dice"),
    "rps": _throw(FaceKind.RPS, "rps"),
    "image": _image,
    "mface": _sticker,
    "sticker": _sticker,
    "record": lambda data: Voice(_media(data)),
    "video": lambda data: Video(_media(data)),
    "file": lambda data: File(_media(data)),
    "location": _location,
    "reply": lambda data: Quote(message_id=text_of(data.get("id"))),
}
