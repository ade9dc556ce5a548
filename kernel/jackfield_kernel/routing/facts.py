"""What rules ask of one event, each read at most once, and only when the first rule asks."""

from __future__ import annotations

from jackfield.v1 import entity_pb2, event_pb2

from .text import Parts, command_of, parts_of, text_of

CHAT_TYPES = {
    "private": entity_pb2.CHAT_TYPE_PRIVATE,
    "group": entity_pb2.CHAT_TYPE_GROUP,
    "channel": entity_pb2.CHAT_TYPE_CHANNEL,
}
"""Names that rules use for kinds of chats."""

EVERYONE = "*"
"""The member of a set that stands for every sender, or every chat."""

_NAMES = {int(number): name for name, number in CHAT_TYPES.items()}


class Facts:
    """One event as rules see it."""

    __slots__ = (
        "_chat_id",
        "_chat_keys",
        "_chat_type",
        "_command",
        "_encoded",
        "_kinds",
        "_parts",
        "_sender_id",
        "_sender_keys",
        "event",
    )

    def __init__(self, event: event_pb2.Event) -> None:
        self.event = event
        self._chat_type: str | None = None
        self._chat_id: str | None = None
        self._sender_id: str | None = None
        self._sender_keys: tuple[str, ...] | None = None
        self._chat_keys: tuple[str, ...] | None = None
        self._parts: Parts | None = None
        self._command: str | None = None
        self._encoded: bytes | None = None
        self._kinds: frozenset[str] | None = None

    @property
    def chat_type(self) -> str:
        """`private`, `group`, `channel`, or "" for an event without a chat."""
        if self._chat_type is None:
            self._chat_type = _NAMES.get(self.event.chat.type, "")
        return self._chat_type

    @property
    def chat_id(self) -> str:
        """The platform's id; "" for an event without a chat."""
        if self._chat_id is None:
            self._chat_id = self.event.chat.id
        return self._chat_id

    @property
    def sender_id(self) -> str:
        """The platform's id; "" for an event without a sender."""
        if self._sender_id is None:
            self._sender_id = self.event.sender.id
        return self._sender_id

    @property
    def sender_keys(self) -> tuple[str, ...]:
        """How sender sets name the sender: by id alone, and within the bot; nothing without a sender."""
        if self._sender_keys is None:
            self._sender_keys = _keys(self.event.bot, self.sender_id)
        return self._sender_keys

    @property
    def chat_keys(self) -> tuple[str, ...]:
        """How sets of chats name the chat, likewise; nothing without a chat."""
        if self._chat_keys is None:
            self._chat_keys = _keys(self.event.bot, self.chat_id)
        return self._chat_keys

    @property
    def parts(self) -> Parts:
        """Segments of the message received or edited; none for every other event."""
        if self._parts is None:
            event = self.event
            kind = event.WhichOneof("payload")
            if kind == "message_received":
                self._parts = parts_of(event.message_received.message)
            else:
                self._parts = parts_of(event.message_edited.message) if kind == "message_edited" else []
        return self._parts

    @property
    def text(self) -> str:
        """Text of the message; "" for an event without one."""
        return text_of(self.parts)

    @property
    def encoded(self) -> bytes:
        """The text in UTF-8, as expressions want it."""
        if self._encoded is None:
            self._encoded = self.text.encode()
        return self._encoded

    @property
    def command(self) -> str:
        """Text of the message behind leading blanks, quotes and mentions."""
        if self._command is None:
            self._command = command_of(self.parts)
        return self._command

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of segments in the message."""
        if self._kinds is None:
            self._kinds = frozenset([kind for kind, _ in self.parts])
        return self._kinds

    @property
    def addressed(self) -> bool:
        """The message mentions the bot, or the chat is private."""
        return self.chat_type == "private" or self.event.message_received.mentions_bot


def _keys(bot: str, identity: str) -> tuple[str, ...]:
    if not identity:
        return ()
    within = f"{bot}:{identity}"
    # An id that a stranger chose to look like `<bot>:<id>` of someone else is known by its full form alone.
    return (within, EVERYONE) if identity.startswith(f"{bot}:") else (identity, within, EVERYONE)


def is_message_of_bot(event: event_pb2.Event) -> bool:
    """Whether another bot wrote this message: only rules with `from_bots` see it."""
    return event.sender.is_bot and event.WhichOneof("payload") in ("message_received", "message_edited")
