"""What an author writes to have an adapter judged: a platform of one's own, played on this machine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from jackfield_sdk.entity import Chat
from jackfield_sdk.ingress import HttpRequest, HttpResponse


class Cannot(Exception):
    """The platform, or its local double, has no such thing. The text is the reason that the report shows."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Something the bot did, as the platform saw it. `action` is the method of the contract that it amounts to, such as
    `send_message` or `delete_message`."""

    action: str
    text: str = ""
    message_id: str = ""


class Reach(Protocol):
    """How a platform that speaks first reaches the adapter."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Addresses that the adapter reported."""

    async def request(self, request: HttpRequest) -> HttpResponse:
        """A request that ingress has verified, handed to the bot's adapter."""


class LocalPlatform(ABC):
    """A platform with one bot, a user and, where there are groups, a group. Every coroutine returns when the deed is done on the
    platform's side; the kit waits for what comes of it. A deed that the platform does not have raises `Cannot(reason)`,
    as everything here does by itself that is not abstract.
    """

    private: Chat = Chat.private("7")
    group: Chat | None = None
    # Ids of the user who writes and of another one.
    user: str = "7"
    other: str = "8"
    # What the bot may be told to react with.
    reaction: str = "👍"
    # False where a refusal for too many requests does not say for how long.
    tells_retry_after: bool = True

    @abstractmethod
    async def start(self) -> None:
        """Begins to serve on a free port."""

    @abstractmethod
    async def stop(self) -> None:
        """Ends, with everything it owns."""

    def plugin_config(self) -> dict[str, Any]:
        """Configuration of the plugin: ports are 0."""
        return {}

    @abstractmethod
    def bot_config(self) -> dict[str, Any]:
        """Configuration of the bot, so that it finds this platform."""

    def wrong_config(self) -> dict[str, Any]:
        """The same with a credential that the platform refuses."""
        raise Cannot("this platform has no credential that could be wrong")

    async def connect(self, reach: Reach) -> None:
        """The bot was opened: a platform that dials in does it now, again after every opening."""

    @abstractmethod
    async def until(self, holds: Callable[[], Any]) -> Any:
        """Waits until something is true of the platform and returns it."""

    async def invite(self, chat: Chat) -> None:
        """Called before each message that the bot sends unasked: a platform where bots may only answer lets the user ask first."""

    # What the user does.

    @abstractmethod
    async def say(self, text: str, chat: Chat | None = None) -> None:
        """The user writes, in the private chat without `chat`."""

    async def show(self, segment: str) -> None:
        """The user sends a message that holds this segment of the contract (`image`, `mention` ...)."""
        raise Cannot(f"the local platform sends no {segment}")

    async def cause(self, event: str) -> None:
        """Something happens that is this event of the contract (`message.edited` ...)."""
        raise Cannot(f"the local platform has no {event}")

    async def native(self) -> str:
        """Something happens that the contract has no name for; returns the type of the event, `platform.x.y`."""
        raise Cannot("the local platform has no event of its own")

    async def own(self, text: str) -> None:
        """The bot's own message comes back as an update."""
        raise Cannot("the platform never shows a bot its own messages")

    async def again(self) -> None:
        """The last update is delivered a second time."""
        raise Cannot("the platform never delivers twice")

    async def resend(self) -> None:
        """What was not taken comes again now, where the platform does that after a time and not at a new connection."""

    async def malformed(self) -> None:
        """Updates that make no sense."""
        raise Cannot("the local platform sends nothing malformed")

    # What the bot did.

    @property
    @abstractmethod
    def seen(self) -> list[Seen]:
        """Everything the bot did so far, in order."""

    def call_fields(self, api: str) -> dict[str, Any]:
        """Fields for a call of an Adapter method where the kit's own do not fit this platform."""
        return {}

    def segment_fields(self, segment: str) -> dict[str, Any]:
        """Fields of a segment that the kit sends, where its own would mean nothing here, such as a sticker's id."""
        return {}

    def action_params(self, action: str) -> dict[str, Any]:
        """Parameters for a platform action of the manifest that cannot be called without."""
        raise Cannot(f"the fixture has no parameters for {action}")

    # Trouble.

    async def refuse(self, reason: str, retry_after: float = 1.0) -> None:
        """The next message that the bot sends is refused as the platform does it: RATE_LIMITED, PERMISSION_DENIED, NOT_FOUND,
        AUTH_EXPIRED, UNAVAILABLE."""
        raise Cannot(f"the local platform cannot refuse with {reason}")

    async def stall(self) -> None:
        """The next message that the bot sends gets no answer until `release`; it becomes true of `stalled` when it came."""
        raise Cannot("the local platform cannot be slow")

    stalled: bool = False

    async def release(self) -> None:
        """Lets a stalled request go."""

    async def drop(self) -> None:
        """Every connection to the adapter is cut without a word; a platform that dials in dials again."""
        raise Cannot("there is no lasting connection")
