"""What rules read of a message: its text, the text behind a leading mention, the kinds of its segments."""

from __future__ import annotations

from jackfield.v1 import message_pb2

Parts = list[tuple[str, str]]
"""Kind and text of every segment: the field's name, `unknown` for content of a newer contract."""

_BEFORE_COMMANDS = frozenset({"quote", "mention", "mention_all"})


def parts_of(message: message_pb2.Message) -> Parts:
    """The segments in their order; mentions as `@name`, everyone as `@All`, content without text as ""."""
    segments = message.segments
    # By index: the iterator over a repeated field costs several times as much, and this runs for every event.
    return [_part(segments[place]) for place in range(len(segments))]


def text_of(parts: Parts) -> str:
    """The whole text."""
    return parts[0][1] if len(parts) == 1 else "".join([text for _, text in parts])


def command_of(parts: Parts) -> str:
    """The text that a prefix is looked for in: without leading blanks, quotes and mentions."""
    command = ""
    for kind, text in parts:
        if command:
            command += text
        elif kind not in _BEFORE_COMMANDS:
            command = text.lstrip()
    return command


def _part(segment: message_pb2.Segment) -> tuple[str, str]:
    kind = segment.WhichOneof("content") or "unknown"
    if kind == "text":
        return kind, segment.text.text
    if kind == "mention":
        return kind, "@" + (segment.mention.display or segment.mention.user_id)
    return kind, "@All" if kind == "mention_all" else ""
