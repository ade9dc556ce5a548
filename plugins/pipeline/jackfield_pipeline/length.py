"""Stage: what becomes of a long text."""

from __future__ import annotations

from typing import NamedTuple

from jackfield_sdk import Forward, ForwardNode, Message, Text, markdown
from jackfield_sdk.chunking import split

from jackfield_pipeline.settings import Long

NONE, SPLIT, FILE, FORWARD = "none", "split", "file", "forward"
HEAD = 200
PREVIEW = 60
FEWEST = 16


class Shape(NamedTuple):
    """An answer as it is sent: messages in order, and the text of a file that belongs to the last one."""

    messages: tuple[Message, ...]
    file: str = ""


def shaped(message: Message, long: Long, name: str) -> Shape:
    """The answer by the policy, which holds for answers of nothing but text. `name` is the bot's, for a bundle."""
    text = message.text
    if long.strategy == NONE or len(text) <= long.above or any(not isinstance(one, Text) for one in message):
        return Shape((message,))
    if long.strategy == SPLIT:
        return Shape(tuple(Message(markdown(part)) for part in split(text, max(FEWEST, long.above))))
    if long.strategy == FILE:
        return Shape((Message(markdown(head(text))),), text)
    nodes = tuple(
        ForwardNode(sender_name=name, message=Message(Text(part)))
        for part in split(text, max(FEWEST, long.above))
    )
    return Shape((Message(Forward(title=name, preview=(text[:PREVIEW],), nodes=nodes)),))


def head(text: str) -> str:
    """The beginning of a text, to a blank where there is one near."""
    cut = text[:HEAD]
    place = max(cut.rfind(" "), cut.rfind("\n"))
    return f"{cut[:place] if place > HEAD // 2 else cut}…"
