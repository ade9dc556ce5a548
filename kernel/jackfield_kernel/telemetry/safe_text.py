"""Text from outside made safe to print: it moves no cursor, sets no colour, reorders nothing."""

from __future__ import annotations

import re

_ESCAPE_SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
# C0 without tab and line feed, C1, bidirectional controls, and lone surrogates, which no terminal encodes.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def safe_text(text: str) -> str:
    """Return `text` without escape sequences and with control characters spelled out; lines stay lines."""
    return _UNSAFE.sub(_spelled, _ESCAPE_SEQUENCE.sub("", text))


def one_line(text: str, longest: int = 0) -> str:
    """Return `text` safe and on one line, cut to `longest` characters (0: not cut)."""
    line = safe_text(text).replace("\n", "\\n").replace("\t", " ")
    return f"{line[: longest - 1]}…" if 0 < longest < len(line) else line


def _spelled(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
