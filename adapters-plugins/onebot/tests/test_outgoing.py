"""What is sent, in which order, and what by a fallback."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_onebot.convert.incoming import message_of
from jackfield_onebot.convert.outgoing import LONGEST_TEXT, Plan
from jackfield_onebot.convert.splitting import split
from jackfield_onebot.convert.values import refuse_host_paths
from jackfield_sdk import (
    Actions,
    Button,
    Face,
    FaceKind,
    File,
    Forward,
    ForwardNode,
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
    Unknown,
    Video,
    Voice,
)

URL = "https://example.org/a"


def plan(*segments, group: bool = True, blobs=None) -> Plan:
    return Plan(group=group, self_id="10000", blobs=blobs or {}).add(Message(*segments))


def native(*segments, group: bool = True, blobs=None):
    return [part.segments for part in plan(*segments, group=group, blobs=blobs).parts]


def text(value: str):
    return {"type": "text", "data": {"text": value}}


def test_what_is_native_comes_back_as_it_was() -> None:
    segments = (
        Quote(message_id="3"),
        Text(" a\n"),
        Mention("7"),
        MentionAll(),
        Face(FaceKind.FACE, "14"),
        Image(Media(platform_id="x.png", name="x.png")),
    )
    (sent,) = native(*segments)
    assert message_of(sent) == Message(*segments)


def test_media_that_stand_alone_split_the_chain_in_order() -> None:
    sent = native("a", Voice(Media(platform_id="r")), "b", Video(Media(url=URL)), Location(1.0, 2.0), "c")
    assert [[part["type"] for part in message] for message in sent] == [
        ["text"],
        ["record"],
        ["text"],
        ["video"],
        ["location"],
        ["text"],
    ]


def test_blobs_go_in_base64_and_paths_of_hosts_never() -> None:
    assert native(Image(Media(blob_id="b")), blobs={"b": "AAA="})[0][0]["data"] == {"file": "base64://AAA="}
    for media in (Media(platform_id="/etc/passwd"), Media(url="file:///x"), Media(platform_id="C:\\x")):
        with pytest.raises(InvalidArgument):
            plan(Image(media))
    with pytest.raises(InvalidArgument):
        plan(PlatformSegment("onebot", "music", {"image": "file:///etc/passwd"}))
    with pytest.raises(InvalidArgument):
        refuse_host_paths({"messages": [{"data": {"content": "hi[CQ:image,file=/etc/passwd]"}}]})
    assert plan("x", PlatformSegment("onebot", "image", {"file": "/etc/passwd"})).degraded == ["platform"]


def test_fallbacks_are_told() -> None:
    cases = [
        ((Mention("7", "Ann"),), False, [[text("@Ann")]], ["mention"]),
        ((MentionAll(),), False, [[text("@All")]], ["mention_all"]),
        (
            (Quote(origin=Message("old words")), Text("new")),
            True,
            [[text("> old words\n"), text("new")]],
            ["quote"],
        ),
        ((Face(FaceKind.DICE, "4"),), True, [[text("[dice 4]")]], ["face"]),
        ((Face(FaceKind.FACE, ":)", "smile"),), True, [[text("[smile]")]], ["face"]),
        ((Sticker(emoji="😀"),), True, [[text("[😀]")]], ["sticker"]),
        ((Image(Media()),), True, [[text("[Image]")]], ["image"]),
        ((File(Media(name="a.txt")),), True, [[text("[File] a.txt")]], ["file"]),
        (
            (Text("?"), Actions("a", (Button("y", "Yes"), Button("n", "No"), Button("", "Web", url=URL)))),
            True,
            [[text("?"), text(f"\n1. Yes\n2. No\nWeb: {URL}")]],
            ["actions"],
        ),
        (
            (Text("x"), Unknown("?"), PlatformSegment("telegram", "dice")),
            True,
            [[text("x")]],
            ["unknown", "platform"],
        ),
    ]
    for segments, group, expected, degraded in cases:
        made = plan(*segments, group=group)
        assert [part.segments for part in made.parts] == expected
        assert made.degraded == degraded
    with pytest.raises(NotSupported):
        plan(Unknown("?"))


def test_a_bundle_is_native_in_groups_and_flat_elsewhere() -> None:
    bundle = Forward(
        nodes=(
            ForwardNode("7", "Ann", Message("one", Image(Media(url=URL)), "two")),
            ForwardNode("8", "Bob", Message("three")),
        )
    )
    (part,) = plan(bundle).parts
    assert [node["data"]["uin"] for node in part.nodes] == [7, 8]
    flat = [
        [text("Ann: "), text("one"), {"type": "image", "data": {"file": URL}}],
        [text("two"), text("\n"), text("Bob: "), text("three")],
    ]
    joined = [[text("".join(s["data"].get("text", "") for s in p.segments))] for p in part.otherwise]
    assert joined == [[text("Ann: one")], [text("two\nBob: three")]]
    private = plan(bundle, group=False)
    assert private.degraded == ["forward"]
    assert [s["type"] for s in private.parts[0].segments] == [s["type"] for s in flat[0]]


@given(st.text(alphabet="ab .\n。", max_size=400), st.integers(1, 50))
def test_splitting_loses_nothing(words: str, limit: int) -> None:
    parts = list(split(words, limit))
    assert "".join(parts) == words
    assert all(0 < len(part) <= limit for part in parts)


@given(st.text(alphabet="`~a \n", max_size=600), st.integers(1, 120))
def test_splitting_code_keeps_to_the_limit(words: str, limit: int) -> None:
    assert all(0 < len(part) <= limit for part in split(words, limit))


def test_a_split_block_of_code_is_closed_and_opened_again() -> None:
    code = "```python\n" + "x = 1\n" * 40 + "```\nend"
    parts = list(split(code, 120))
    assert all(part.count("```") == 2 for part in parts)
    assert all(part.startswith("```python\n") for part in parts)


def test_long_text_becomes_several_messages() -> None:
    long = "word " * 2000
    sent = native("head", long)
    assert "".join(s["data"]["text"] for message in sent for s in message) == "head" + long
    assert all(sum(len(s["data"]["text"]) for s in message) <= LONGEST_TEXT for message in sent)
