"""Messages out: in order, into their thread, each post under a key that Lark takes, files uploaded first."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from jackfield_sdk import (
    Call,
    ContentTooLarge,
    InvalidArgument,
    JackfieldError,
    Media,
    Message,
    NotFound,
    SendResult,
)
from jackfield_sdk.adapter_types import UnsentRest

from jackfield_lark.account import Account
from jackfield_lark.convert.content import media_parts
from jackfield_lark.convert.context import Place
from jackfield_lark.convert.outgoing import LIMIT, Outgoing, Post, Upload, outgoing
from jackfield_lark.places import place_of
from jackfield_lark.web import part

LARGEST_IMAGE, LARGEST_FILE = 10_000_000, 30_000_000
"""Bytes."""
_TYPES = {
    "pdf": "pdf", "doc": "doc", "docx": "doc", "xls": "xls", "xlsx": "xls", "ppt": "ppt", "pptx": "ppt", "mp4": "mp4", "opus": "opus",
}  # fmt: skip


async def send(account: Account, call: Call, message: Message, answered: str, thread: bool) -> SendResult:
    """Everything of a message; `answered` is the message it answers, empty for none. When a later part fails, the call succeeds
    and says what is missing."""
    what = outgoing(message)
    if not what.steps:
        raise InvalidArgument("there is nothing to send", metadata={"field": "message"})
    answered, thread = await target_of(account, call, answered or what.quoted, thread)
    degraded = dict.fromkeys(what.degraded)
    sent: list[str] = []
    for number, step in enumerate(what.steps):
        # In a thread everything answers; outside of it the first message alone quotes.
        target = answered if thread or number == 0 else ""
        try:
            post = await _uploaded(account, call, step, degraded) if isinstance(step, Upload) else step
            sent.append(await deliver(account, call, post, target, thread, number))
        except JackfieldError as error:
            if number == 0:
                raise
            rest = UnsentRest(error.reason, error.message, len(what.steps) - number)
            return _result(sent, tuple(degraded), rest)
    return _result(sent, tuple(degraded))


async def target_of(account: Account, call: Call, answered: str, thread: bool) -> tuple[str, bool]:
    """The message to answer, and whether in a thread: a thread is written to by answering a message of it. Raises NotFound."""
    if not answered and call.chat.thread_id:
        return await _of_thread(account, call.chat.thread_id), True
    return answered, thread


async def deliver(account: Account, call: Call, post: Post, answered: str, thread: bool, number: int) -> str:
    """One message; its id. Lark takes a key, and within an hour answers a repeat with the message that is there."""
    body: dict[str, Any] = {
        "msg_type": post.kind,
        "content": json.dumps(post.content, ensure_ascii=False),
    }
    if call.key:
        body["uuid"] = hashlib.sha256(f"{call.key}/{number}".encode()).hexdigest()[:40]
    if answered:
        path = f"/im/v1/messages/{part(answered)}/reply"
        data = await account.web.call("POST", path, body | {"reply_in_thread": thread})
    else:
        target = call.chat.id
        body["receive_id"] = target
        data = await account.web.call("POST", "/im/v1/messages", body, receive_id_type=_target_type(target))
    message_id = str(data.get("message_id") or "")
    thread_id = str(data.get("thread_id") or "")
    account.me.place(message_id, Place(str(data.get("chat_id") or call.chat.id), thread_id, post.kind))
    return message_id


async def edit(account: Account, call: Call, message_id: str, message: Message) -> tuple[str, ...]:
    """Replaces what a message says. Text cannot become a card, nor a card text: then a card shows the text."""
    what = outgoing(message)
    if not what.steps:
        raise InvalidArgument("there is nothing to show", metadata={"field": "message"})
    if len(what.steps) > 1:
        raise ContentTooLarge(
            f"an edited message holds at most {LIMIT} bytes and no files", metadata={"limit": str(LIMIT)}
        )
    step = what.steps[0]
    if isinstance(step, Upload) or step.kind == "sticker":
        raise InvalidArgument(
            "a file cannot be put into a message that is there", metadata={"field": "message"}
        )
    is_card = (await place_of(account.web, account.me, message_id)).kind == "interactive"
    if is_card and step.kind != "interactive":
        step = _in_card(what)
    if not is_card and step.kind == "interactive":
        raise InvalidArgument(
            "a message of text takes no controls", remedy="Send a new message.", metadata={"field": "message"}
        )
    await put(account, message_id, step)
    return what.degraded


async def put(account: Account, message_id: str, post: Post) -> None:
    """The new content of a message."""
    path, content = f"/im/v1/messages/{part(message_id)}", json.dumps(post.content, ensure_ascii=False)
    if post.kind == "interactive":
        await account.web.call("PATCH", path, {"content": content})
    else:
        await account.web.call("PUT", path, {"msg_type": post.kind, "content": content})


def _in_card(what: Outgoing) -> Post:
    step = what.steps[0]
    assert isinstance(step, Post)
    if step.kind == "text":
        elements = [{"tag": "div", "text": {"tag": "plain_text", "content": step.content["text"]}}]
    else:
        shown = []
        for paragraph in step.content["zh_cn"]["content"]:
            shown.append("".join(_as_markdown(one) for one in paragraph))
        elements = [{"tag": "markdown", "content": "\n".join(shown)}]
    return Post(
        "interactive", {"schema": "2.0", "config": {"update_multi": True}, "body": {"elements": elements}}
    )


def _as_markdown(element: dict[str, Any]) -> str:
    if element["tag"] == "at":
        return f"<at id={element['user_id']}></at>"
    return f":{element['emoji_type']}:" if element["tag"] == "emotion" else str(element["text"])


async def _of_thread(account: Account, thread_id: str) -> str:
    """A message of the thread, to answer in it."""
    data = await account.web.call(
        "GET", "/im/v1/messages", container_id_type="thread", container_id=thread_id, page_size=1
    )
    for item in data.get("items") or ():
        if isinstance(item, dict) and item.get("message_id"):
            return str(item["message_id"])
    raise NotFound("there is no such thread", metadata={"thread_id": thread_id})


def _target_type(target: str) -> str:
    if "@" in target:
        return "email"
    return {"oc_": "chat_id", "ou_": "open_id", "on_": "union_id"}.get(target[:3], "user_id")


async def _uploaded(account: Account, call: Call, step: Upload, degraded: dict[str, None]) -> Post:
    name = (step.media.name or step.kind).replace("/", "_")[:250]
    ending = name.rpartition(".")[2].lower()
    data = await _bytes(account, call, step.media, LARGEST_IMAGE if step.kind == "image" else LARGEST_FILE)
    if step.kind == "image":
        return Post("image", {"image_key": await _image(account, name, data)})
    kind, sort = "file", _TYPES.get(ending, "stream")
    if step.kind == "voice" and (ending in ("opus", "ogg") or step.media.mime in ("audio/ogg", "audio/opus")):
        kind, sort = "audio", "opus"
    elif step.kind == "video" and (ending == "mp4" or step.media.mime == "video/mp4"):
        kind, sort = "media", "mp4"
    if kind == "file" and step.kind != "file":
        # Lark plays Opus and MP4 alone.
        degraded[step.kind] = None
    form = {"file_type": sort, "file_name": name}
    if step.duration and kind != "file":
        form["duration"] = str(step.duration)
    answer = await account.web.upload("/im/v1/files", "file", name, data, **form)
    content = {"file_key": str(answer.get("file_key") or "")}
    if kind == "media" and step.cover is not None:
        content["image_key"] = await _image(
            account, "cover", await _bytes(account, call, step.cover, LARGEST_IMAGE)
        )
    return Post(kind, content)


async def _image(account: Account, name: str, data: bytes) -> str:
    answer = await account.web.upload("/im/v1/images", "image", name, data, image_type="message")
    return str(answer.get("image_key") or "")


async def _bytes(account: Account, call: Call, media: Media, most: int) -> bytes:
    """Of a blob, or of a file that Lark keeps in another message."""
    too_large = ContentTooLarge("the file is larger than Lark takes", metadata={"limit": str(most)})
    if media.size > most:
        raise too_large
    if media.blob_id:
        data = await call.bot.plugin.get_blob(media.blob_id)
        if len(data) > most:
            raise too_large
        return data
    path, query = resource(media.platform_id, "")
    return b"".join([chunk async for chunk, _ in account.web.download(path, most, **query)])


def resource(platform_id: str, message_id: str) -> tuple[str, dict[str, str]]:
    """Path and query of a file's bytes."""
    kind, within, key = media_parts(platform_id)
    within = within or message_id
    if within:
        return f"/im/v1/messages/{part(within)}/resources/{part(key)}", {"type": kind}
    return f"/im/v1/{kind}s/{part(key)}", {}


def _result(sent: list[str], degraded: tuple[str, ...], unsent: UnsentRest | None = None) -> SendResult:
    return SendResult(
        message_id=sent[0],
        message_ids=tuple(sent) if len(sent) > 1 else (),
        degraded=degraded,
        unsent=unsent,
    )
