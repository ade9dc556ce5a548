"""Slack's own markup: read into segments, and written from plain text and CommonMark."""

from __future__ import annotations

import re

from jackfield_sdk import Mention, MentionAll, Message, Text
from jackfield_sdk.chunking import split
from jackfield_sdk.message import Segment

LIMIT = 4_000
"""Characters of one message's text. Slack cuts at 40,000, shows badly above 4,000, and edits take no more than 4,000."""

_ENTITY = re.compile(r"<([^<>]*)>")
_BROADCAST = re.compile(r"!(channel|here|everyone)(\|.*)?")


def read(text: str) -> tuple[Segment, ...]:
    """Received text as segments: mentions apart, links and channels as text, escapes undone."""
    found: list[Segment] = []
    at = 0
    for match in _ENTITY.finditer(text):
        _add(found, unescape(text[at : match.start()]))
        at = match.end()
        inner = match[1]
        target, _, label = inner.partition("|")
        if target.startswith("@"):
            found.append(Mention(user_id=target[1:], display=unescape(label)))
        elif _BROADCAST.fullmatch(inner):
            found.append(MentionAll())
        else:
            _add(found, _shown(target, unescape(label)))
    _add(found, unescape(text[at:]))
    return tuple(found)


def _shown(target: str, label: str) -> str:
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    if target.startswith("!"):
        return label or target[1:]
    url = unescape(target)
    bare = url.removeprefix("mailto:").removeprefix("tel:")
    if not label:
        return bare
    if label in (url, bare, url.removeprefix("http://"), url.removeprefix("https://")):
        return label
    return f"{label} ({url})"


def _add(found: list[Segment], text: str) -> None:
    if not text:
        return
    if found and isinstance(found[-1], Text):
        found[-1] = Text(found[-1].text + text)
    else:
        found.append(Text(text))


def escape(text: str) -> str:
    """Plain text in Slack's markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """The opposite."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


_FENCE = re.compile(r"^ {0,3}(```+|~~~+)[^\n]*\n(.*?)(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"(!?)\[([^\]\n]*)\]\((<[^>\n]*>|[^)\s]+)(?:\s+\"[^\"\n]*\")?\)")
_AUTOLINK = re.compile(r"<((?:https?|mailto):[^<>\s]+)>")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!~|>])")
_TABLE = re.compile(
    r"(?:^\|[^\n]*\|[ \t]*\n)(?:^\|[ :|-]+\|[ \t]*\n?)(?:^\|[^\n]*\|[ \t]*\n?)*", re.MULTILINE
)
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_BULLET = re.compile(r"^([ \t]*)[*+-][ \t]+", re.MULTILINE)
_BOLD = re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1")
_ITALIC = re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])")
_STRIKE = re.compile(r"~~(?=\S)(.+?)(?<=\S)~~")
_QUOTE = re.compile(r"^(?:&gt;)[ \t]?", re.MULTILINE)


def from_markdown(text: str) -> str:
    """CommonMark in Slack's markup. Tables become preformatted text; what is code is left as it is."""
    kept: list[str] = []

    def keep(shown: str) -> str:
        kept.append(shown)
        return f"\x00{len(kept) - 1}\x00"

    text = text.replace("\x00", "")
    text = _FENCE.sub(lambda m: keep(f"```\n{escape(m[2])}```"), text)
    text = _TABLE.sub(lambda m: keep(f"```\n{escape(_table(m[0]))}\n```") + "\n", text)
    text = _CODE.sub(lambda m: keep(f"`{escape(m[2].strip())}`"), text)
    text = _ESCAPED.sub(lambda m: keep(escape(m[1])), text)
    text = _AUTOLINK.sub(lambda m: keep(f"<{escape(m[1])}>"), text)
    text = _LINK.sub(lambda m: keep(_link(m[2], m[3].strip("<>"))), text)
    text = escape(text)
    text = _QUOTE.sub("> ", text)
    text = _HEADING.sub(lambda m: keep(f"*{_inline(m[1].replace('**', ''))}*"), text)
    text = _BULLET.sub(r"\1• ", text)
    return _restored(_inline(text), kept)


def _restored(text: str, kept: list[str]) -> str:
    """Nested: what was kept may hold what was kept before."""
    while "\x00" in text:
        text = re.sub(r"\x00(\d+)\x00", lambda m: kept[int(m[1])], text)
    return text


def _inline(text: str) -> str:
    text = _BOLD.sub("\x01\\2\x01", text)
    text = _ITALIC.sub(r"_\1_", text)
    return _STRIKE.sub(r"~\1~", text).replace("\x01", "*")


def _link(label: str, url: str) -> str:
    shown = escape(label).replace("|", "¦")
    address = escape(url).replace("|", "%7C")
    return f"<{address}|{shown}>" if shown else f"<{address}>"


def _table(source: str) -> str:
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in source.strip().splitlines()
    ]
    rows = [row for index, row in enumerate(rows) if index != 1]
    widths = [max(len(row[at]) if at < len(row) else 0 for row in rows) for at in range(max(map(len, rows)))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def written(text: str, *, markdown: bool, limit: int = LIMIT) -> list[str]:
    """Text in Slack's markup, in messages of at most `limit` characters. Split before it is written: no escape is ever cut."""
    shown = from_markdown(text) if markdown else escape(text)
    if len(shown) <= limit:
        return [shown] if shown else []
    return _pieces(text, markdown, limit, limit)


def _pieces(text: str, markdown: bool, limit: int, room: int) -> list[str]:
    found: list[str] = []
    for chunk in split(text, room, "codepoints", markdown=markdown):
        shown = from_markdown(chunk) if markdown else escape(chunk)
        if len(shown) > limit and room > 32:
            found.extend(_pieces(chunk, markdown, limit, max(32, room // 2)))
        else:
            found.append(shown)
    return found


def message_of(text: str) -> Message:
    """A message of received text alone."""
    return Message(*read(text))
