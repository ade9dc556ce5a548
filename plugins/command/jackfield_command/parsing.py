"""From a message to a command: prefix, name, arguments."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import NamedTuple

from jackfield_sdk import Mention, MentionAll, Message, Quote, Text


class Typed(NamedTuple):
    """A command as a user typed it.

    Attributes:
        name: the first word in lower case, without prefix and without a suffix such as `@botname`.
        args: everything behind it as written, outer blanks removed.
    """

    name: str
    args: str

    @property
    def arg_list(self) -> list[str]:
        """The arguments cut at blanks, quotes respected; an open quote is an ordinary character."""
        lexer = shlex.shlex(self.args, posix=True, punctuation_chars=False)
        lexer.whitespace_split = True
        lexer.commenters = lexer.escape = ""
        try:
            return list(lexer)
        except ValueError:
            return self.args.split()


def command_in(message: Message, prefixes: Iterable[str]) -> tuple[str, Typed] | None:
    """Prefix and command of a message, behind leading blanks, quotes and mentions; None for any other message."""
    text = _command_text(message)
    # The longest first: `!!` is not `!` and a name that begins with `!`.
    for prefix in sorted(prefixes, key=len, reverse=True):
        if text.startswith(prefix):
            typed = _typed(text, prefix)
            return (prefix, typed) if typed is not None else None
    return None


def _typed(text: str, prefix: str) -> Typed | None:
    words = text.removeprefix(prefix).split(maxsplit=1)
    if not words or text[len(prefix)].isspace():
        return None
    name = words[0].partition("@")[0].lower()
    return Typed(name, words[1].strip() if len(words) > 1 else "") if name else None


def _command_text(message: Message) -> str:
    text = ""
    for segment in message:
        if text:
            text += _written(segment)
        elif not isinstance(segment, Quote | Mention | MentionAll):
            text = _written(segment).lstrip()
    return text


def _written(segment: object) -> str:
    match segment:
        case Text(text=text):
            return text
        case Mention(user_id=user_id, display=display):
            return f"@{display or user_id}"
        case MentionAll():
            return "@All"
        case _:
            return ""
