"""A request's JSON as a question. Pure: raises Failure that names the field for whatever does not fit."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jackfield_api_server.failure import Failure, wrong

LONGEST_TEXT = 200_000
LONGEST_NAME = 256
IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture by address, or with its bytes."""

    url: str = ""
    data: bytes = b""
    mime: str = ""


Part = str | Picture


@dataclass(frozen=True, slots=True)
class Question:
    """The last thing that the user said, and how it is to be answered."""

    parts: tuple[Part, ...]
    user: str
    model: str
    stream: bool
    usage: bool = False


def chat_question(body: Any) -> Question:
    """Of POST /v1/chat/completions."""
    table = _table(body, "the body")
    if table.get("n") not in (None, 1):
        raise wrong("n", "1: a bot gives one answer")
    options = _table(table.get("stream_options") or {}, "stream_options")
    content = _last_of_user(table.get("messages"), "messages")
    return _question(table, _parts(content, "messages", ("text",)), options.get("include_usage") is True)


def responses_question(body: Any) -> Question:
    """Of POST /v1/responses."""
    table = _table(body, "the body")
    for name in ("previous_response_id", "conversation"):
        if table.get(name) is not None:
            raise wrong(name, "nothing: the header X-Session-Id names the conversation")
    if table.get("background"):
        raise wrong("background", "false: answers are not kept")
    given = table.get("input")
    content = given if isinstance(given, str) else _last_of_user(given, "input")
    return _question(table, _parts(content, "input", ("input_text", "text")))


def _question(table: Mapping[str, Any], parts: tuple[Part, ...], usage: bool = False) -> Question:
    stream = table.get("stream")
    if stream not in (None, True, False):
        raise wrong("stream", "true or false")
    name = "safety_identifier" if table.get("user") is None else "user"
    return Question(parts, _name(table, name), _name(table, "model"), bool(stream), usage)


def _last_of_user(messages: Any, at: str) -> Any:
    if not isinstance(messages, list) or not messages:
        raise wrong(at, "a list with at least one message")
    for message in reversed(messages):
        if _table(message, at).get("role") == "user":
            return message.get("content")
    raise wrong(at, "a message of the role user")


def _parts(content: Any, at: str, texts: tuple[str, ...]) -> tuple[Part, ...]:
    given = [{"type": texts[0], "text": content}] if isinstance(content, str) else content
    if not isinstance(given, list):
        raise wrong(at, "text or a list of parts as content")
    parts = tuple(_part(_table(one, at), at, texts) for one in given)
    if not any(parts):
        raise wrong(at, "content that is not empty")
    if sum(len(part.encode()) for part in parts if isinstance(part, str)) > LONGEST_TEXT:
        raise Failure(413, "content_too_large", f"the text has more than {LONGEST_TEXT} bytes", param=at)
    return parts


def _part(part: Mapping[str, Any], at: str, texts: tuple[str, ...]) -> Part:
    kind = part.get("type")
    if kind in texts:
        text = part.get("text")
        if not isinstance(text, str):
            raise wrong(at, "text as a string")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise wrong(at, "text without lone surrogates") from error
        return text
    if kind == "image_url":
        return _picture(_table(part.get("image_url"), "image_url").get("url"))
    if kind == "input_image":
        return _picture(part.get("image_url"))
    raise wrong(at, f"parts of the types {', '.join(texts)} and images, not {str(kind)[:40]!r}")


def _picture(url: Any) -> Picture:
    if not isinstance(url, str):
        raise wrong("image_url", "an address")
    if url.startswith(("https://", "http://")) and len(url) <= 4096 and url.isprintable():
        return Picture(url=url)
    head, comma, data = url.partition(",")
    mime = head.removeprefix("data:").removesuffix(";base64")
    if not comma or not head.startswith("data:") or mime not in IMAGE_TYPES:
        raise wrong("image_url", f"a http or https address, or data of {', '.join(IMAGE_TYPES)} in base64")
    try:
        return Picture(data=base64.b64decode(data, validate=True), mime=mime)
    except (binascii.Error, ValueError) as error:
        raise wrong("image_url", "data in base64") from error


def _name(table: Mapping[str, Any], name: str) -> str:
    value = table.get(name)
    if value is None:
        return ""
    return checked_name(value, name)


def checked_name(value: Any, name: str) -> str:
    """A name that a caller may give. Raises Failure."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise wrong(name, f"text of 1 to {LONGEST_NAME} characters without control characters")
    return value


def _table(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise wrong(name, "an object")
    return value
