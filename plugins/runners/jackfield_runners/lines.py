"""Streams cut into what they are made of: server-sent events, lines, or JSON values one after another. All bounded."""

from __future__ import annotations

import codecs
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from jackfield_sdk import PlatformError

LONGEST_PIECE = 1024 * 1024


class ServerEvent(NamedTuple):
    """One server-sent event: its name, empty when it has none, and its data."""

    name: str
    data: str


async def texts(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Decoded pieces; bytes that are no UTF-8 are replaced."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    async for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Lines without their ends, which are LF, CR or CRLF. Raises PlatformError for one above 1 MiB."""
    rest: list[str] = []
    size = 0
    after_return = False
    async for text in texts(chunks):
        if after_return and text.startswith("\n"):
            text = text[1:]
        if text:
            after_return = text.endswith("\r")
        *whole, last = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in whole:
            yield "".join((*rest, line))
            rest, size = [], 0
        rest.append(last)
        size += len(last)
        if size > LONGEST_PIECE:
            raise PlatformError(f"the answer has a line above {LONGEST_PIECE} characters")
    if last := "".join(rest):
        yield last


async def server_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[ServerEvent]:
    """Server-sent events as the HTML standard cuts them; one that the end of the stream leaves open counts too."""
    name, data, size = "", [], 0  # type: str, list[str], int
    async for line in lines(chunks):
        if not line:
            if data:
                yield ServerEvent(name, "\n".join(data))
            name, data, size = "", [], 0
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
            size += len(value)
            if size > LONGEST_PIECE:
                raise PlatformError(f"the answer has an event above {LONGEST_PIECE} characters")
        elif field == "event":
            name = value
    if data:
        yield ServerEvent(name, "\n".join(data))


async def json_values(chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    """JSON objects that follow each other, with or without blanks between them. Raises PlatformError for anything else."""
    buffer = ""
    scanned = Scan()
    async for text in texts(chunks):
        buffer += text
        while (end := scanned.end_of_first(buffer)) > 0:
            yield json_of(buffer[:end])
            buffer, scanned = buffer[end:], Scan()
        if len(buffer) > LONGEST_PIECE:
            raise PlatformError(f"the answer has a value above {LONGEST_PIECE} characters")
    if buffer.strip():
        yield json_of(buffer)


class Scan:
    """Finds where the first object of a growing text ends, and looks at each character once."""

    def __init__(self) -> None:
        self._place = 0
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def end_of_first(self, text: str) -> int:
        """Index after the first object or list; 0 while it is not whole."""
        for index in range(self._place, len(text)):
            character = text[index]
            if self._quoted:
                if self._escaped:
                    self._escaped = False
                elif character == "\\":
                    self._escaped = True
                elif character == '"':
                    self._quoted = False
            elif character == '"':
                self._quoted = True
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth <= 0:
                    return index + 1
        self._place = len(text)
        return 0


def json_of(text: str) -> Any:
    """The value of a text. Raises PlatformError for what is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlatformError("the answer is no JSON where JSON was expected") from error
