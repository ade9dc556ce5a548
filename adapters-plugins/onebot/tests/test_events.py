"""Native events as events of the contract."""

from datetime import timedelta

import pytest
from jackfield_onebot.convert.context import ReplyContext
from jackfield_onebot.convert.events import event_of
from jackfield_onebot.convert.requests import flag_id, read_flag
from jackfield_sdk import (
    BotInvitedToGroup,
    BotMuted,
    BotRemovedFromGroup,
    BotUnmuted,
    Chat,
    FriendAdded,
    FriendRequestReceived,
    Group,
    GroupMemberBanned,
    GroupMemberJoined,
    GroupMemberLeft,
    GroupMemberUnbanned,
    InvalidArgument,
    JoinType,
    MessageDeleted,
    PlatformEvent,
    Restriction,
    User,
)
from simulated_onebot import message_of

ME = "10000"
GROUP, ANN, BOB = Group(id="5"), User(id="7"), User(id="8")
IN_GROUP = {"group_id": 5, "user_id": 7, "operator_id": 8}
MUTE = Restriction.MUTE


def notice(kind: str, sub: str = "", **more):
    return {"post_type": "notice", "notice_type": kind, "sub_type": sub, **more}


CASES = [
    (notice("group_recall", message_id=3, **IN_GROUP), MessageDeleted("3"), "group:5", "8"),
    (notice("friend_recall", user_id=7, message_id=-3), MessageDeleted("-3"), "private:7", "7"),
    (
        notice("group_increase", "invite", **IN_GROUP),
        GroupMemberJoined(GROUP, ANN, BOB, JoinType.INVITE),
        "group:5",
        "8",
    ),
    (
        notice("group_increase", "approve", **IN_GROUP),
        GroupMemberJoined(GROUP, ANN, None, JoinType.REQUEST),
        "group:5",
        "8",
    ),
    (
        notice("group_increase", "invite", **{**IN_GROUP, "user_id": 10000}),
        BotInvitedToGroup(GROUP, BOB),
        "group:5",
        "8",
    ),
    (
        notice("group_decrease", "leave", group_id=5, user_id=7, operator_id=7),
        GroupMemberLeft(GROUP, ANN),
        "group:5",
        "7",
    ),
    (
        notice("group_decrease", "kick", **IN_GROUP),
        GroupMemberLeft(GROUP, ANN, True, BOB),
        "group:5",
        "8",
    ),
    (
        notice("group_decrease", "kick_me", **{**IN_GROUP, "user_id": 10000}),
        BotRemovedFromGroup(GROUP, BOB),
        "group:5",
        "8",
    ),
    (
        notice("group_ban", "ban", duration=60, **IN_GROUP),
        GroupMemberBanned(GROUP, ANN, BOB, timedelta(seconds=60), MUTE),
        "group:5",
        "8",
    ),
    (
        notice("group_ban", "lift_ban", duration=0, **IN_GROUP),
        GroupMemberUnbanned(GROUP, ANN, BOB, MUTE),
        "group:5",
        "8",
    ),
    (
        notice("group_ban", "ban", duration=60, **{**IN_GROUP, "user_id": 10000}),
        BotMuted(GROUP, BOB, timedelta(seconds=60)),
        "group:5",
        "8",
    ),
    (
        notice("group_ban", "lift_ban", duration=0, **{**IN_GROUP, "user_id": 10000}),
        BotUnmuted(GROUP, BOB),
        "group:5",
        "8",
    ),
    (notice("friend_add", user_id=7), FriendAdded(), "private:7", "7"),
    (
        {
            "post_type": "request",
            "request_type": "friend",
            "self_id": 1,
            "user_id": 7,
            "comment": "hi",
            "flag": "f",
        },
        FriendRequestReceived('["1","f"]', "hi"),
        "private:7",
        "7",
    ),
    (
        {
            "post_type": "request",
            "request_type": "group",
            "sub_type": "invite",
            "self_id": 1,
            "group_id": 5,
            "user_id": 7,
            "flag": "f",
        },
        BotInvitedToGroup(GROUP, ANN, '["1","f"]'),
        "group:5",
        "7",
    ),
]


@pytest.mark.parametrize(("native", "payload", "chat", "sender"), CASES, ids=lambda value: str(value)[:40])
def test_a_notice_or_request_is_read(native, payload, chat, sender) -> None:
    event = event_of(native, ME)
    assert event is not None
    assert event.payload == payload
    assert (str(event.chat), event.sender.id) == (chat, sender)


OWN = [
    (notice("group_upload", file={}, **IN_GROUP), "group_upload"),
    (notice("group_admin", "set", **IN_GROUP), "group_admin"),
    (notice("group_ban", "ban", group_id=5, user_id=0, operator_id=8, duration=-1), "group_whole_ban"),
    (notice("notify", "poke", group_id=5, user_id=7, target_id=8), "poke"),
    (notice("notify", "lucky_king", **IN_GROUP), "lucky_king"),
    (notice("notify", "honor", **IN_GROUP), "honor"),
    (notice("notify", "input_status", user_id=7), "notice_notify"),
    (notice("Mystery Kind", user_id=7), "notice_mystery_kind"),
    ({"post_type": "request", "request_type": "group", "sub_type": "add", "group_id": 5}, "group_request"),
    ({"post_type": "meta_event", "meta_event_type": "lifecycle", "sub_type": "connect"}, "lifecycle"),
    ({"post_type": "meta_event", "meta_event_type": "heartbeat"}, "heartbeat"),
    ({"post_type": "7"}, "event_7"),
    ({"post_type": None}, "unknown"),
]


@pytest.mark.parametrize(("native", "action"), OWN, ids=lambda value: str(value)[:40])
def test_what_has_no_common_form_is_a_platform_event(native, action) -> None:
    event = event_of(native, ME)
    assert event is not None
    assert event.payload == PlatformEvent(action, dict(native))


def test_messages_name_chat_sender_and_mention() -> None:
    native = message_of("group", "[CQ:at,qq=10000] hi")
    event = event_of({**native, "group_name": "Five"}, ME, b"{}")
    assert event.chat == Chat(Chat.group("5").type, "5", name="Five")
    assert event.sender == User(id="7", nickname="Annie")
    assert event.payload.mentions_bot
    assert event.raw_json == b"{}"
    assert not event_of(message_of("group", "hi"), ME).payload.mentions_bot
    assert event_of(message_of("private", "hi"), ME).payload.mentions_bot


def test_messages_of_the_bot_itself_are_no_events() -> None:
    assert event_of({**message_of("group", "x"), "post_type": "message_sent"}, ME) is None
    assert event_of({**message_of("group", "x"), "user_id": 10000}, ME) is None


def test_the_reply_context_holds_account_chat_and_temporary_group() -> None:
    native = {**message_of("private", "x"), "sub_type": "group", "sender": {"group_id": 5}}
    event = event_of(native, ME)
    assert ReplyContext.decode(event.reply_context, Chat.private("7")) == ReplyContext(ME, "private:7", "5")
    for foreign in (b"x", b"[1]", b'["a","b"]'):
        with pytest.raises(InvalidArgument):
            ReplyContext.decode(foreign, None)


def test_a_request_id_holds_account_and_flag() -> None:
    assert read_flag(flag_id({"self_id": 1, "flag": 'a"b'})) == ("1", 'a"b')
    assert read_flag("bare") == ("", "bare")
    with pytest.raises(InvalidArgument):
        read_flag("")
