"""Stages: what is ignored, and what may not be said, by users or by the bot."""

from __future__ import annotations

import dataclasses

from jackfield_sdk import Message, Segment, Text

from jackfield_pipeline.settings import Filter, Ignore

INCOMING, OUTGOING, BOTH = "incoming", "outgoing", "both"
MASK, BLOCK = "mask", "block"


def ignored(message: Message, ignore: Ignore) -> bool:
    """Whether the message is passed over."""
    text = message.text
    if text.lstrip().startswith(ignore.prefixes):
        return True
    return ignore.pattern is not None and bool(ignore.pattern.search(text))


def filtered(message: Message, rules: Filter, direction: str) -> Message | None:
    """The message as it may be passed on; None when it is held back. Names of files and quoted words count as said."""
    if rules.pattern is None or rules.scope not in (direction, BOTH):
        return message
    if rules.action == BLOCK:
        return None if rules.pattern.search(message.plain()) or _in_quote(message, rules) else message
    return Message([_masked(segment, rules) for segment in message])


def growing(text: str, rules: Filter) -> str:
    """A text so far as it may be shown: masked, and without the end that may be the beginning of a word."""
    if rules.pattern is None or rules.scope not in (OUTGOING, BOTH):
        return text
    masked = str(rules.pattern.sub(_literal(rules.mask), text))
    return masked[: max(0, len(masked) - rules.longest + 1)]


def may_grow(rules: Filter) -> bool:
    """Whether parts of an answer can be judged before its end: words can, expressions and blocking cannot."""
    if rules.pattern is None or rules.scope not in (OUTGOING, BOTH):
        return True
    return rules.action == MASK and not rules.regex


def _masked(segment: Segment, rules: Filter) -> Segment:
    if isinstance(segment, Text):
        return dataclasses.replace(segment, text=str(rules.pattern.sub(_literal(rules.mask), segment.text)))
    return segment


def _in_quote(message: Message, rules: Filter) -> bool:
    origins = (getattr(segment, "origin", None) for segment in message)
    return any(isinstance(one, Message) and rules.pattern.search(one.plain()) for one in origins)


def _literal(mask: str) -> str:
    return mask.replace("\\", "\\\\")
