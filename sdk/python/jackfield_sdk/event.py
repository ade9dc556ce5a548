"""The record of one occurrence, as authors see it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from jackfield_sdk.entity import Chat, ChatType, User
from jackfield_sdk.message import Message
from jackfield_sdk.payload import (
    InteractionReceived,
    MessageDeleted,
    MessageEdited,
    MessageReaction,
    MessageReceived,
    Payload,
)
from jackfield_sdk.plain import plain


@plain(kw_only=True)
class Event:
    """One occurrence, immutable.

    An adapter fills `payload`, `chat`, `sender` and what else it knows; `id`, `type` and `time` are filled
    at publish when they are empty; `bot`, `platform` and `plugin` are stamped by the kernel. At most one of
    `raw`, `raw_json`, `raw_blob_id` holds the native update; use `native()` to read it. A payload of a
    newer contract is None.
    """

    payload: Payload | None = None
    chat: Chat | None = None
    sender: User | None = None
    type: str = ""
    id: str = ""
    time: datetime | None = None
    time_is_receipt: bool = False
    bot: str = ""
    platform: str = ""
    plugin: str = ""
    subject: str = ""
    platform_event_id: str = ""
    raw: dict[str, Any] | None = None
    raw_json: bytes | None = None
    raw_blob_id: str = ""
    reply_context: bytes = b""
    trace: str = ""
    depth: int = 0
    cause: str = ""
    merged_ids: tuple[str, ...] = ()

    @property
    def message(self) -> Message:
        """The content of a received or edited message; empty for every other event."""
        payload = self.payload
        return payload.message if isinstance(payload, MessageReceived | MessageEdited) else Message()

    @property
    def text(self) -> str:
        """The text of a received or edited message; empty for every other event."""
        payload = self.payload
        return payload.message.text if isinstance(payload, MessageReceived | MessageEdited) else ""

    @property
    def message_id(self) -> str:
        """The message that the event is about; empty when it is about none."""
        payload = self.payload
        if isinstance(
            payload, MessageReceived | MessageEdited | MessageDeleted | MessageReaction | InteractionReceived
        ):
            return payload.message_id
        return ""

    @property
    def is_private(self) -> bool:
        """True in a conversation of one user and the bot."""
        return self.chat is not None and self.chat.type is ChatType.PRIVATE

    @property
    def addresses_bot(self) -> bool:
        """True when the message mentions the bot or the chat is private."""
        payload = self.payload
        return self.is_private or (isinstance(payload, MessageReceived) and payload.mentions_bot)

    def native(self) -> Any:
        """The native update as JSON values, or None when the event holds none (or only a blob's id)."""
        if self.raw_json is not None:
            return json.loads(self.raw_json)
        return self.raw
