"""API: every declared method works, every other one says NOT_SUPPORTED."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from jackfield.v1 import adapter_message_pb2, adapter_pb2

from jackfield_sdk import convert
from jackfield_sdk.adapter_types import MediaChunk, ReplyReference
from jackfield_sdk.conformance.case import Case, Failure, Skip, expect
from jackfield_sdk.conformance.cases.events import happens
from jackfield_sdk.conformance.declared import Declared
from jackfield_sdk.conformance.samples import media
from jackfield_sdk.conformance.stage import Stage, camel
from jackfield_sdk.errors import JackfieldError, NotSupported
from jackfield_sdk.message import File, Image, Message, Video, Voice

TOPIC = "apis"
IDS = {
    "send_message": "API-01",
    "reply_message": "API-02",
    "edit_message": "API-03",
    "delete_message": "API-04",
    "forward_message": "API-05",
    "get_message": "API-06",
    "get_chat_info": "API-07",
    "get_group_info": "API-07",
    "get_group_list": "API-08",
    "get_group_member_list": "API-09",
    "get_group_member_info": "API-10",
    "set_group_name": "API-11",
    "mute_member": "API-12",
    "unmute_member": "API-12",
    "is_muted": "API-12",
    "get_user_info": "API-15",
    "get_friend_list": "API-15",
    "approve_friend_request": "API-16",
    "approve_group_invite": "API-16",
    "upload_file": "API-17",
    "get_file_url": "API-17",
    "fetch_media": "API-17",
    "add_reaction": "API-18",
    "remove_reaction": "API-18",
    "send_typing": "API-18",
    "pin_message": "API-18",
    "unpin_message": "API-18",
    "create_thread": "API-18",
    "answer_interaction": "API-18",
    # The last two change what the others need.
    "kick_member": "API-13",
    "leave_group": "API-14",
}
# Methods about a group; the others act in the private chat.
OF_GROUP = ("group", "member", "is_muted", "leave", "create_thread")
# Their traces are looked for on the platform.
EFFECTS = frozenset(
    (
        "edit_message",
        "delete_message",
        "add_reaction",
        "remove_reaction",
        "send_typing",
        "pin_message",
        "unpin_message",
        "set_group_name",
        "mute_member",
        "unmute_member",
        "kick_member",
        "leave_group",
    )
)
KINDS = (Image, File, Voice, Video)


def cases(declared: Declared) -> Iterator[Case]:
    """Each method, then the errors and repeats."""
    yield Case("API-01", TOPIC, "send_message to private chats and groups", send, "send_message")
    for api, case_id in IDS.items():
        if api != "send_message":
            yield Case(case_id, TOPIC, f"{api} works, or is not declared", partial(method, api), api)
    yield Case("API-21", TOPIC, "the same key twice is one message", repeated)


async def send(stage: Stage) -> None:
    for chat in (stage.platform.private, stage.platform.group):
        if chat is not None:
            since = len(stage.platform.seen)
            await stage.send(f"to {chat}", chat=chat)
            await stage.seen(since, "send_message")


async def method(api: str, stage: Stage) -> None:
    special = {"fetch_media": _fetch, "answer_interaction": _answer, "approve_friend_request": _friend,
               "approve_group_invite": _invite}  # fmt: skip
    if api not in stage.declared.apis:
        await _undeclared(api, stage)
    elif api in special:
        await special[api](stage)
    else:
        await _declared(api, stage)


async def _declared(api: str, stage: Stage) -> None:
    chat = stage.group if any(part in api for part in OF_GROUP) else stage.platform.private
    fields = await _fields(api, stage, chat)
    since = len(stage.platform.seen)
    answer = await stage.call(api, chat, **fields | stage.platform.call_fields(api))
    if api in EFFECTS:
        await stage.seen(since, api, lambda one: api != "edit_message" or one.text == "edited")
    if api in ("reply_message", "forward_message"):
        # A native forward names its message and holds no words of its own.
        words = "a reply" if api == "reply_message" else ""
        await stage.seen(since, "send_message", lambda one: words in one.text)
    if api == "get_message":
        expect(answer.message_id == fields["message_id"], f"the answer is the message {answer.message_id!r}")
        expect(answer.text == "to work on", f"the text of the message is {answer.text!r}")
    if api == "create_thread":
        expect(answer is not None and answer.thread_id, "the answer is no thread to write into")
    if api.startswith("get_"):
        expect(answer is not None and answer != (), f"{api} answered nothing")


async def _fields(api: str, stage: Stage, chat: Any) -> dict[str, Any]:
    """What the request of a method needs, made fresh."""
    fields: dict[str, Any] = {}
    if api in ("edit_message", "delete_message", "get_message", "pin_message", "unpin_message"):
        fields["message_id"] = (await stage.send("to work on", chat=chat)).message_id
    if api == "unpin_message":
        await stage.call("pin_message", chat, **fields)
    if api in ("add_reaction", "remove_reaction"):
        fields |= {"message_id": await _heard(stage), "reaction": stage.platform.reaction}
    if api == "remove_reaction":
        await stage.call("add_reaction", chat, **fields)
    if api in ("get_group_member_info", "get_user_info", "mute_member", "unmute_member", "kick_member"):
        fields["user_id"] = stage.platform.other if "_member" in api else stage.platform.user
    match api:
        case "edit_message":
            fields["message"] = Message("edited")
        case "reply_message":
            since = stage.mark
            await stage.platform.say("reply to this")
            event = await stage.received("reply to this", since)
            reference = ReplyReference(message_id=event.message_id, reply_context=event.reply_context)
            fields |= {"message": Message("a reply"), "reference": reference, "quote_origin": True}
        case "forward_message":
            fields |= {
                "source_chat": chat,
                "message_id": (await stage.send("forward me", chat=chat)).message_id,
            }
        case "mute_member":
            fields["duration"] = timedelta(minutes=10)
        case "set_group_name":
            fields["name"] = "Renamed"
        case "create_thread":
            fields |= {"name": "A thread", "message_id": (await stage.send("its root", chat=chat)).message_id}
        case "upload_file":
            fields["media"] = media(stage, "file")
        case "get_file_url":
            fields["platform_id"] = (await _media(stage))[0].platform_id
    return fields


async def _heard(stage: Stage) -> str:
    """The id of a message that the user just wrote."""
    since = stage.mark
    await stage.platform.say("react to this")
    return (await stage.received("react to this", since)).message_id


async def _media(stage: Stage) -> tuple[Any, str]:
    """Received media that the platform keeps, and the message that brought it."""
    for name in ("image", "file", "voice", "video"):
        if name in stage.declared.receives:
            since = stage.mark
            await stage.platform.show(name)
            event = await stage.event(since, lambda e: any(isinstance(s, KINDS) for s in e.message))
            found = next(s.media for s in event.message if isinstance(s, KINDS))
            if found is not None and found.platform_id:
                return found, event.message_id
    raise Skip("no media of the platform arrives with a platform_id")


async def _fetch(stage: Stage) -> None:
    found, message_id = await _media(stage)
    request = adapter_message_pb2.FetchMediaRequest(platform_id=found.platform_id, message_id=message_id)
    call = stage.opened_call("FetchMedia", request, stage.platform.private, server_streaming=True)
    chunks: list[MediaChunk] = []
    while (body := await call.read()) is not None:
        chunks.append(convert.to_plain(adapter_message_pb2.FetchMediaResponse.FromString(body)))
    expect(sum(len(chunk.data) for chunk in chunks) > 0, "fetch_media gave no bytes")
    expect(all(len(chunk.data) <= 65_536 for chunk in chunks), "a chunk is larger than 64 KiB")


async def _answer(stage: Stage) -> None:
    since = stage.mark
    await happens("interaction.received", stage)
    event = await stage.event(since, lambda e: e.type == "interaction.received")
    await stage.call(
        "answer_interaction",
        event.chat,
        interaction_id=getattr(event.payload, "id", ""),
        reply_context=event.reply_context,
        message=Message("answered"),
    )


async def _friend(stage: Stage) -> None:
    since = stage.mark
    await stage.platform.cause("friend.request_received")
    event = await stage.event(since, lambda e: e.type == "friend.request_received")
    await stage.call("approve_friend_request", None, request_id=getattr(event.payload, "request_id", ""))


async def _invite(stage: Stage) -> None:
    since = stage.mark
    await stage.platform.cause("bot.invited_to_group")
    event = await stage.event(since, lambda e: e.type == "bot.invited_to_group")
    request_id = getattr(event.payload, "request_id", "")
    if not request_id:
        raise Skip("the platform's invitation asks for no approval")
    await stage.call("approve_group_invite", None, request_id=request_id)


async def _undeclared(api: str, stage: Stage) -> None:
    """API-19: refused with the method's name."""
    chat = stage.platform.group or stage.platform.private
    message_id = "1"
    placeholder: dict[str, Any] = {
        "message_id": message_id, "user_id": stage.platform.user, "message": Message("x"), "name": "x", "reaction": "x",
        "source_chat": chat, "platform_id": "x", "request_id": "x", "media": media(stage, "file"), "interaction_id": "x",
        "reference": ReplyReference(message_id=message_id),
    }  # fmt: skip
    fields = {name: value for name, value in placeholder.items() if name in _inputs(api)}
    try:
        if api == "fetch_media":
            call = stage.opened_call("FetchMedia", adapter_message_pb2.FetchMediaRequest(platform_id="x"),
                                     server_streaming=True)  # fmt: skip
            await call.result()
        else:
            await stage.call(api, chat, **fields)
    except NotSupported as error:
        expect(error.message or error.metadata.get("api"), "NOT_SUPPORTED without a word")
        raise Skip("not declared, and refused as NOT_SUPPORTED") from None
    except JackfieldError as error:
        raise Failure(
            f"`apis` of the manifest lacks {api}, but it answers {error.reason}, not NOT_SUPPORTED"
        ) from None
    raise Failure(f"{api} works, but `apis` of the manifest lacks it")


def _inputs(api: str) -> set[str]:
    service = adapter_pb2.DESCRIPTOR.services_by_name["Adapter"]
    return set(service.methods_by_name[camel(api)].input_type.fields_by_name)


async def repeated(stage: Stage) -> None:
    since = len(stage.platform.seen)
    first = await stage.send("keyed", key="the-same-key")
    second = await stage.send("keyed", key="the-same-key")
    await stage.send("after")
    await stage.seen(since, "send_message", lambda one: one.text == "after")
    shown = {one.message_id for one in stage.platform.seen[since:] if one.text == "keyed"}
    if len(shown) != 1:
        raise Skip(
            "the platform takes no keys: the kernel's recorded result is what keeps a repeat from acting"
        )
    expect(first.message_id == second.message_id, "a repeated key gave another message id")
