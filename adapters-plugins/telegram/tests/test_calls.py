"""Calls become requests that the platform accepts: the server checks each against the published description."""

import asyncio
import json
from datetime import timedelta

import pytest
from jackfield_sdk import (
    Actions,
    Button,
    Chat,
    ContentTooLarge,
    Face,
    FaceKind,
    File,
    Form,
    FormField,
    Image,
    InteractionKind,
    InvalidArgument,
    Location,
    Media,
    MemberRole,
    Mention,
    Message,
    NotFound,
    NotSupported,
    Option,
    OutcomeUnknown,
    PermissionDenied,
    PlatformSegment,
    Quote,
    RateLimited,
    ReplyReference,
    Select,
    Sticker,
    Text,
    Unavailable,
    Video,
    Voice,
    markdown,
)

from tests.platforms.telegram.server import Fault

# A local server and the fake kernel for each test: together more than `make test-fast` has time for.
pytestmark = pytest.mark.slow

ANN = Chat.private("7")
GARDEN = Chat.group("-1005")


async def send(telegram, message, chat=ANN, **fields):
    return await telegram.call("SendMessage", chat=chat, message=message, **fields)


def stored(telegram, result, chat=7):
    return telegram.server.store.messages[chat, int(result.message_id)]


async def test_plain_text_is_sent_exactly(telegram) -> None:
    result = await send(telegram, Message("a <b> & *c* \\d _e_\n"))
    assert stored(telegram, result)["text"] == "a <b> & *c* \\d _e_\n"


async def test_markdown_and_mentions_become_formats(telegram) -> None:
    text = markdown(
        "# Head\n\n**bold** `x<y` [site](https://e.org/?a=1&b=2)\n\n| a | b |\n|---|---|\n| 1 | 22 |"
    )
    result = await send(telegram, Message(text, " ", Mention("7", "Ann <3")), GARDEN)
    sent = stored(telegram, result, -1005)
    kinds = [entity["type"] for entity in sent["entities"]]
    assert kinds == ["bold", "bold", "code", "text_link", "pre", "text_link"]
    assert "a | b\n--+---\n1 | 22" in sent["text"]
    assert sent["entities"][-1]["url"] == "tg://user?id=7"
    assert sent["text"].endswith("Ann <3")


async def test_long_text_is_sent_in_chunks_of_utf16_units(telegram) -> None:
    text = "😀" * 5000
    result = await send(telegram, Message(text))
    texts = [stored(telegram, result)["text"], *telegram.server.store.texts()[1:]]
    assert len(result.message_ids) == 3
    assert "".join(texts) == text


async def test_what_fails_in_the_middle_is_told_and_not_repeated(telegram) -> None:
    await send(telegram, Message("warm"))
    server = telegram.server
    calls = 0

    async def before(method: str) -> None:
        nonlocal calls
        if method == "sendMessage" and (calls := calls + 1) == 2:
            server.fail("sendMessage", Fault(429, "Too Many Requests", {"retry_after": 3}))

    server.before = before
    result = await send(telegram, Message("x" * 9000))
    assert result.unsent.reason == "RATE_LIMITED"
    assert result.unsent.parts == 2


async def test_replies_quote_and_go_to_the_topic(telegram) -> None:
    first = await send(telegram, Message("origin"), GARDEN)
    reference = ReplyReference(message_id=first.message_id)
    chat = Chat.group("-1005", "77")
    await telegram.call(
        "ReplyMessage", chat=chat, message=Message("re"), reference=reference, quote_origin=True
    )
    request = await telegram.server.request("sendMessage", 2)
    assert request.params["message_thread_id"] == 77
    assert request.params["reply_parameters"]["message_id"] == int(first.message_id)
    with pytest.raises(InvalidArgument):
        await send(telegram, Message("x"), Chat.group("-1005", "seventy"))


async def test_files_in_every_kind(telegram) -> None:
    blob = await telegram.kernel_blob(b"bytes")
    message = Message(
        Text("holidays"),
        Image(Media(blob_id=blob, name="a.jpg")),
        Video(Media(url="https://e.org/v.mp4")),
        File(Media(blob_id=blob, name="b.pdf")),
        Voice(Media(blob_id=blob, mime="audio/ogg")),
        Voice(Media(blob_id=blob, mime="audio/mpeg")),
        Sticker(emoji="🌻"),
        Sticker(media=Media(url="https://e.org/s.webp")),
        Location(52.5, 13.4),
        Location(52.5, 13.4, "Gate", "Platz 1"),
        Face(FaceKind.DICE),
        PlatformSegment("telegram", "contact", {"phone_number": "1", "first_name": "B"}),
        Quote(message_id="1"),
    )
    result = await send(telegram, message)
    methods = [request.method for request in telegram.server.requests if request.method.startswith("send")]
    assert methods == [
        "sendMediaGroup", "sendDocument", "sendVoice", "sendAudio", "sendMessage", "sendSticker", "sendLocation",
        "sendVenue", "sendDice", "sendContact",
    ]  # fmt: skip
    album = await telegram.server.request("sendMediaGroup")
    assert album.params["media"][0]["caption"] == "holidays"
    assert album.files["file0"] == ("a.jpg", b"bytes")
    assert result.degraded == ("sticker",)
    assert len(result.message_ids) == 11


async def test_a_picture_that_is_none_is_sent_as_a_document(telegram) -> None:
    blob = await telegram.kernel_blob(b"no picture at all")
    result = await send(telegram, Message("see", Image(Media(blob_id=blob, name="x.svg"))))
    assert result.degraded == ("image",)
    assert stored(telegram, result)["document"]["file_name"] == "x.svg"
    assert stored(telegram, result)["caption"] == "see"


async def test_what_is_too_large_is_refused(telegram) -> None:
    blob = await telegram.kernel_blob(b"x" * ((50 << 20) + 1))
    with pytest.raises(ContentTooLarge):
        await send(telegram, Message(File(Media(blob_id=blob))))
    picture = await telegram.kernel_blob(b"x" * ((10 << 20) + 1))
    result = await send(telegram, Message(Image(Media(blob_id=picture))))
    assert "document" in stored(telegram, result)


@pytest.mark.parametrize("media", [Media(url="file:///etc/passwd"), Media(platform_id="/etc/passwd")])
async def test_files_of_any_machine_are_refused(telegram, media) -> None:
    with pytest.raises(InvalidArgument):
        await send(telegram, Message(File(media)))


async def test_nothing_to_send_is_refused(telegram) -> None:
    with pytest.raises(NotSupported):
        await send(telegram, Message(PlatformSegment("discord", "embed", {})))


async def test_buttons_come_back_as_interactions(telegram) -> None:
    long = "approve:" + "x" * 90
    actions = Actions(
        "ask",
        (
            Button("yes", "Yes", value="1"),
            Button(long, "Long", value="v"),
            Button(label="Site", url="https://e.org"),
            Select("colour", "Which colour?", (Option("r", "Red"), Option("b", "Blue"))),
        ),
    )
    result = await send(telegram, Message("Go?", actions))
    sent = stored(telegram, result)
    assert sent["text"] == "Go?\nWhich colour?"
    for row, column in ((0, 0), (0, 1), (1, 1)):
        await telegram.server.press(sent, row, column)
    yes, other, colour = (event.payload for event in await telegram.published(3))
    assert (yes.action_id, yes.controls_id, yes.values, yes.kind) == (
        "yes",
        "ask",
        {"value": "1"},
        InteractionKind.BUTTON,
    )
    assert (other.action_id, other.values) == (long, {"value": "v"})
    assert (colour.action_id, colour.values, colour.kind) == (
        "colour",
        {"values": ["b"]},
        InteractionKind.SELECT,
    )


async def test_a_pressed_button_is_answered_once(telegram) -> None:
    result = await send(telegram, Message("Go?", Actions("a", (Button("yes", "Yes"),))), GARDEN)
    await telegram.server.press(stored(telegram, result, -1005))
    (event,) = await telegram.published()
    answer = {
        "interaction_id": event.payload.id,
        "reply_context": event.reply_context,
        "message": Message("only you"),
        "ephemeral": True,
        "replace_origin": False,
    }
    told = await telegram.call("AnswerInteraction", chat=GARDEN, **answer)
    assert telegram.server.store.answered[event.payload.id]["text"] == "only you"
    assert told.message_id == ""
    # Too late for a box: everybody sees it, and the caller knows.
    told = await telegram.call("AnswerInteraction", chat=GARDEN, **answer)
    assert told.degraded == ("ephemeral",)
    replaced = {**answer, "message": Message("done"), "ephemeral": False, "replace_origin": True}
    await telegram.call("AnswerInteraction", chat=GARDEN, **replaced)
    assert stored(telegram, result, -1005)["text"] == "done"


async def test_a_press_that_nobody_answers_is_settled(telegram, monkeypatch) -> None:
    monkeypatch.setattr("jackfield_telegram.queries.PATIENCE", 0.01)
    result = await send(telegram, Message("Go?", Actions("a", (Button("yes", "Yes"),))))
    await telegram.server.press(stored(telegram, result))
    request = await telegram.server.request("answerCallbackQuery")
    assert "text" not in request.params


async def test_ratings_come_back_as_feedback(telegram) -> None:
    result = await send(telegram, Message("good?"), with_feedback=True)
    await telegram.server.press(stored(telegram, result), 0, 1)
    (event,) = await telegram.published()
    assert (event.type, event.payload.feedback_type.name, event.payload.message_id) == (
        "feedback.received",
        "DISLIKE",
        result.message_id,
    )


async def test_forms_are_text_unless_they_ask_nothing(telegram) -> None:
    form = Form("f", "Order", "Please fill in", (FormField("n", "Name"),), (Button("ok", "Send"),))
    result = await send(telegram, Message(form))
    assert result.degraded == ("form",)
    assert "1. Send" in stored(telegram, result)["text"]
    result = await send(telegram, Message(Form("f", "Sure?", actions=(Button("ok", "Send"),))))
    await telegram.server.press(stored(telegram, result))
    (event,) = await telegram.published()
    assert event.payload.kind is InteractionKind.FORM


async def test_edits_deletes_reactions_and_pins(telegram) -> None:
    result = await send(telegram, Message("one"))
    edit = {"chat": ANN, "message_id": result.message_id}
    await telegram.call("EditMessage", **edit, message=Message(markdown("*two*")))
    # The same again changes nothing, which is no error.
    await telegram.call("EditMessage", **edit, message=Message(markdown("*two*")))
    assert stored(telegram, result)["text"] == "two"
    with pytest.raises(ContentTooLarge):
        await telegram.call("EditMessage", **edit, message=Message("x" * 5000))
    await telegram.call("AddReaction", **edit, reaction="👍")
    assert telegram.server.store.reactions[int(result.message_id)] == [{"type": "emoji", "emoji": "👍"}]
    await telegram.call("RemoveReaction", **edit, reaction="👍")
    await telegram.call("PinMessage", **edit)
    await telegram.call("UnpinMessage", **edit)
    await telegram.call("SendTyping", chat=ANN)
    forwarded = await telegram.call(
        "ForwardMessage", chat=GARDEN, source_chat=ANN, message_id=result.message_id
    )
    assert forwarded is not None
    await telegram.call("DeleteMessage", **edit)
    with pytest.raises(NotFound):
        await telegram.call("DeleteMessage", **edit)
    with pytest.raises(InvalidArgument):
        await telegram.call("DeleteMessage", chat=ANN, message_id="seven")


async def test_groups_and_members(telegram) -> None:
    group = await telegram.call("GetGroupInfo", chat=GARDEN)
    assert (group.name, group.member_count, group.description) == ("Garden", 3, "Plants")
    member = await telegram.call("GetGroupMemberInfo", chat=GARDEN, user_id="7")
    assert member.role is MemberRole.MEMBER
    with pytest.raises(NotFound):
        await telegram.call("GetGroupMemberInfo", chat=GARDEN, user_id="99")
    user = await telegram.call("GetUserInfo", user_id="7")
    assert user.username == "ann"
    assert await telegram.call("IsMuted", chat=GARDEN) is True
    await telegram.call("MuteMember", chat=GARDEN, user_id="7", duration=timedelta(seconds=5))
    mute = await telegram.server.request("restrictChatMember")
    assert mute.params["permissions"]["can_send_messages"] is False
    await telegram.call("UnmuteMember", chat=GARDEN, user_id="7")
    await telegram.call("KickMember", chat=GARDEN, user_id="7")
    await telegram.server.request("unbanChatMember")
    await telegram.call("SetGroupName", chat=GARDEN, name="Yard")
    await telegram.call("LeaveGroup", chat=GARDEN)
    thread = await telegram.call("CreateThread", chat=GARDEN, name="Roses", message_id="")
    assert (thread.thread_id, thread.name) == ("77", "Roses")
    with pytest.raises(InvalidArgument):
        await telegram.call("KickMember", chat=ANN, user_id="7")


async def test_platform_actions(telegram) -> None:
    link = await telegram.call(
        "CallPlatformApi", chat=GARDEN, action="create_chat_invite_link", params={"name": "x"}
    )
    assert link["invite_link"].startswith("https://t.me/")
    count = await telegram.call("CallPlatformApi", chat=GARDEN, action="get_chat_member_count", params={})
    assert count == {"result": 3}
    for action, params, error in (
        ("drop_everything", {}, NotSupported),
        ("ban_chat_member", {"user_id": 7, "chat_id": -1006}, InvalidArgument),
        ("set_chat_title", {"tittle": "x"}, InvalidArgument),
    ):
        with pytest.raises(error):
            await telegram.call("CallPlatformApi", chat=GARDEN, action=action, params=params)


async def test_media_is_fetched_in_chunks_without_the_token(telegram) -> None:
    data = bytes(range(256)) * 1000
    file_id = telegram.server.store.add_file(data)
    chunks = await telegram.fetch(file_id)
    assert b"".join(chunk.data for chunk in chunks) == data
    assert chunks[0].size == len(data)
    assert all(len(chunk.data) <= 64 * 1024 for chunk in chunks)
    with pytest.raises(NotFound) as refused:
        await telegram.fetch("FILE99")
    assert telegram.server.token not in str(refused.value)
    with pytest.raises(ContentTooLarge):
        await telegram.fetch(file_id, max_bytes=1000)
    large = telegram.server.store.add_file(b"x" * ((20 << 20) + 1))
    with pytest.raises(ContentTooLarge):
        await telegram.fetch(large, max_bytes=64 << 20)


async def test_what_the_platform_cannot_do_says_why(telegram) -> None:
    with pytest.raises(NotSupported, match="token"):
        await telegram.call("GetFileUrl", platform_id="x")
    with pytest.raises(NotSupported, match="reads no message"):
        await telegram.call("GetMessage", chat=ANN, message_id="1")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(429, "Too Many Requests: retry after 4", {"retry_after": 4}), RateLimited),
        (Fault(429, "Too Many Requests"), RateLimited),
        (Fault(403, "Forbidden: bot was blocked by the user"), PermissionDenied),
        (Fault(400, "Bad Request: chat not found"), NotFound),
        (Fault(400, "Bad Request: something"), InvalidArgument),
        (Fault(400, "Bad Request: not enough rights to send text messages"), PermissionDenied),
        (Fault(502, body=b"<html>Bad Gateway</html>"), Unavailable),
        (Fault(drop=True), OutcomeUnknown),
        (Fault(200, body=b"{}"), Exception),
    ],
)
async def test_refusals_are_typed_and_show_no_token(telegram, fault, error, caplog) -> None:
    telegram.server.fail("sendMessage", fault)
    with pytest.raises(error) as refused:
        await send(telegram, Message("hello"))
    assert telegram.server.token not in str(refused.value)
    assert telegram.server.token not in caplog.text
    if isinstance(refused.value, RateLimited):
        assert refused.value.retry_after == fault.parameters.get("retry_after", 1)
    assert len([r for r in telegram.server.requests if r.method == "sendMessage"]) == 0


async def test_a_group_that_moved_is_followed(telegram) -> None:
    moved = {"migrate_to_chat_id": -1005}
    telegram.server.fail(
        "sendMessage", Fault(400, "Bad Request: group chat was upgraded to a supergroup chat", moved)
    )
    result = await send(telegram, Message("hello"), Chat.group("-5"))
    assert stored(telegram, result, -1005)["text"] == "hello"


async def test_the_menu_shows_the_installed_commands(telegram) -> None:
    plugin = telegram.kernel.state.catalog.plugins.add(name="p", state="ACTIVE")
    plugin.manifest.update(
        {
            "provides": {
                "commands": [
                    {"name": "help", "description": {"en": "What there is"}},
                    {"name": "kill", "description": "No", "admin": True},
                    {"name": "with-dash", "description": "No"},
                ]
            }
        }
    )
    await telegram.kernel.close_bot("one")
    await telegram.open(command_menu=True)
    await telegram.server.until(lambda: telegram.server.store.commands)
    assert telegram.server.store.commands == [{"command": "help", "description": "What there is"}]


async def test_calls_run_beside_each_other(telegram) -> None:
    results = await asyncio.gather(*(send(telegram, Message(f"m{n}")) for n in range(30)))
    assert len({result.message_id for result in results}) == 30
    assert json.dumps(sorted(telegram.server.store.texts()))
