"""Every segment of the standard as a segment of the contract."""

import pytest
from jackfield_onebot.convert.incoming import message_of
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
    Sticker,
    Text,
    Unknown,
    Video,
    Voice,
    convert,
)

URL = "https://gchat.example/a.png"
CASES = [
    ("text", {"text": " x "}, Text(" x ")),
    ("at", {"qq": 7}, Mention("7")),
    ("at", {"qq": "7", "name": "@Ann"}, Mention("7", "Ann")),
    ("at", {"qq": "all"}, MentionAll()),
    ("face", {"id": 14}, Face(FaceKind.FACE, "14")),
    ("dice", {"result": "4"}, Face(FaceKind.DICE, "4", "dice")),
    ("rps", {"result": 1}, Face(FaceKind.RPS, "1", "rps")),
    ("image", {"file": "a.png"}, Image(Media(platform_id="a.png", name="a.png"))),
    ("image", {"file": "a.png", "url": URL, "file_size": "9"}, Image(Media(url=URL, name="a.png", size=9))),
    ("image", {"file": URL}, Image(Media(url=URL))),
    ("image", {"file": "file:///C:/Users/me/a.png"}, Image(Media(name="a.png"))),
    (
        "image",
        {"file": "e.gif", "sub_type": 1, "summary": "[Cat]"},
        Sticker(emoji="Cat", media=Media(platform_id="e.gif", name="e.gif")),
    ),
    ("mface", {"emoji_id": "e", "emoji_package_id": 3, "summary": "[Hi]"}, Sticker("e", "3", "Hi")),
    ("record", {"file": "r.amr"}, Voice(Media(platform_id="r.amr", name="r.amr"))),
    ("video", {"file": "v.mp4", "url": URL}, Video(Media(url=URL, name="v.mp4"))),
    (
        "file",
        {"file_id": "/f1", "file": "d.pdf", "name": "d.pdf", "file_size": 5},
        File(Media(name="d.pdf", size=5)),
    ),
    ("file", {"file_id": "f1", "file": "d.pdf"}, File(Media(platform_id="f1", name="d.pdf"))),
    (
        "location",
        {"lat": "1.5", "lon": "-2", "title": "T", "content": "C"},
        Location(1.5, -2.0, "T", "C"),
    ),
    ("reply", {"id": -5}, Quote(message_id="-5")),
    ("forward", {"id": "f"}, Forward()),
    (
        "forward",
        {"content": [{"user_id": 7, "nickname": "Ann", "message_id": 1, "content": "hi"}]},
        Forward(nodes=(ForwardNode("7", "Ann", Message("hi"), "1"),)),
    ),
    ("share", {"url": URL, "title": "t"}, PlatformSegment("onebot", "share", {"url": URL, "title": "t"})),
    ("poke", {"type": "1", "id": "-1"}, PlatformSegment("onebot", "poke", {"type": "1", "id": "-1"})),
    ("brandnew", {"x": 1}, Unknown("[brandnew]", "brandnew")),
]


@pytest.mark.parametrize(("kind", "data", "expected"), CASES, ids=lambda value: str(value)[:30])
def test_a_segment_is_read(kind, data, expected) -> None:
    message = message_of([{"type": kind, "data": data}])
    assert message == Message(expected)
    assert convert.message_to_plain(convert.message_to_proto(message)) == message


def test_the_kinds_that_exist_here_only_keep_their_data() -> None:
    for kind in ("shake", "anonymous", "contact", "music", "xml", "json", "node"):
        assert message_of({"type": kind, "data": {"a": 1}}) == Message(
            PlatformSegment("onebot", kind, {"a": 1})
        )
