"""Stage: whether a message of a group is meant for the bot."""

from __future__ import annotations

from random import Random

from jackfield_sdk import Event, Mention, Message, MessageReceived, Segment, Text

from jackfield_pipeline.settings import Trigger


def meant(message: Message, event: Event, trigger: Trigger | None, random: Random) -> Message | None:
    """The message without the prefix that called the bot; None when it is not meant for it.

    Private chats always are. `random` is asked once at most, and last.
    """
    if event.is_private or trigger is None:
        return message
    called = without_prefix(message, trigger.prefixes)
    if called is not None:
        return called
    if trigger.mention and isinstance(event.payload, MessageReceived) and event.payload.mentions_bot:
        return without_mention(message)
    if trigger.pattern is not None and trigger.pattern.search(message.text):
        return message
    return message if trigger.random > 0 and random.random() < trigger.random else None


def without_prefix(message: Message, prefixes: tuple[str, ...]) -> Message | None:
    """The message behind the longest of the prefixes, which may follow a mention; None when there is none."""
    segments = list(without_mention(message))
    if not segments or not isinstance(first := segments[0], Text):
        return None
    text = first.text.lstrip()
    for prefix in sorted(prefixes, key=len, reverse=True):
        if text.startswith(prefix):
            return _of(Text(text[len(prefix) :].lstrip()), segments[1:])
    return None


def without_mention(message: Message) -> Message:
    """The message without a mention, and the blanks around it, at its beginning."""
    segments = list(message)
    place = 0
    while place < len(segments) and _blank(segments[place]):
        place += 1
    if place < len(segments) and isinstance(segments[place], Mention):
        rest = segments[place + 1 :]
        if rest and isinstance(first := rest[0], Text):
            return _of(Text(first.text.lstrip()), rest[1:])
        return Message(rest)
    return message


def _blank(segment: Segment) -> bool:
    return isinstance(segment, Text) and not segment.text.strip()


def _of(first: Text, rest: list[Segment]) -> Message:
    return Message([first, *rest] if first.text else rest)
