"""CommonMark, with tables and strike-through, as text with spans: Telegram knows no headings, lists or tables of its own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from jackfield_telegram.convert.rich import Rich

_INLINE = {"strong": "b", "em": "i", "s": "s"}
_ADDRESS = re.compile(r"(?:https?|tg|mailto|tel|ton):", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,32}")
RULE = "———"
# Text nested deeper than this is markup gone wrong, or an attack.
_PARSER = MarkdownIt("commonmark", {"maxNesting": 20}).enable(["table", "strikethrough"])


def rich_of(markdown: str) -> Rich:
    """The rendered text."""
    return _Writer().write(_PARSER.parse(markdown))


class _Writer:
    """Goes through the tokens once."""

    def __init__(self) -> None:
        self.rich = Rich()
        self._open: list[int] = []
        # One entry per list: the next number, None for bullets.
        self._lists: list[int | None] = []
        self._fresh = True
        self._rows: list[list[str]] = []

    def write(self, tokens: Sequence[Token]) -> Rich:
        for token in tokens:
            self._block(token)
        self.rich.text = self.rich.text.rstrip("\n")
        return self.rich

    def _block(self, token: Token) -> None:
        match token.type:
            case "paragraph_open":
                self._begin(tight=bool(self._lists))
            case "heading_open" | "blockquote_open":
                self._begin()
                self._open.append(len(self.rich.text))
                self._fresh = True
            case "heading_close":
                self.rich.mark(self._open.pop(), "b")
                self._fresh = False
            case "blockquote_close":
                self._blockquote(self._open.pop())
            case "bullet_list_open":
                self._begin(tight=bool(self._lists))
                self._lists.append(None)
                self._fresh = True
            case "ordered_list_open":
                self._begin(tight=bool(self._lists))
                self._lists.append(int(token.attrGet("start") or 1))
                self._fresh = True
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
                self._fresh = False
            case "list_item_open":
                self._item()
            case "fence" | "code_block":
                self._code(token)
            case "hr":
                self._begin()
                self.rich.add(RULE)
                self._fresh = False
            case "html_block":
                self._begin()
                self.rich.add(token.content.rstrip("\n"))
                self._fresh = False
            case "inline":
                self._inline(token.children or [])
            case _:
                self._table(token)

    def _begin(self, *, tight: bool = False) -> None:
        """A block begins on a line of its own, after an empty one outside of lists."""
        if not self._fresh:
            self.rich.add("\n" if tight else "\n\n")
        self._fresh = False

    def _item(self) -> None:
        self._begin(tight=True)
        indent = "  " * (len(self._lists) - 1)
        number = self._lists[-1]
        if number is None:
            self.rich.add(f"{indent}• ")
        else:
            self.rich.add(f"{indent}{number}. ")
            self._lists[-1] = number + 1
        self._fresh = True

    def _blockquote(self, start: int) -> None:
        # Telegram refuses one quotation inside another.
        if not self._open:
            self.rich.mark(start, "blockquote")
        self._fresh = False

    def _code(self, token: Token) -> None:
        self._begin()
        start = len(self.rich.text)
        self.rich.add(token.content.rstrip("\n"))
        words = token.info.split()
        language = words[0] if words and _LANGUAGE.fullmatch(words[0]) else ""
        self.rich.mark(start, "pre", language)
        self._fresh = False

    def _table(self, token: Token) -> None:
        match token.type:
            case "table_open":
                self._begin()
                self._rows = []
            case "tr_open":
                self._rows.append([])
            case "table_close":
                start = len(self.rich.text)
                self.rich.add(table_text(self._rows))
                self.rich.mark(start, "pre")
                self._rows = []
                self._fresh = False

    def _inline(self, children: Sequence[Token]) -> None:
        if self._rows:
            # A cell: tables are preformatted, where nothing else can be formatted.
            cell = _Writer()
            cell._spans(children)
            self._rows[-1].append(" ".join(cell.rich.text.split()))
            return
        self._spans(children)
        self._fresh = False

    def _spans(self, children: Sequence[Token]) -> None:
        opened: list[int] = []
        addresses: list[str] = []
        for token in children:
            name, _, side = token.type.rpartition("_")
            if side == "open":
                opened.append(len(self.rich.text))
                addresses.append(str(token.attrGet("href") or ""))
            elif side == "close":
                start, address = opened.pop(), addresses.pop()
                if name in _INLINE:
                    self.rich.mark(start, _INLINE[name])
                elif _ADDRESS.match(address):
                    self.rich.mark(start, "a", address)
            elif token.type == "code_inline":
                start = len(self.rich.text)
                self.rich.add(token.content)
                self.rich.mark(start, "code")
            elif token.type == "image":
                start = len(self.rich.text)
                self.rich.add(token.content or "[Image]")
                if _ADDRESS.match(address := str(token.attrGet("src") or "")):
                    self.rich.mark(start, "a", address)
            elif token.type in ("softbreak", "hardbreak"):
                self.rich.add("\n")
            else:
                self.rich.add(token.content)


def table_text(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, a line below the head."""
    count = max((len(row) for row in rows), default=0)
    full = [[*row, *[""] * (count - len(row))] for row in rows]
    widths = [max(width(row[column]) for row in full) for column in range(count)]
    lines = [" | ".join(_padded(c, w) for c, w in zip(row, widths, strict=True)).rstrip() for row in full]
    if len(lines) > 1:
        lines.insert(1, "-+-".join("-" * w for w in widths))
    return "\n".join(lines)


def width(text: str) -> int:
    """Columns that a text takes in a font of one width."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))
