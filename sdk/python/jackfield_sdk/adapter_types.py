"""What adapters take and give beside messages and events, as plain classes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Generic, TypeVar

from jackfield_sdk.entity import Chat, Group, User
from jackfield_sdk.message import TextFormat
from jackfield_sdk.plain import plain

T = TypeVar("T")


class AnswerSource(IntEnum):
    """Where the answer of a lookup comes from."""

    UNSPECIFIED = 0
    PLATFORM = 1
    CACHE = 2


class CloseReason(IntEnum):
    """Why the kernel closes a bot."""

    UNSPECIFIED = 0
    SHUTDOWN = 1
    HANDOVER = 2
    CONFIGURATION = 3
    REMOVED = 4
    LEASE_LOST = 5


class BotState(IntEnum):
    """Life of a bot."""

    UNSPECIFIED = 0
    CONNECTING = 1
    ACTIVE = 2
    FAILED = 3
    STOPPED = 4


@plain
class ReplyWindow:
    """How often and how long the platform still lets the bot reply."""

    remaining: int | None = None
    closes_at: datetime | None = None


@plain
class UnsentRest:
    """The parts of a split message that were not sent, and why."""

    reason: str = ""
    detail: str = ""
    parts: int = 0


@plain
class SendResult:
    """What came of a message that was sent."""

    message_id: str = ""
    message_ids: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    raw: dict[str, Any] | None = None
    window: ReplyWindow | None = None
    unsent: UnsentRest | None = None


@plain
class ReplyReference:
    """Which received message a reply answers."""

    message_id: str = ""
    reply_context: bytes = b""
    platform_event_id: str = ""


@plain
class StreamOpening:
    """How a streamed reply begins. Without `reference` it is sent to the chat unasked."""

    reference: ReplyReference | None = None
    quote_origin: bool = False
    with_feedback: bool = False
    format: TextFormat = TextFormat.UNSPECIFIED


@plain
class BotAddress:
    """Where people or platforms reach a bot; never with a token."""

    label: str = ""
    url: str = ""


@plain
class Address:
    """Where people or platforms reach a plugin, or one bot through it."""

    label: str = ""
    url: str = ""
    bot: str = ""


@plain
class OpenedBot:
    """What `open_bot` answers: the bot's own account and its addresses."""

    self: User | None = None
    addresses: tuple[BotAddress, ...] = ()


@plain
class Capabilities:
    """What works for one bot."""

    events: tuple[str, ...] = ()
    apis: tuple[str, ...] = ()
    receive_segments: tuple[str, ...] = ()
    send_segments: tuple[str, ...] = ()
    streams: bool = False
    actions: tuple[str, ...] = ()


@plain
class ChatDetails:
    """What `get_chat_info` answers."""

    chat: Chat | None = None
    group: Group | None = None
    user: User | None = None
    source: AnswerSource = AnswerSource.UNSPECIFIED


@plain
class Forwarded:
    """What `forward_message` answers; `emulated` when a copy was fetched and sent."""

    result: SendResult | None = None
    emulated: bool = False


@plain
class MediaChunk:
    """One chunk of `fetch_media`, at most 64 KiB; type, name and size stand in the first."""

    data: bytes = b""
    mime: str = ""
    name: str = ""
    size: int = 0


@plain
class FileUrl:
    """A public address of a file, without any token."""

    url: str = ""
    expires_at: datetime | None = None


@plain
class Page(Generic[T]):
    """One page of a list. An empty `next_page_token` means the last one."""

    items: tuple[T, ...] = ()
    next_page_token: str = ""
    source: AnswerSource = AnswerSource.UNSPECIFIED
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Cached(Generic[T]):
    """Wraps an answer that comes from what the adapter happened to see, not from the platform."""

    value: T
