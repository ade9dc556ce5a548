"""CommonMark as what Lark's rich text shows: headings and tables are not among it."""

from __future__ import annotations

import re

_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$")
_RULE = re.compile(r"^ {0,3}\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_ID = re.compile(r"[A-Za-z0-9_@.:+-]{1,128}")


def rich(text: str) -> str:
    """Headings become bold lines, tables preformatted text; nobody is addressed by what a text says."""
    done: list[str] = []
    fence = ""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        mark = _FENCE.match(line)
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
        elif (
            not fence
            and "|" in line
            and number + 1 < len(lines)
            and "|" in lines[number + 1]
            and _RULE.match(lines[number + 1])
        ):
            end = number
            while end < len(lines) and "|" in lines[end]:
                end += 1
            done += ["```", *(safe(each) for each in lines[number:end]), "```"]
            number = end
            continue
        elif not fence and (heading := _HEADING.match(line)):
            line = f"**{heading[1].replace('**', '')}**"
        done.append(safe(line))
        number += 1
    return "\n".join(done)


def safe(text: str) -> str:
    """Lark reads `<at ...>` in rich text as addressing somebody: only a `Mention` may."""
    return re.sub(r"<(?=/?at\b)", "&lt;", text, flags=re.IGNORECASE)


def is_id(text: str) -> bool:
    """An id that may stand in an attribute."""
    return bool(_ID.fullmatch(text))
