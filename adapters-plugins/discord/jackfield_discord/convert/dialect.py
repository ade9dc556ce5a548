"""Text in Discord's dialect: plain text escaped so that it shows as written, CommonMark adapted to what Discord renders."""

from __future__ import annotations

import re
import unicodedata

# Characters that mean something anywhere in a line.
_SPECIAL = re.compile(r"[\\*_~|`<>\[\]@]|(?m:^)(?:[ \t]*)(?:[#\-+]|\d+[.)])(?=\s)|(?m:^)(?:[ \t]*)-#(?=\s)")
_ADDRESS = re.compile(r"https?://[^\s<>]+")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n`]*)$")
_HEADING = re.compile(r"^ {0,3}#{4,6}\s+(.*?)\s*#*$")
_RULE = re.compile(r"^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$")
_IMAGE = re.compile(r"!\[([^\]\n]*)\]\(([^)\s]+)[^)\n]*\)")
_ROW = re.compile(r"^\s*\|?.*\|.*$")
_DELIMITER = re.compile(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_ZERO_WIDTH = "\u200b"


def escaped(text: str) -> str:
    """Plain text, shown exactly; addresses stay as they are, and nobody is mentioned by accident."""
    found: list[str] = []
    done = 0
    for address in _ADDRESS.finditer(text):
        found += [_escaped(text[done : address.start()], at_start=not done), address.group()]
        done = address.end()
    found.append(_escaped(text[done:], at_start=not done))
    return "".join(found)


def _escaped(text: str, *, at_start: bool) -> str:
    if not at_start:
        # The beginning of this piece is not the beginning of a line.
        return _escaped("\0" + text, at_start=True)[1:] if text else ""
    return _SPECIAL.sub(_mark, text)


def _mark(found: re.Match[str]) -> str:
    text = found.group()
    if text == "@":
        return (
            f"@{_ZERO_WIDTH}"
            if found.string[found.end() : found.end() + 8].startswith(("everyone", "here"))
            else "@"
        )
    head = text[: len(text) - len(text.lstrip())]
    body = text[len(head) :]
    if body[0].isdigit():
        return f"{head}{body[:-1]}\\{body[-1]}"
    return f"{head}\\{body}"


def rendered(text: str) -> str:
    """CommonMark as Discord shows it: tables become blocks of code, pictures links, small headings bold."""
    lines = text.split("\n")
    shown: list[str] = []
    fence = ""
    number = 0
    while number < len(lines):
        line = lines[number]
        mark = _FENCE.match(line)
        if fence or mark:
            if not fence and mark:
                fence = mark[1]
                # Discord knows backticks only.
                shown.append("```" + mark[2].strip().split(" ")[0])
            elif mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
                shown.append("```")
            else:
                shown.append(line.replace("```", f"`{_ZERO_WIDTH}``"))
            number += 1
            continue
        if (
            _ROW.match(line)
            and number + 1 < len(lines)
            and "|" in lines[number + 1]
            and _DELIMITER.match(lines[number + 1])
        ):
            end = number + 2
            while end < len(lines) and _ROW.match(lines[end]):
                end += 1
            shown += _table([line, *lines[number + 2 : end]])
            number = end
            continue
        shown.append(_line(line))
        number += 1
    if fence:
        shown.append("```")
    return "\n".join(shown)


def _line(line: str) -> str:
    if heading := _HEADING.match(line):
        return f"**{heading[1]}**" if heading[1] else ""
    if _RULE.match(line):
        return "─" * 12
    return _IMAGE.sub(lambda found: f"[{found[1] or found[2]}]({found[2]})", line)


def _table(rows: list[str]) -> list[str]:
    """The rows as columns of equal width."""
    cells = [
        [cell.strip().replace("```", "'''") for cell in row.strip().strip("|").split("|")] for row in rows
    ]
    columns = max(len(row) for row in cells)
    full = [row + [""] * (columns - len(row)) for row in cells]
    widths = [max(_width(row[column]) for row in full) for column in range(columns)]
    laid = [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in full
    ]
    laid.insert(1, "  ".join("-" * width for width in widths))
    return ["```", *laid, "```"]


def _width(text: str) -> int:
    """Columns of a text in a font of equal width."""
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text if not unicodedata.combining(c)
    )
