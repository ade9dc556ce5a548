"""Stage: what a message quotes becomes part of the question, or is left out."""

from __future__ import annotations

from jackfield_sdk import Event, Message, Quote, Segment, Text

LONGEST_QUOTE = 2000


def combined(message: Message, wanted: bool) -> Message:
    """The message with the quoted one, its files too, in front; without `wanted` the quote is dropped."""
    before: list[Segment] = []
    rest: list[Segment] = []
    for segment in message:
        if not isinstance(segment, Quote):
            rest.append(segment)
        elif wanted and segment.origin is not None:
            words = segment.origin.plain()[:LONGEST_QUOTE]
            before += [one for one in segment.origin if getattr(one, "media", None) is not None]
            before.append(Text(f"(about: {words})\n"))
    return Message([*before, *rest])


def whole(event: Event, merged: list[Event]) -> Message:
    """A message with those that were merged into it, line by line."""
    message = event.message
    for other in merged:
        message = message + Text("\n") + other.message
    return message
