"""Secrets taken out of whatever leaves the kernel for people: logs, and every answer of Admin."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import quote

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

SHORTEST = 4
"""Characters. A shorter secret would blank out every word that holds it, and says little anyway."""
SHORTEST_LINE = 16
"""Characters of a line of a secret with several (a private key) that is taken for the secret itself."""
MASK = "***"

M = TypeVar("M", bound=Message)

_WITH_TEXT = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE)


class Redactor:
    """Knows the secrets in force, by whom they belong to. Safe to use from any thread."""

    def __init__(self) -> None:
        self._held: dict[str, frozenset[str]] = {}
        self._pattern: re.Pattern[str] | None = None
        self._bytes: re.Pattern[bytes] | None = None

    def hold(self, owner: str, secrets: Iterable[str]) -> None:
        """The secrets of `owner` are these from now on, and no others."""
        values = frozenset(secrets)
        if self._held.get(owner, frozenset()) == values:
            return
        self._held[owner] = values
        forms = {form for held in self._held.values() for value in held for form in _forms(value)}
        # The longest first: of two secrets that begin alike the whole one goes.
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._bytes = _any([re.escape(form.encode(errors="replace")) for form in longest_first], b"|")
        self._pattern = _any([re.escape(form) for form in longest_first], "|")

    def text(self, text: str) -> str:
        """`text` with every secret replaced by `***`."""
        pattern = self._pattern
        return text if pattern is None else pattern.sub(MASK, text)

    def message(self, message: M) -> M:
        """`message`, or a copy without secrets. Bytes keep their length, so that what they hold can still be read."""
        pattern = self._bytes
        if pattern is None or pattern.search(message.SerializeToString()) is None:
            return message
        clean = type(message)()
        clean.CopyFrom(message)
        self._clean(clean, pattern)
        return clean

    def _clean(self, message: Message, pattern: re.Pattern[bytes]) -> None:
        for field, value in message.ListFields():
            if isinstance(value, Message):
                self._clean(value, pattern)
            elif isinstance(value, str | bytes):
                setattr(message, field.name, self._cleaned(value, pattern))
            elif field.message_type is not None and field.message_type.GetOptions().map_entry:
                self._clean_items(value, list(value), pattern)
            elif field.type in _WITH_TEXT:
                self._clean_items(value, range(len(value)), pattern)

    def _clean_items(self, items: Any, keys: Iterable[Any], pattern: re.Pattern[bytes]) -> None:
        """The items of a map or of a repeated field."""
        for key in keys:
            if isinstance(items[key], Message):
                self._clean(items[key], pattern)
            elif isinstance(items[key], str | bytes):
                items[key] = self._cleaned(items[key], pattern)

    def _cleaned(self, value: str | bytes, pattern: re.Pattern[bytes]) -> str | bytes:
        if isinstance(value, str):
            return self.text(value)
        return pattern.sub(lambda found: b"*" * len(found[0]), value)


class Redacting(logging.Formatter):
    """Another formatter's lines without secrets."""

    def __init__(self, inner: logging.Formatter, redactor: Redactor) -> None:
        super().__init__()
        self._inner = inner
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """The line, clean."""
        return self._redactor.text(self._inner.format(record))


def _forms(value: str) -> Iterable[str]:
    """How a secret may appear: as it is, inside JSON, inside a URL, and line by line."""
    if len(value) < SHORTEST:
        return
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(value, safe="", errors="replace")
    for line in value.splitlines():
        if len(line.strip()) >= SHORTEST_LINE:
            yield line.strip()


def _any(forms: list[Any], separator: Any) -> Any:
    return re.compile(separator.join(forms)) if forms else None
