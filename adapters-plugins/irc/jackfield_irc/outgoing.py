"""Messages as lines, and what servers say about them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jackfield_sdk import (
    ContentTooLarge,
    InvalidArgument,
    JackfieldError,
    Mention,
    Message,
    NotFound,
    PermissionDenied,
    PlatformError,
    Text,
)
from jackfield_sdk.chunking import split

from jackfield_irc.incoming import ACCOUNT
from jackfield_irc.line import LONGEST, Line

LONGEST_TEXT = 400
"""Bytes of text in a line, whatever the names are; `limits.text` of the manifest."""

LONGEST_SOURCE = 10 + 63 + 3
"""Bytes of `!user@host` and the colon that the server puts before a line for others."""
_UNSENDABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_FOUND = {"401", "403", "441", "442", "406"}
_DENIED = {"404", "471", "473", "474", "475", "477", "481", "482", "489", "443"}


def room(nick: str, target: str, command: str = "PRIVMSG") -> int:
    """Bytes of text that one line can hold when it arrives at others."""
    return min(LONGEST_TEXT, LONGEST - len(f":{nick} {command} {target} :\r\n".encode()) - LONGEST_SOURCE)


def text_of(message: Message) -> tuple[str, tuple[str, ...]]:
    """What is written, and the segments that go by other words."""
    parts: list[str] = []
    degraded: list[str] = []
    for segment in message:
        if isinstance(segment, Text):
            parts.append(segment.text)
        elif isinstance(segment, Mention):
            name = segment.display or segment.user_id.removeprefix(ACCOUNT)
            parts.append(f"{name.lstrip('@')}: " if not parts else name.lstrip("@"))
        else:
            parts.append(Message(segment).plain())
            degraded.append(_name(segment))
    return "".join(parts), tuple(dict.fromkeys(degraded))


def lines_of(text: str, longest: int, most: int) -> list[str]:
    """Lines to send; empty ones go as a blank. Raises ContentTooLarge, InvalidArgument for nothing to say."""
    # Control characters mean colours and commands here; a user of the bot must not smuggle them in.
    clean = _UNSENDABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    "))
    lines = [
        chunk.rstrip("\n") or " "
        for one in clean.strip("\n").split("\n")
        for chunk in (split(one, longest, unit="bytes", markdown=False) if one else [" "])
    ]
    if not clean.strip():
        raise InvalidArgument("there is nothing to send", metadata={"field": "message"})
    if len(lines) > most:
        raise ContentTooLarge(
            f"{len(lines)} lines; at most {most} are sent, for a server takes them slowly",
            remedy="Say less, or raise `most_lines` of the bot.",
            metadata={"limit": str(most), "unit": "lines"},
        )
    return lines


def judge(lines: Sequence[Line]) -> None:
    """Raises what the server's answers to a command mean."""
    for line in lines:
        if line.command.isdigit() and line.command[0] in "45":
            raise error_of(line)


def error_of(line: Line) -> JackfieldError:
    """The typed error of a numeric reply."""
    words = " ".join(line.params[1:])
    metadata = {"platform_code": line.command}
    if line.command in _NOT_FOUND:
        return NotFound(f"the server says: {words}", metadata=metadata)
    if line.command in _DENIED:
        return PermissionDenied(f"the server says: {words}", metadata=metadata)
    return PlatformError(f"the server says: {words}", metadata=metadata)


def _name(segment: object) -> str:
    name = type(segment).__name__.removesuffix("Segment")
    return re.sub("(?<!^)(?=[A-Z])", "_", name).lower()
