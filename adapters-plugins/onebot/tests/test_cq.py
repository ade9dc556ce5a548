"""The string form: nothing is lost on the way there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_onebot.convert import cq
from jackfield_onebot.convert.events import event_of
from jackfield_onebot.convert.incoming import message_of
from jackfield_sdk import Face, FaceKind, Mention, MentionAll, Message, Text, convert

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow

names = st.text(st.characters(categories=["Ll", "Nd"], max_codepoint=127), min_size=1, max_size=8)
texts = st.builds(lambda text: {"type": "text", "data": {"text": text}}, st.text(min_size=1))
codes = st.builds(
    lambda kind, data: {"type": kind, "data": data},
    names.filter(lambda name: name != "text"),
    st.dictionaries(names, st.text(), max_size=4),
)


def joined(segments):
    """Neighbouring texts as one: the string form cannot tell them apart."""
    result = []
    for segment in segments:
        if segment["type"] == "text" and result and result[-1]["type"] == "text":
            text = result.pop()["data"]["text"] + segment["data"]["text"]
            segment = {"type": "text", "data": {"text": text}}
        result.append(segment)
    return result


@given(st.lists(st.one_of(texts, codes), max_size=6))
def test_the_string_form_comes_back_as_it_was(segments) -> None:
    assert cq.parse(cq.render(segments)) == joined(segments)


@given(st.text())
def test_escaping_is_undone(text: str) -> None:
    assert cq.unescape(cq.escape(text)) == text
    assert cq.unescape(cq.escape(text, in_code=True)) == text


@given(st.text())
def test_any_string_is_read(text: str) -> None:
    message_of(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
kinds = st.sampled_from(
    [
        "text",
        "at",
        "face",
        "image",
        "record",
        "video",
        "file",
        "reply",
        "forward",
        "node",
        "dice",
        "mface",
        "?",
    ]
)
keys = st.sampled_from(["qq", "id", "file", "url", "lat", "content", "result", "sub_type", "size", "text"])
segments = st.fixed_dictionaries({"type": kinds, "data": st.dictionaries(keys, json_values, max_size=4)})


@given(st.one_of(json_values, st.lists(segments, max_size=4)))
def test_no_native_message_raises(native) -> None:
    message_of(native)


def test_codes_among_text_keep_order_and_blanks() -> None:
    assert message_of("  a&#91;b&#93; [CQ:at,qq=7][CQ:face,id=14] &amp;#91;[CQ:at,qq=all]\n") == Message(
        Text("  a[b] "), Mention("7"), Face(FaceKind.FACE, "14"), Text(" &#91;"), MentionAll(), Text("\n")
    )
    assert message_of("[CQ:broken [x] ,") == Message("[CQ:broken [x] ,")


texts_of_events = st.sampled_from(
    [
        "message",
        "notice",
        "request",
        "meta_event",
        "private",
        "group",
        "group_ban",
        "notify",
        "poke",
        "friend",
        "group_increase",
        "group_decrease",
        "group_recall",
        "heartbeat",
        "kick_me",
        "invite",
        "add",
        "10000",
    ]
)
event_keys = st.sampled_from(
    [
        "post_type",
        "message_type",
        "notice_type",
        "request_type",
        "meta_event_type",
        "sub_type",
        "message",
        "user_id",
        "group_id",
        "operator_id",
        "duration",
        "sender",
        "anonymous",
        "time",
        "flag",
        "message_id",
    ]
)
natives = st.dictionaries(event_keys, st.one_of(texts_of_events, json_values, st.lists(segments, max_size=2)))


@given(natives)
def test_no_native_event_raises_and_each_fits_the_contract(native) -> None:
    event = event_of(native, "10000", b"{}")
    if event is not None:
        convert.event_to_proto(event).SerializeToString()
