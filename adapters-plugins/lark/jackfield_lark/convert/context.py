"""What an event carries so that a reply needs no lookup, and what the adapter knows of itself and of chats."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field

from jackfield_sdk import Chat, ChatType, InvalidArgument
from jackfield_sdk.plain import plain

MOST_KNOWN = 10_000
KINDS = {
    "p2p": ChatType.PRIVATE,
    "group": ChatType.GROUP,
    "topic": ChatType.GROUP,
    "topic_group": ChatType.GROUP,
}


@plain
class ReplyContext:
    """The chat and the message to answer, and the thread it stands in."""

    chat: str = ""
    message: str = ""
    thread: str = ""

    def to_bytes(self) -> bytes:
        """As it stands in an event."""
        fields = {"c": self.chat, "m": self.message, "t": self.thread}
        return json.dumps({name: value for name, value in fields.items() if value}).encode()

    @classmethod
    def read(cls, data: bytes, chat: str) -> ReplyContext:
        """Raises InvalidArgument for one of another chat, or of no event of ours."""
        if not data:
            return cls(chat=chat)
        try:
            fields = json.loads(data)
            found = cls(*(str(fields.get(name, "")) for name in ("c", "m", "t")))
        except (ValueError, AttributeError) as error:
            raise InvalidArgument("the reply context is not of this adapter") from error
        if found.chat != chat:
            raise InvalidArgument("the reply context belongs to another chat")
        return found


@plain
class Place:
    """Where a message stands, and of which type it is (`text`, `interactive` ...)."""

    chat: str = ""
    thread: str = ""
    kind: str = ""


@dataclass
class Self:
    """Who the bot is, which kind each chat has, and where recent messages stand. Bounded; what is forgotten is asked for."""

    open_id: str
    app_id: str
    kinds: OrderedDict[str, ChatType] = field(default_factory=OrderedDict)
    places: OrderedDict[str, Place] = field(default_factory=OrderedDict)

    def learn(self, chat: str, kind: str) -> None:
        """What only some events say."""
        if chat and kind in KINDS:
            self.kinds[chat] = KINDS[kind]
            self.kinds.move_to_end(chat)
            while len(self.kinds) > MOST_KNOWN:
                self.kinds.popitem(last=False)

    def place(self, message_id: str, place: Place) -> None:
        """Where a message stands."""
        self.places[message_id] = place
        self.places.move_to_end(message_id)
        while len(self.places) > MOST_KNOWN:
            self.places.popitem(last=False)

    def chat(self, chat: str, thread: str = "") -> Chat:
        """A chat; a group where nothing told its kind."""
        return Chat(type=self.kinds.get(chat, ChatType.GROUP), id=chat, thread_id=thread)

    def is_own(self, sender: str) -> bool:
        """By open_id or app_id."""
        return bool(sender) and sender in (self.open_id, self.app_id)
