"""From the kernel to Discord: messages, interactions, look-ups, moderation."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from jackfield.v1 import adapter_message_pb2
from jackfield_sdk import (
    Actions,
    AuthExpired,
    Button,
    Chat,
    ContentTooLarge,
    File,
    Form,
    FormField,
    InteractionKind,
    InvalidArgument,
    Media,
    MemberRole,
    Message,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    Quote,
    RateLimited,
    ReplyReference,
    Target,
    convert,
)

from tests.platforms.discord import world
from tests.platforms.discord.server import Fault

# A local server and the fake kernel for each test: together more than `make test-fast` has time for.
pytestmark = pytest.mark.slow

GENERAL = Chat.channel(world.GENERAL, world.GUILD)
GUILD = Chat.group(world.GUILD)


async def send(discord, message: Message, chat: Chat = GENERAL, key: str = ""):
    return await discord.call("SendMessage", chat=chat, message=message, key=key)


async def test_a_long_text_goes_in_chunks_and_an_answer_quotes(discord) -> None:
    result = await send(discord, Quote(message_id="77") + Message("word " * 900))
    posts = discord.server.made("POST", "channels/3001/messages")
    assert len(posts) == len(result.message_ids) == 3
    assert all(len(post.body["content"]) <= 2000 for post in posts)
    assert [post.body.get("message_reference", {}).get("message_id") for post in posts] == ["77", None, None]


async def test_a_repeat_makes_no_second_message(discord) -> None:
    first = await send(discord, Message("once"), key="k")
    discord.server.fail("POST", "channels/3001/messages", Fault(drop=True, after=True))
    with pytest.raises(OutcomeUnknown):
        await send(discord, Message("lost"), key="l")
    again = await send(discord, Message("lost"), key="l")
    texts = [message["content"] for message in discord.server.methods.messages[world.GENERAL]]
    assert texts == ["once", "lost"]
    assert again.message_id != first.message_id


async def test_rate_limits_are_told_and_not_slept_through(discord) -> None:
    discord.server.fail("POST", "channels/3001/messages", Fault.limited(7.5), Fault(500))
    with pytest.raises(RateLimited) as limited:
        await send(discord, Message("x"))
    assert limited.value.retry_after == 7.5
    with pytest.raises(OutcomeUnknown):
        await send(discord, Message("x"))
    assert len(discord.server.made("POST", "channels/3001/messages")) == 2


async def test_refusals_are_typed(discord) -> None:
    with pytest.raises(NotFound):
        await send(discord, Message("x"), Chat.channel("99"))
    with pytest.raises(InvalidArgument):
        await send(discord, Message("x"), Chat.channel("../users"))
    discord.server.token = "reset"
    with pytest.raises(AuthExpired):
        await send(discord, Message("x"))


async def test_edit_delete_react_pin_and_read(discord) -> None:
    sent = await send(discord, Message("a"))
    where = {"chat": GENERAL, "message_id": sent.message_id}
    await discord.call("EditMessage", message=Message("b*"), **where)
    assert discord.server.methods.message(world.GENERAL, sent.message_id)["content"] == "b\\*"
    await discord.call("AddReaction", reaction="👍", **where)
    await discord.call("RemoveReaction", reaction="👍", **where)
    await discord.call("RemoveReaction", reaction="👍", **where)
    await discord.call("PinMessage", **where)
    await discord.call("UnpinMessage", **where)
    await discord.call("SendTyping", chat=GENERAL)
    assert (await discord.call("GetMessage", **where)).text == "b\\*"
    await discord.call("DeleteMessage", **where)
    with pytest.raises(NotFound):
        await discord.call("GetMessage", **where)
    with pytest.raises(ContentTooLarge):
        await discord.call("EditMessage", message=Message("x" * 2001), **where)
    theirs = await discord.server.say("theirs")
    with pytest.raises(PermissionDenied):
        await discord.call("EditMessage", chat=GENERAL, message_id=theirs["id"], message=Message("x"))


async def test_a_server_greets_in_its_system_channel(discord) -> None:
    await send(discord, Message("welcome"), GUILD)
    assert discord.server.made("POST", f"channels/{world.GENERAL}/messages")


async def test_files_travel_both_ways(discord) -> None:
    data = b"\x00bytes" * 20_000
    blob_id = f"sha256-{hashlib.sha256(data).hexdigest()}"
    discord.kernel.state.blobs[blob_id] = data
    await send(discord, Message(File(Media(blob_id=blob_id, name="a.bin"))))
    assert discord.server.made("POST", "channels/3001/messages")[0].files == (("a.bin", data),)
    attachment = discord.server.methods.attachment("in.bin", data)
    await discord.server.say("look", attachments=[attachment])
    (event,) = await discord.events()
    media = event.message.first(File).media
    assert (media.name, media.size) == ("in.bin", len(data))
    request = adapter_message_pb2.FetchMediaRequest(platform_id=media.platform_id)
    method = "/jackfield.v1.Adapter/FetchMedia"
    stream = discord.kernel.open_call(method, request, target=Target(bot="one"), server_streaming=True)
    found = b""
    while (body := await stream.read()) is not None:
        found += convert.to_plain(adapter_message_pb2.FetchMediaResponse.FromString(body)).data
    assert found == data
    big = b"x" * ((10 << 20) + 1)
    big_id = f"sha256-{hashlib.sha256(big).hexdigest()}"
    discord.kernel.state.blobs[big_id] = big
    with pytest.raises(ContentTooLarge):
        await send(discord, Message(File(Media(blob_id=big_id))))


async def test_a_button_is_deferred_and_answered_through_its_token(discord) -> None:
    await send(discord, Message("choose", Actions("menu", (Button("yes", "Yes", value="1"),))))
    sent = discord.server.methods.messages[world.GENERAL][0]
    custom_id = sent["components"][0]["components"][0]["custom_id"]
    pressed = {"custom_id": custom_id, "component_type": 2}
    native = await discord.server.interact(3, pressed, message=sent)
    await discord.server.request("POST", "callback")
    assert discord.server.methods.deferred[native["id"]] == 6
    (event,) = await discord.events()
    payload = event.payload
    assert (payload.kind, payload.action_id, payload.controls_id, payload.values) == (
        InteractionKind.BUTTON,
        "yes",
        "menu",
        {"value": "1"},
    )
    answer = {"interaction_id": payload.id, "reply_context": event.reply_context, "chat": event.chat}
    await discord.call("AnswerInteraction", message=Message("for you"), ephemeral=True, **answer)
    assert discord.server.made("POST", "webhooks/")[0].body["flags"] == 64
    await discord.call("AnswerInteraction", message=Message("changed"), replace_origin=True, **answer)
    assert discord.server.made("PATCH", "@original")
    # After 15 minutes the token is worth nothing.
    discord.server.methods.tokens.clear()
    await discord.call("AnswerInteraction", message=Message("late"), **answer)
    assert discord.server.methods.messages[world.GENERAL][-1]["content"] == "late"


async def test_a_form_opens_from_its_button(discord) -> None:
    form = Form("f1", "Order", "Fill in", (FormField("name", "Name"),), (Button("send", "Open"),))
    await send(discord, Message(form))
    button = discord.server.methods.messages[world.GENERAL][0]["components"][0]["components"][0]
    native = await discord.server.interact(3, {"custom_id": button["custom_id"], "component_type": 2})
    request = await discord.server.request("POST", "callback")
    assert (request.body["type"], request.body["data"]["title"]) == (9, "Order")
    field = {"type": 4, "custom_id": "name", "value": "Ann"}
    filled = {
        "custom_id": request.body["data"]["custom_id"],
        "components": [{"type": 1, "components": [field]}],
    }
    await discord.server.interact(5, filled)
    (event,) = await discord.events()
    assert event.payload.id != native["id"]
    assert (event.payload.kind, event.payload.action_id, event.payload.values) == (
        InteractionKind.FORM,
        "send",
        {"name": "Ann"},
    )


async def test_other_slash_commands_are_interactions(discord) -> None:
    await discord.server.interact(2, {"name": "roll", "options": [{"name": "sides", "type": 4, "value": 6}]})
    (event,) = await discord.events()
    assert (event.payload.kind, event.payload.action_id, event.payload.values) == (
        InteractionKind.COMMAND,
        "roll",
        {"sides": 6},
    )
    await discord.call(
        "ReplyMessage",
        chat=event.chat,
        message=Message("4"),
        reference=ReplyReference(message_id=event.message_id, reply_context=event.reply_context),
    )
    assert discord.server.made("POST", "webhooks/")[0].body["content"] == "4"


async def test_lookups(discord) -> None:
    assert (await discord.call("GetGroupInfo", chat=GENERAL)).name == "The Guild"
    groups = await discord.call("GetGroupList")
    assert [group.id for group in groups] == [world.GUILD]
    members = await discord.call("GetGroupMemberList", chat=GUILD, page_size=2)
    assert [member.user.id for member in members] == ["1000", "2001"]
    assert members[1].role is MemberRole.OWNER
    bob = await discord.call("GetGroupMemberInfo", chat=GUILD, user_id=world.BOB["id"])
    assert (bob.role, bob.display_name) == (MemberRole.ADMIN, "bob")
    assert (await discord.call("GetUserInfo", user_id=world.ANN["id"])).nickname == "Ann"
    details = await discord.call("GetChatInfo", chat=Chat.channel(world.GENERAL, thread_id=world.THREAD))
    assert details.chat.name == "side talk"


async def test_moderation(discord) -> None:
    long = timedelta(days=90)
    given = await discord.call("MuteMember", chat=GUILD, user_id=world.BOB["id"], duration=long)
    assert given == timedelta(days=28)
    await discord.call("UnmuteMember", chat=GUILD, user_id=world.BOB["id"])
    with pytest.raises(PermissionDenied):
        await discord.call("MuteMember", chat=GUILD, user_id=world.ANN["id"])
    assert await discord.call("IsMuted", chat=GUILD) is False
    await discord.call("KickMember", chat=GUILD, user_id=world.BOB["id"])
    thread = await discord.call("CreateThread", chat=GENERAL, name="new")
    assert (thread.id, thread.parent_id, thread.name) == (world.GENERAL, world.GUILD, "new")
    post = await discord.call("CreateThread", chat=Chat.channel(world.FORUM, world.GUILD), name="question")
    assert post.id == world.FORUM
    roles = await discord.call("CallPlatformApi", chat=GUILD, action="get_guild_roles")
    assert [role["name"] for role in roles["roles"]] == ["@everyone", "admins"]
    with pytest.raises(InvalidArgument):
        await discord.call("CallPlatformApi", action="ban_member", params={"user_id": "1"})
