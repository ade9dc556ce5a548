"""Messages: how they are put together and what they look like as text."""

import pytest
from jackfield_sdk.entity import Chat, ChatType
from jackfield_sdk.interactive import Actions, Form
from jackfield_sdk.message import (
    Face,
    File,
    Forward,
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
    TextFormat,
    Unknown,
    Video,
    Voice,
    markdown,
)


def test_parts_of_any_kind_become_one_chain() -> None:
    message = Message("a", Text("b"), [Mention("1")], Message("c")) + "d" + Image()
    assert message.segments == (Text("a"), Text("b"), Mention("1"), Text("c"), Text("d"), Image())
    assert "x" + Message("y") == Message("x", "y")
    assert Message.of("x") == Message("x")
    assert hash(Message("x")) == hash(Message("x"))
    assert len(message) == 6
    assert not Message()
    assert message.all(Text) == [Text("a"), Text("b"), Text("c"), Text("d")]
    assert message.first(Voice) is None
    assert markdown("*x*") == Text("*x*", TextFormat.MARKDOWN)
    assert Message.markdown("*x*").segments == (markdown("*x*"),)


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        Message("a").segments = ()
    with pytest.raises(TypeError, match="not a part"):
        Message(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        (Text(" as is\n"), " as is\n"),
        (Mention("1", "Ann"), "@Ann"),
        (Mention("1"), "@1"),
        (MentionAll(), "@All"),
        (Quote("1"), ""),
        (Image(), "[Image]"),
        (Voice(), "[Voice]"),
        (Video(), "[Video]"),
        (File(Media(name="a.txt")), "[File]a.txt"),
        (File(), "[File]"),
        (Forward(), "[Chat history]"),
        (Face(name="smile"), "[smile]"),
        (Face(), "[Face]"),
        (Sticker(emoji="🙂"), "🙂"),
        (Sticker(), "[Sticker]"),
        (Location(title="Here"), "[Location]Here"),
        (Actions(), "[Actions]"),
        (Form(title="Ask"), "[Form]Ask"),
        (Unknown("card"), "card"),
        (Unknown(), "[Unknown]"),
        (PlatformSegment("x", "dice"), "[dice]"),
    ],
)
def test_string_form(segment: object, text: str) -> None:
    assert Message(segment).plain() == text  # type: ignore[arg-type]


def test_chats_read_back_from_their_text() -> None:
    for chat in (Chat.private("7"), Chat.group("a:b%c", "t:1"), Chat.channel("c")):
        assert Chat.parse(str(chat)) == chat
    assert str(Chat.group("a:b", "1")) == "group:a%3Ab:1"
    assert Chat.parse("group:5").type is ChatType.GROUP
    for wrong in ("", "group", "group:", "room:1", "group:1:2:3"):
        with pytest.raises(ValueError, match="not a chat"):
            Chat.parse(wrong)
