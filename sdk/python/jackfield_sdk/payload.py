"""What happened: one class per event type. Conversation and acting user stand in the event and are not
repeated."""

from __future__ import annotations

from datetime import timedelta
from enum import IntEnum
from typing import Any

from jackfield_sdk.entity import Group, User
from jackfield_sdk.message import Message
from jackfield_sdk.plain import plain


class FeedbackType(IntEnum):
    """How a reply was rated."""

    UNSPECIFIED = 0
    LIKE = 1
    DISLIKE = 2
    CANCELLED = 3


class InteractionKind(IntEnum):
    """What a user did with a control."""

    UNSPECIFIED = 0
    BUTTON = 1
    SELECT = 2
    FORM = 3
    COMMAND = 4


class JoinType(IntEnum):
    """How a member came into a group."""

    UNSPECIFIED = 0
    INVITE = 1
    REQUEST = 2
    DIRECT = 3


class Restriction(IntEnum):
    """What a moderator took from a member."""

    UNSPECIFIED = 0
    MUTE = 1
    BAN = 2


@plain
class MessageReceived:
    """`message.received`: someone wrote."""

    message_id: str = ""
    message: Message = Message()
    mentions_bot: bool = False


@plain
class MessageEdited:
    """`message.edited`: a message was changed; `message` is the whole content afterwards."""

    message_id: str = ""
    message: Message = Message()
    edit_stamp: str = ""


@plain
class MessageDeleted:
    """`message.deleted`: a message was deleted or recalled."""

    message_id: str = ""


@plain
class MessageReaction:
    """`message.reaction`: a reaction was added or removed."""

    message_id: str = ""
    reaction: str = ""
    is_add: bool = False


@plain
class FeedbackReceived:
    """`feedback.received`: someone rated a reply of the bot."""

    feedback_id: str = ""
    feedback_type: FeedbackType = FeedbackType.UNSPECIFIED
    text: str = ""
    inaccurate_reasons: tuple[str, ...] = ()
    message_id: str = ""
    stream_id: str = ""


@plain
class InteractionReceived:
    """`interaction.received`: a button, a choice, a form or a native command."""

    id: str = ""
    kind: InteractionKind = InteractionKind.UNSPECIFIED
    action_id: str = ""
    controls_id: str = ""
    values: dict[str, Any] | None = None
    message_id: str = ""


@plain
class GroupMemberJoined:
    """`group.member_joined`."""

    group: Group | None = None
    member: User | None = None
    inviter: User | None = None
    join_type: JoinType = JoinType.UNSPECIFIED


@plain
class GroupMemberLeft:
    """`group.member_left`."""

    group: Group | None = None
    member: User | None = None
    is_kicked: bool = False
    operator: User | None = None


@plain
class GroupMemberBanned:
    """`group.member_banned`; without `duration` for good."""

    group: Group | None = None
    member: User | None = None
    operator: User | None = None
    duration: timedelta | None = None
    restriction: Restriction = Restriction.UNSPECIFIED


@plain
class GroupMemberUnbanned:
    """`group.member_unbanned`."""

    group: Group | None = None
    member: User | None = None
    operator: User | None = None
    restriction: Restriction = Restriction.UNSPECIFIED


@plain
class GroupInfoUpdated:
    """`group.info_updated`."""

    group: Group | None = None
    operator: User | None = None
    changed_fields: tuple[str, ...] = ()


@plain
class FriendRequestReceived:
    """`friend.request_received`: the sender asks to become a contact."""

    request_id: str = ""
    text: str = ""


@plain
class FriendAdded:
    """`friend.added`."""


@plain
class FriendRemoved:
    """`friend.removed`."""


@plain
class BotInvitedToGroup:
    """`bot.invited_to_group`; without `request_id` the bot is inside already."""

    group: Group | None = None
    inviter: User | None = None
    request_id: str = ""


@plain
class BotRemovedFromGroup:
    """`bot.removed_from_group`."""

    group: Group | None = None
    operator: User | None = None


@plain
class BotMuted:
    """`bot.muted`; without `duration` for good."""

    group: Group | None = None
    operator: User | None = None
    duration: timedelta | None = None


@plain
class BotUnmuted:
    """`bot.unmuted`."""

    group: Group | None = None
    operator: User | None = None


@plain
class PlatformEvent:
    """`platform.<platform>.<action>`: a native event with no common type."""

    action: str = ""
    data: dict[str, Any] | None = None


@plain
class CustomEvent:
    """`<plugin id>.<name>`: an event that a plugin defines."""

    data: dict[str, Any] | None = None


Payload = (
    MessageReceived
    | MessageEdited
    | MessageDeleted
    | MessageReaction
    | FeedbackReceived
    | InteractionReceived
    | GroupMemberJoined
    | GroupMemberLeft
    | GroupMemberBanned
    | GroupMemberUnbanned
    | GroupInfoUpdated
    | FriendRequestReceived
    | FriendAdded
    | FriendRemoved
    | BotInvitedToGroup
    | BotRemovedFromGroup
    | BotMuted
    | BotUnmuted
    | PlatformEvent
    | CustomEvent
)

# The event type that a payload means by itself; PlatformEvent and CustomEvent need a name.
EVENT_TYPES: dict[type[Any], str] = {
    MessageReceived: "message.received",
    MessageEdited: "message.edited",
    MessageDeleted: "message.deleted",
    MessageReaction: "message.reaction",
    FeedbackReceived: "feedback.received",
    InteractionReceived: "interaction.received",
    GroupMemberJoined: "group.member_joined",
    GroupMemberLeft: "group.member_left",
    GroupMemberBanned: "group.member_banned",
    GroupMemberUnbanned: "group.member_unbanned",
    GroupInfoUpdated: "group.info_updated",
    FriendRequestReceived: "friend.request_received",
    FriendAdded: "friend.added",
    FriendRemoved: "friend.removed",
    BotInvitedToGroup: "bot.invited_to_group",
    BotRemovedFromGroup: "bot.removed_from_group",
    BotMuted: "bot.muted",
    BotUnmuted: "bot.unmuted",
}
