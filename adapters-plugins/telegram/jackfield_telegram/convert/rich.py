"""Text with spans of format, its chunks, and the HTML that Telegram reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

from jackfield_sdk.chunking import cut, length

# UTF-16 units after the entities are parsed.
LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
# Stay on one chunk where possible.
_WHOLE = ("a", "code")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text in one format: b, i, s, u, code, pre (value: language), a (value: address), blockquote, tg-spoiler."""

    start: int
    end: int
    kind: str
    value: str = ""


@dataclass(slots=True)
class Rich:
    """Plain text and spans over it that nest properly. Positions count code points."""

    text: str = ""
    spans: list[Span] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Appends plain text."""
        self.text += text

    def mark(self, start: int, kind: str, value: str = "") -> None:
        """Formats everything from `start` to the present end."""
        if start < len(self.text):
            self.spans.append(Span(start, len(self.text), kind, value))

    def append(self, other: Rich) -> None:
        """Appends text with its format."""
        shift = len(self.text)
        self.text += other.text
        self.spans += [Span(s.start + shift, s.end + shift, s.kind, s.value) for s in other.spans]

    @property
    def size(self) -> int:
        """Length as Telegram counts it."""
        return length(self.text, "utf16")

    def chunks(self, limit: int = LONGEST_TEXT) -> Iterator[Rich]:
        """Parts of at most `limit` units. Formats are closed and opened again; blank parts are left out."""
        start = 0
        while start < len(self.text):
            whole = [
                (span.start - start, span.end - start)
                for span in self.spans
                if span.kind in _WHOLE and span.end > start
            ]
            end = start + cut(self.text[start : start + limit + 2048], limit, "utf16", whole)
            part = self.part(start, end)
            if part.text.strip():
                yield part
            start = end

    def part(self, start: int, end: int) -> Rich:
        """What stands between two positions."""
        spans = [
            Span(max(s.start, start) - start, min(s.end, end) - start, s.kind, s.value)
            for s in self.spans
            if s.start < end and s.end > start
        ]
        return Rich(self.text[start:end], spans)

    def html(self) -> str:
        """As Telegram's HTML."""
        out: list[str] = []
        position = 0
        open_spans: list[Span] = []
        # Of two that begin at one place the longer is the outer one.
        for span in sorted(self.spans, key=lambda s: (s.start, -s.end)):
            position = self._close(out, open_spans, span.start, position)
            out.append(escape(self.text[position : span.start], quote=False))
            position = span.start
            out.append(_opening(span))
            open_spans.append(span)
        position = self._close(out, open_spans, len(self.text), position)
        out.append(escape(self.text[position:], quote=False))
        return "".join(out)

    def _close(self, out: list[str], open_spans: list[Span], until: int, position: int) -> int:
        while open_spans and open_spans[-1].end <= until:
            span = open_spans.pop()
            out.append(escape(self.text[position : span.end], quote=False))
            out.append(_closing(span))
            position = max(position, span.end)
        return position


def _opening(span: Span) -> str:
    if span.kind == "a":
        return f'<a href="{escape(span.value)}">'
    if span.kind == "pre" and span.value:
        return f'<pre><code class="language-{escape(span.value)}">'
    return f"<{span.kind}>"


def _closing(span: Span) -> str:
    return "</code></pre>" if span.kind == "pre" and span.value else f"</{span.kind}>"
