"""What a request may hold, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from jackfield_api_server.failure import Failure
from jackfield_api_server.question import Picture, chat_question, responses_question

USER = {"role": "user", "content": "hi"}


def test_the_last_user_message_is_the_question() -> None:
    older = {"role": "user", "content": "older"}
    answer = {"role": "assistant", "content": "yes"}
    question = chat_question({"model": "m", "messages": [older, answer, USER, answer], "user": "ann"})
    assert (question.parts, question.user, question.model, question.stream) == (("hi",), "ann", "m", False)


def test_parts_and_pictures() -> None:
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC"}},
    ]
    question = chat_question({"messages": [{"role": "user", "content": parts}]})
    pictures = (Picture(url="https://h/a.png"), Picture(data=b"\0\1\2", mime="image/png"))
    assert question.parts == ("look", *pictures)


def test_responses_take_text_or_messages() -> None:
    assert responses_question({"input": "hi", "stream": True}).stream
    content = [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "http://h/b"}]
    asked = responses_question({"input": [{"role": "user", "content": content}]})
    assert asked.parts == ("a", Picture(url="http://h/b"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "the body"),
        ([], "the body"),
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["x"]}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages"),
        ({"messages": [USER], "n": 2}, "n"),
        ({"messages": [USER], "stream": "yes"}, "stream"),
        ({"messages": [USER], "user": "a\nb"}, "user"),
        ({"messages": [USER], "user": ["x"]}, "user"),
        ({"messages": [USER], "model": "m" * 257}, "model"),
        ({"messages": [USER], "stream_options": 1}, "stream_options"),
    ],
)
def test_what_does_not_fit_is_named(body: Any, field: str) -> None:
    with pytest.raises(Failure) as refusal:
        chat_question(body)
    assert (refusal.value.status, refusal.value.param) == (400, field)


@pytest.mark.parametrize(
    "url", [5, "", "file:///etc/passwd", "data:text/html;base64,AA", "data:image/png;base64,?"]
)
def test_pictures_come_from_nowhere_else(url: Any) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    with pytest.raises(Failure, match="image_url"):
        chat_question({"messages": [{"role": "user", "content": [part]}]})


@pytest.mark.parametrize("field", ["previous_response_id", "conversation"])
def test_conversations_of_another_kind_are_refused(field: str) -> None:
    with pytest.raises(Failure, match="X-Session-Id"):
        responses_question({"input": "hi", field: "r1"})


def test_a_text_above_the_bound() -> None:
    with pytest.raises(Failure) as refusal:
        chat_question({"messages": [{"role": "user", "content": "x" * 200_001}]})
    assert refusal.value.status == 413
