"""Anything behind HTTP, described by templates and pointers instead of code."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from jackfield_sdk import PlatformError, Unavailable

from jackfield_runners import template
from jackfield_runners.lines import ServerEvent, json_of, lines, server_events
from jackfield_runners.n8n import credentials
from jackfield_runners.pieces import Conversation, Delta, Piece, Whole
from jackfield_runners.pointer import ABSENT, at, parts_of
from jackfield_runners.question import Question
from jackfield_runners.settings import Settings
from jackfield_runners.wire import Wire, shown


async def ask(wire: Wire, question: Question) -> AsyncIterator[Piece]:
    """Puts one question to the address."""
    settings = question.settings
    values = question.values()
    headers = {**credentials(settings, question.user)}
    if question.key:
        headers["idempotency-key"] = question.key
    own = template.fill(dict(settings.headers), {**values, "key": settings.key})
    body = template.fill(dict(settings.body) or {"message": "{text}"}, values)
    request = {"params": _flat(body)} if settings.method == "GET" else {"json": body}
    reading = Reading(settings)
    async with wire.asked(
        settings.method, settings.url, headers=_encoded({**headers, **own}), **request
    ) as answering:
        if settings.answer == "json":
            value = json_of((await answering.read()).decode(errors="replace"))
            for piece in reading.whole(value):
                yield piece
            return
        async for event in _events(answering.chunks(), settings.answer):
            for piece in reading.event(event):
                yield piece
            if reading.ended:
                return
    reading.finish()


async def _events(chunks: AsyncIterator[bytes], kind: str) -> AsyncIterator[ServerEvent]:
    if kind == "sse":
        async for event in server_events(chunks):
            yield event
    else:
        async for line in lines(chunks):
            if line.strip():
                yield ServerEvent("", line)


class Reading:
    """Finds text, conversation, errors and the end in what comes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places = {
            name: parts_of(getattr(settings, name))
            for name in ("text", "delta", "kind_at", "end_at", "error", "conversation")
            if getattr(settings, name)
        }
        self.ended = False

    def whole(self, value: Any) -> list[Piece]:
        """An answer in one piece. Raises PlatformError for one without text."""
        pieces = self._shared(value)
        text = self._found("text", value)
        if text is ABSENT:
            raise PlatformError(
                f"the answer has nothing at {self._settings.text}",
                remedy="Let text point to where it stands.",
            )
        return [*pieces, Whole(text if isinstance(text, str) else json.dumps(text, ensure_ascii=False))]

    def event(self, event: ServerEvent) -> list[Piece]:
        """One event of a stream; what is no JSON is passed over, as comments and pings are."""
        settings = self._settings
        if settings.end and not settings.end_at and settings.end in (event.data.strip(), event.name):
            self.ended = True
            return []
        try:
            value = json_of(event.data)
        except PlatformError:
            return []
        pieces = self._shared(value)
        kind = self._found("kind_at", value) if "kind_at" in self._places else event.name
        if not settings.kinds or kind in settings.kinds:
            if isinstance(text := self._found("text", value), str):
                pieces.append(Whole(text))
            if isinstance(delta := self._found("delta", value), str):
                pieces.append(Delta(delta))
        if "end_at" in self._places:
            end = self._found("end_at", value)
            self.ended = _word(end) == settings.end if settings.end else end not in (ABSENT, None, False, "")
        return pieces

    def finish(self) -> None:
        """The stream is over. Raises Unavailable where it should have said so itself."""
        if self._settings.end or self._settings.end_at:
            raise Unavailable("the answer broke off before its end", retryable=False)

    def _shared(self, value: Any) -> list[Piece]:
        error = self._found("error", value)
        if error not in (ABSENT, None, False, ""):
            raise PlatformError(f"the other side reports: {shown(_word(error), self._settings.key)}")
        found = self._found("conversation", value)
        return [Conversation(_word(found))] if found not in (ABSENT, None, "") else []

    def _found(self, name: str, value: Any) -> Any:
        return at(value, self._places[name]) if name in self._places else ABSENT


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers whatever users are called: one line each, in UTF-8."""
    return [(name.encode(), " ".join(value.split()).encode()) for name, value in headers.items()]


def _word(value: Any) -> str:
    if value is ABSENT:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flat(body: dict[str, Any]) -> dict[str, str]:
    return {name: _word(value) for name, value in body.items()}
