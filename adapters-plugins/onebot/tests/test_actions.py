"""Calls of the kernel as actions of the platform."""

from datetime import timedelta

import pytest
from jackfield_sdk import (
    BotState,
    Chat,
    File,
    Forward,
    ForwardNode,
    Image,
    InvalidArgument,
    Media,
    MemberRole,
    Message,
    NotFound,
    NotSupported,
    PlatformError,
    Voice,
)
from simulated_onebot import Refusal, World, message_of

GROUP, ANN = Chat.group("5"), Chat.private("7")

ACTIONS = [
    ("DeleteMessage", GROUP, {"message_id": "-9"}, "delete_msg", {"message_id": -9}),
    ("SetGroupName", GROUP, {"name": "N"}, "set_group_name", {"group_id": 5, "group_name": "N"}),
    (
        "MuteMember",
        GROUP,
        {"user_id": "7", "duration": timedelta(minutes=1)},
        "set_group_ban",
        {"group_id": 5, "user_id": 7, "duration": 60},
    ),
    ("UnmuteMember", GROUP, {"user_id": "7"}, "set_group_ban", {"group_id": 5, "user_id": 7, "duration": 0}),
    (
        "KickMember",
        GROUP,
        {"user_id": "7"},
        "set_group_kick",
        {"group_id": 5, "user_id": 7, "reject_add_request": False},
    ),
    ("LeaveGroup", GROUP, {}, "set_group_leave", {"group_id": 5, "is_dismiss": False}),
    (
        "ApproveFriendRequest",
        None,
        {"request_id": '["10000","f"]', "reject": False, "remark": "pal"},
        "set_friend_add_request",
        {"flag": "f", "approve": True, "remark": "pal"},
    ),
    (
        "ApproveGroupInvite",
        None,
        {"request_id": "f", "reject": True},
        "set_group_add_request",
        {"flag": "f", "sub_type": "invite", "type": "invite", "approve": False},
    ),
    (
        "CallPlatformApi",
        GROUP,
        {"action": "set_group_card", "params": {"user_id": "7", "card": "C"}},
        "set_group_card",
        {"group_id": 5, "user_id": 7, "card": "C"},
    ),
]


@pytest.mark.parametrize(("api", "chat", "fields", "action", "params"), ACTIONS, ids=lambda v: str(v)[:25])
async def test_a_method_is_an_action(onebot: World, api, chat, fields, action, params) -> None:
    async with onebot.client() as client:
        await onebot.kernel.wait_bot("one", BotState.ACTIVE)
        await onebot.kernel.call("one", api, chat=chat, **fields)
        sent = await client.next_action()
        assert (sent["action"], sent["params"]) == (action, params)


async def test_lookups_are_read_and_remembered(onebot: World) -> None:
    member = {"user_id": 7, "nickname": "Ann", "card": "A", "role": "admin", "title": "T", "join_time": 5}
    async with onebot.client() as client:
        await onebot.kernel.wait_bot("one", BotState.ACTIVE)
        client.answers |= {
            "get_group_info": lambda p: {"group_id": 5, "group_name": "Five", "member_count": 3},
            "get_group_list": lambda p: [{"group_id": n, "group_name": str(n)} for n in range(1, 6)],
            "get_group_member_list": lambda p: [member],
            "get_group_member_info": lambda p: {**member, "shut_up_timestamp": 0},
            "get_stranger_info": lambda p: {"user_id": 7, "nickname": "Ann"},
            "get_friend_list": lambda p: [{"user_id": 7, "nickname": "Ann", "remark": "A."}],
            "can_send_image": lambda p: {"yes": True},
        }
        call = onebot.kernel.call
        for _ in range(2):
            group = await call("one", "GetGroupInfo", chat=GROUP)
            assert (group.name, group.member_count) == ("Five", 3)
        assert (await client.next_action())["action"] == "get_group_info"
        assert client.actions.empty()
        groups = await call("one", "GetGroupList", page_size=2, page_token="")
        assert [g.id for g in groups] == ["1", "2"]
        groups = await call("one", "GetGroupList", page_size=3, page_token="2")
        assert [g.id for g in groups] == ["3", "4", "5"]
        (found,) = await call("one", "GetGroupMemberList", chat=GROUP)
        assert (found.role, found.display_name, found.title) == (MemberRole.ADMIN, "A", "T")
        found = await call("one", "GetGroupMemberInfo", chat=GROUP, user_id="7")
        assert found.user.nickname == "Ann"
        assert await call("one", "IsMuted", chat=GROUP) is False
        assert (await call("one", "GetUserInfo", user_id="7")).nickname == "Ann"
        (friend,) = await call("one", "GetFriendList")
        assert friend.remark == "A."
        assert await call("one", "CallPlatformApi", action="can_send_image") == {"yes": True}
        client.answers["get_group_member_list"] = lambda p: []
        with pytest.raises(NotSupported):
            await call("one", "GetGroupMemberList", chat=GROUP)
        with pytest.raises(InvalidArgument):
            await call("one", "KickMember", chat=ANN, user_id="7")
        with pytest.raises(NotSupported, match="no platform action"):
            await call("one", "CallPlatformApi", action="set_restart")
        with pytest.raises(InvalidArgument, match="file of the host"):
            await call("one", "CallPlatformApi", action="get_image", params={"file": "/etc/passwd"})
        with pytest.raises(InvalidArgument, match="another group"):
            await call(
                "one", "CallPlatformApi", chat=GROUP, action="set_group_whole_ban", params={"group_id": 6}
            )


async def test_a_failed_lookup_is_remembered_for_a_while(onebot: World) -> None:
    asked = []

    def refuse(params):
        asked.append(params)
        raise Refusal(102)

    async with onebot.client() as client:
        await onebot.kernel.wait_bot("one", BotState.ACTIVE)
        client.answers["get_group_info"] = refuse
        for _ in range(3):
            with pytest.raises(PlatformError):
                await onebot.kernel.call("one", "GetGroupInfo", chat=GROUP)
        assert len(asked) == 1


async def test_messages_are_read_and_forwarded_by_a_copy(onebot: World) -> None:
    async with onebot.client() as client:
        await onebot.kernel.wait_bot("one", BotState.ACTIVE)
        client.answers["get_msg"] = lambda p: {**message_of("group", "[CQ:reply,id=1]old"), "message_id": 9}
        event = await onebot.kernel.call("one", "GetMessage", chat=GROUP, message_id="9")
        event = event.event if hasattr(event, "event") else event
        assert (event.text, event.message_id, str(event.chat)) == ("old", "9", "group:5")
        await client.next_action()
        await onebot.kernel.call("one", "ForwardMessage", chat=ANN, source_chat=GROUP, message_id="9")
        await client.next_action()
        sent = await client.next_action()
        assert sent["action"] == "send_private_msg"
        assert sent["params"]["message"] == [{"type": "text", "data": {"text": "old"}}]
        client.answers["get_msg"] = lambda p: {}
        with pytest.raises(NotFound):
            await onebot.kernel.call("one", "GetMessage", chat=GROUP, message_id="9")


async def test_blobs_bundles_and_refused_files(onebot: World) -> None:
    async with onebot.client() as client:
        await onebot.kernel.wait_bot("one", BotState.ACTIVE)
        blob = await onebot.running.runtime.context.put_blob(b"\0\0", mime="image/png")
        bundle = Forward(nodes=(ForwardNode("7", "Ann", Message("hi")),))

        def refuse(params):
            raise Refusal(1404)

        client.answers["send_group_forward_msg"] = refuse
        message = Message("a", Image(Media(blob_id=blob.blob_id)), bundle)
        result = await onebot.kernel.call("one", "SendMessage", chat=GROUP, message=message)
        first, second, third = [await client.next_action() for _ in range(3)]
        assert first["params"]["message"][1]["data"] == {"file": "base64://AAA="}
        assert second["action"] == "send_group_forward_msg"
        assert "".join(s["data"]["text"] for s in third["params"]["message"]) == "Ann: hi"
        assert result.degraded == ("forward",)
        assert result.message_ids == ("1", "2")

        client.answers["send_group_msg"] = lambda p: (
            refuse(p) if p["message"][0]["type"] == "file" else {"message_id": 5}
        )
        file = File(Media(url="https://example.org/a.txt", name="a.txt"))
        result = await onebot.kernel.call("one", "SendMessage", chat=GROUP, message=Message(file))
        assert result.degraded == ("file",)
        await client.next_action()
        assert (await client.next_action())["params"]["message"][0]["type"] == "text"


async def test_what_was_not_sent_is_told(onebot: World) -> None:
    async with onebot.client() as client:
        await onebot.kernel.wait_bot("one", BotState.ACTIVE)

        def answer(params):
            if params["message"][0]["type"] == "record":
                raise Refusal(103)
            return {"message_id": 1}

        client.answers["send_private_msg"] = answer
        message = Message("a", Voice(Media(platform_id="r")), "b")
        result = await onebot.kernel.call("one", "SendMessage", chat=ANN, message=message)
        assert result.message_id == "1"
        assert (result.unsent.reason, result.unsent.parts) == ("PLATFORM_ERROR", 2)
