"""One question on its way out: what is asked, by whom, and in which conversation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from jackfield_sdk import Event, Media, Message, Quote, Segment

from jackfield_runners.settings import Settings

LONGEST_QUOTE = 500
NOTHING_SAID = "continue"


@dataclass(slots=True)
class Question:
    """All that a runner needs. `key` is the same at every attempt; `media` are bytes to send along."""

    settings: Settings
    event: Event
    text: str
    conversation_id: str = ""
    key: str = ""
    media: list[Attachment] = field(default_factory=list)

    @property
    def user(self) -> str:
        """Who asks, as the other side knows them: the chat, or in `per_user` groups the person."""
        chat, sender = self.event.chat, self.event.sender
        kind = "person" if self.event.is_private or self.settings.per_user else "group"
        name = sender.id if kind == "person" and sender is not None else chat.id if chat is not None else ""
        return f"{self.event.bot}_{kind}_{name}"

    def values(self) -> dict[str, str]:
        """What templates may name."""
        event = self.event
        sender, chat = event.sender, event.chat
        name = (
            (sender.remark or sender.nickname or sender.username or sender.id) if sender is not None else ""
        )
        return {
            "text": self.text,
            "session_id": self.user,
            "conversation_id": self.conversation_id,
            "user_id": self.user,
            "sender_id": sender.id if sender is not None else "",
            "sender_name": name,
            "chat_id": chat.id if chat is not None else "",
            "chat_type": chat.type.name.lower() if chat is not None else "",
            "group_name": chat.name if chat is not None and not event.is_private else "",
            "bot": event.bot,
            "platform": event.platform,
            "message_id": event.message_id,
            "event_id": event.id,
            "time": (event.time or datetime.fromtimestamp(0, UTC)).isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Attachment:
    """Bytes that go along with a question."""

    data: bytes
    mime: str
    name: str


def words_of(message: Message) -> str:
    """The message as text, what it quotes first; media are named, not shown."""
    parts: list[str] = []
    for segment in message:
        if isinstance(segment, Quote):
            if segment.origin is not None:
                parts.append(f"(about: {segment.origin.plain()[:LONGEST_QUOTE]})\n")
        else:
            parts.append(Message(segment).plain())
    return "".join(parts).strip() or NOTHING_SAID


def media_in(message: Message) -> list[tuple[Segment, Media]]:
    """Pictures, recordings, films and documents with their handles."""
    found = []
    for segment in message:
        media = getattr(segment, "media", None)
        if isinstance(media, Media):
            found.append((segment, media))
    return found


def key_for(occasion: str) -> str:
    """What the other side is shown so that it can recognise a repeat; nothing of the installation stands in it."""
    return hashlib.sha256(occasion.encode()).hexdigest()[:32]
