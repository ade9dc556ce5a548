"""The base class of adapters: one method per method of the contract, with plain types.

Override what the platform can do. `open_bot` and `send_message` are required; replies and streamed replies
follow from `send_message` and `edit_message` until they are overridden; everything else answers
NOT_SUPPORTED by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from jackfield_sdk.adapter_types import (
    Cached,
    Capabilities,
    ChatDetails,
    CloseReason,
    FileUrl,
    Forwarded,
    MediaChunk,
    OpenedBot,
    Page,
    ReplyReference,
    SendResult,
)
from jackfield_sdk.bot import Bot
from jackfield_sdk.entity import Chat, Group, Member, User
from jackfield_sdk.errors import NotSupported
from jackfield_sdk.event import Event
from jackfield_sdk.incoming import Call, StreamSteps
from jackfield_sdk.message import Media, Message, Quote
from jackfield_sdk.stream_default import stream_by_editing, stream_by_sending

if TYPE_CHECKING:
    from jackfield_sdk.plugin_context import PluginContext


class Adapter:
    """Speaks one platform. Register it with `plugin.adapter(MyAdapter())`.

    Calls arrive concurrently; one bot's calls too. Raise the errors of `jackfield_sdk` (RateLimited,
    PlatformError, NotFound ...); do not retry yourself. `call.key` is the same for every repeat of a call:
    hand it to the platform where it takes one. The class attributes say what `get_capabilities` answers;
    empty ones come from the manifest.
    """

    platform: ClassVar[str] = ""
    events: ClassVar[tuple[str, ...]] = ()
    receive_segments: ClassVar[tuple[str, ...]] = ()
    send_segments: ClassVar[tuple[str, ...]] = ()
    actions: ClassVar[tuple[str, ...]] = ()
    # Why the platform cannot do what a method is for, by method: told to whoever calls one that is not overridden.
    unsupported: ClassVar[Mapping[str, str]] = {}
    # Seconds between two edits of a streamed reply, where streaming is done by editing.
    stream_interval: ClassVar[float] = 1.0
    # The running plugin; set before `setup`.
    plugin: PluginContext

    # Life.

    async def setup(self) -> None:
        """Called once before the first bot, for example to open a listener."""

    async def teardown(self) -> None:
        """Called once after the last bot."""

    async def open_bot(self, bot: Bot) -> User | OpenedBot | None:
        """Connects a bot; return its own account when credentials are accepted and events can flow.

        A bot that waits for its platform (reverse connections) reports `bot.state(BotState.CONNECTING)` and
        returns at once. Raise AuthExpired for refused credentials: the kernel tries again later.
        """
        _unsupported("open_bot")

    async def close_bot(self, bot: Bot, reason: CloseReason) -> bytes | None:
        """Disconnects a bot: stop intake, publish what is held, return the last checkpoint. Calls in flight
        are over."""

    async def get_capabilities(self, call: Call) -> Capabilities | None:
        """What works for this bot, where that is less than the manifest says. None: as declared."""
        return None

    # Messages.

    async def send_message(self, call: Call, message: Message) -> SendResult:
        """Sends to `call.chat` unasked. `call.with_feedback` asks for like and dislike controls."""
        _unsupported("send_message")

    async def reply_message(
        self, call: Call, message: Message, reference: ReplyReference, quote_origin: bool
    ) -> SendResult:
        """Answers a received message. By default it is sent, after a Quote segment when one is asked for."""
        if quote_origin:
            message = Quote(message_id=reference.message_id) + message
        return await self.send_message(call, message)

    async def stream_reply(self, call: Call, steps: StreamSteps) -> SendResult:
        """Answers with text that grows; iterate over `steps`. By default by edits where possible, else once
        at the end."""
        if type(self).edit_message is not Adapter.edit_message:
            return await stream_by_editing(self, call, steps)
        return await stream_by_sending(self, call, steps)

    async def edit_message(self, call: Call, message_id: str, message: Message) -> Iterable[str] | None:
        """Replaces one of the bot's own messages; returns the names of segments shown by a fallback."""
        _unsupported("edit_message")

    async def delete_message(self, call: Call, message_id: str) -> None:
        """Deletes or recalls a message."""
        _unsupported("delete_message")

    async def forward_message(self, call: Call, source_chat: Chat, message_id: str) -> SendResult | Forwarded:
        """Copies a message from `source_chat` to `call.chat`."""
        _unsupported("forward_message")

    async def get_message(self, call: Call, message_id: str) -> Event | Cached[Event]:
        """Reads one message as a `message.received` event with a fresh id and a reply context."""
        _unsupported("get_message")

    async def add_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        """Adds the bot's reaction."""
        _unsupported("add_reaction")

    async def remove_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        """Removes the bot's reaction; succeeds when there is none."""
        _unsupported("remove_reaction")

    async def send_typing(self, call: Call) -> None:
        """Shows that the bot is writing."""
        _unsupported("send_typing")

    async def pin_message(self, call: Call, message_id: str) -> None:
        """Pins a message."""
        _unsupported("pin_message")

    async def unpin_message(self, call: Call, message_id: str) -> None:
        """Unpins a message; succeeds when it is not pinned."""
        _unsupported("unpin_message")

    async def create_thread(self, call: Call, name: str, message_id: str) -> Chat:
        """Opens a thread; returns it as a target for messages."""
        _unsupported("create_thread")

    async def answer_interaction(
        self,
        call: Call,
        interaction_id: str,
        message: Message | None,
        reply_context: bytes,
        ephemeral: bool,
        replace_origin: bool,
    ) -> SendResult | None:
        """Answers a pressed button, a choice, a form. Without `message` only the control is settled."""
        _unsupported("answer_interaction")

    # Media. `fetch_media` is an async generator.

    def fetch_media(
        self, call: Call, platform_id: str, message_id: str, max_bytes: int
    ) -> AsyncIterator[MediaChunk]:
        """Yields the bytes behind a media handle in chunks of at most 64 KiB; the first tells type, name
        and size."""
        _unsupported("fetch_media")

    async def upload_file(self, call: Call, media: Media) -> Media:
        """Stores a file on the platform for later sending."""
        _unsupported("upload_file")

    async def get_file_url(self, call: Call, platform_id: str) -> FileUrl | str:
        """A public address of a file, without any token."""
        _unsupported("get_file_url")

    # Chats, groups, users.

    async def get_chat_info(self, call: Call) -> ChatDetails | Cached[ChatDetails]:
        """Describes the chat."""
        _unsupported("get_chat_info")

    async def get_group_info(self, call: Call) -> Group | Cached[Group]:
        """Describes the group."""
        _unsupported("get_group_info")

    async def get_group_list(self, call: Call, page_size: int, page_token: str) -> Page[Group]:
        """Lists the bot's groups."""
        _unsupported("get_group_list")

    async def get_group_member_list(self, call: Call, page_size: int, page_token: str) -> Page[Member]:
        """Lists the members of the group."""
        _unsupported("get_group_member_list")

    async def get_group_member_info(self, call: Call, user_id: str) -> Member | Cached[Member]:
        """Describes one member of the group."""
        _unsupported("get_group_member_info")

    async def set_group_name(self, call: Call, name: str) -> None:
        """Renames the group."""
        _unsupported("set_group_name")

    async def mute_member(self, call: Call, user_id: str, duration: timedelta | None) -> timedelta | None:
        """Silences a member, for good without `duration`; returns the real time where the platform allows
        less."""
        _unsupported("mute_member")

    async def unmute_member(self, call: Call, user_id: str) -> None:
        """Lets a member write again."""
        _unsupported("unmute_member")

    async def kick_member(self, call: Call, user_id: str) -> None:
        """Removes a member."""
        _unsupported("kick_member")

    async def leave_group(self, call: Call) -> None:
        """Makes the bot leave the group."""
        _unsupported("leave_group")

    async def is_muted(self, call: Call) -> bool | Cached[bool]:
        """Whether the bot itself is silenced in the group."""
        _unsupported("is_muted")

    async def get_user_info(self, call: Call, user_id: str) -> User | Cached[User]:
        """Describes one user."""
        _unsupported("get_user_info")

    async def get_friend_list(self, call: Call, page_size: int, page_token: str) -> Page[User]:
        """Lists the bot's contacts."""
        _unsupported("get_friend_list")

    async def approve_friend_request(self, call: Call, request_id: str, reject: bool, remark: str) -> None:
        """Accepts or refuses a contact request."""
        _unsupported("approve_friend_request")

    async def approve_group_invite(self, call: Call, request_id: str, reject: bool) -> None:
        """Accepts or refuses an invitation of the bot."""
        _unsupported("approve_group_invite")

    async def call_platform_api(
        self, call: Call, action: str, params: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Runs an action that the manifest declares under `actions`."""
        _unsupported("call_platform_api")


def _unsupported(api: str) -> NoReturn:
    raise NotSupported(f"this adapter has no {api}", metadata={"api": api})
