"""Lines of IRC: taken apart, put together, compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LONGEST = 512
"""Bytes of a line with its end, tags aside."""
MOST_PARAMS = 15
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ[]\\^", "abcdefghijklmnopqrstuvwxyz{}|~")
_ESCAPES = {"\\:": ";", "\\s": " ", "\\\\": "\\", "\\r": "\r", "\\n": "\n"}


class NotALine(ValueError):
    """Bytes that are no line of IRC."""


@dataclass(frozen=True)
class Line:
    """One line. `nick` is the server's name for lines of the server; `user` and `host` are empty then."""

    command: str
    params: tuple[str, ...] = ()
    nick: str = ""
    user: str = ""
    host: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def param(self, index: int) -> str:
        """A parameter; empty when there is none."""
        return self.params[index] if index < len(self.params) else ""


def parse(data: bytes) -> Line:
    """Reads a line without its end. Raises NotALine."""
    text = decoded(data)
    tags: dict[str, str] = {}
    if text.startswith("@"):
        head, _, text = text[1:].partition(" ")
        tags = dict(_tag(part) for part in head.split(";") if part)
    text = text.lstrip(" ")
    source = ""
    if text.startswith(":"):
        source, _, text = text[1:].partition(" ")
    middle, colon, trailing = f" {text}".partition(" :")
    words = middle.split()
    if not words or not words[0].isalnum() or "\0" in text:
        raise NotALine(f"no line of IRC: {text[:80]!r}")
    params = [*words[1:], trailing] if colon else words[1:]
    nick, _, rest = source.partition("!")
    user, _, host = rest.partition("@")
    return Line(words[0].upper(), tuple(params[:MOST_PARAMS]), nick, user, host, tags)


def decoded(data: bytes) -> str:
    """UTF-8; what is not is read as Latin-1, as old clients write."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def encoded(command: str, *params: str) -> bytes:
    """A line with its end. Raises ValueError for parameters that would begin another line or do not fit."""
    *middle, last = params or ("",)
    if any("\r" in one or "\n" in one or "\0" in one for one in params):
        raise ValueError("a parameter holds a line break")
    if any(not one or " " in one or one.startswith(":") for one in middle):
        raise ValueError("only the last parameter may hold blanks")
    words = [command, *middle] + ([f":{last}"] if params else [])
    data = " ".join(words).encode() + b"\r\n"
    if len(data) > LONGEST:
        raise ValueError(f"a line of {len(data)} bytes")
    return data


def folded(name: str) -> str:
    """Names that are equal to IRC are equal then."""
    return name.translate(_LOWER)


def is_channel(name: str) -> bool:
    """Whether a target is a channel."""
    return name[:1] in ("#", "&", "+", "!")


def _tag(part: str) -> tuple[str, str]:
    key, _, value = part.partition("=")
    for escape, meaning in _ESCAPES.items():
        value = value.replace(escape, meaning)
    return key, value
