"""Messages out: in order, into their thread, files by the three steps of an upload."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from jackfield_sdk import Call, ContentTooLarge, InvalidArgument, JackfieldError, Message, SendResult
from jackfield_sdk.adapter_types import UnsentRest

from jackfield_slack.account import Account
from jackfield_slack.convert.mrkdwn import LIMIT
from jackfield_slack.convert.outgoing import Outgoing, Post, Upload, outgoing

MARK = "jackfield_post"
LOOK_BACK = 100
LARGEST_FILE = 64 << 20
"""Bytes: what a blob of the kernel holds. Slack takes 1 GB."""


async def send(account: Account, call: Call, message: Message, thread_ts: str) -> SendResult:
    """Everything of a message. When a later part fails, the call succeeds and says what is missing."""
    what = outgoing(message)
    if not what.steps:
        raise InvalidArgument("there is nothing to send", metadata={"field": "message"})
    sent: list[str] = []
    for number, step in enumerate(what.steps):
        try:
            sent.append(await _step(account, call, step, thread_ts, number))
        except JackfieldError as error:
            if number == 0:
                raise
            unsent = UnsentRest(error.reason, error.message, len(what.steps) - number)
            return _result(sent, what, unsent)
    return _result(sent, what)


def _result(sent: list[str], what: Outgoing, unsent: UnsentRest | None = None) -> SendResult:
    ids = tuple(one for one in sent if one)
    return SendResult(
        message_id=ids[0] if ids else "",
        message_ids=ids if len(ids) > 1 else (),
        degraded=what.degraded,
        unsent=unsent,
    )


async def _step(account: Account, call: Call, step: Post | Upload, thread_ts: str, number: int) -> str:
    if isinstance(step, Upload):
        await _upload(account, call, step, thread_ts)
        # Slack shares it a moment later, and says under which ts to nobody.
        return ""
    mark = _mark(call, number)
    if mark and call.possibly_repeated and (earlier := await _posted(account, call, thread_ts, mark)):
        return earlier
    answer = await account.web.call(
        "chat.postMessage",
        metadata={"event_type": MARK, "event_payload": {"key": mark}} if mark else None,
        channel=call.chat.id,
        text=step.text,
        blocks=step.blocks or None,
        thread_ts=thread_ts or None,
        unfurl_links=False,
    )
    return str(answer.get("ts", ""))


def _mark(call: Call, number: int) -> str:
    """Names one post of a call. Slack takes no key of its own, but keeps what is said about a message."""
    return hashlib.sha256(f"{call.key}/{number}".encode()).hexdigest()[:32] if call.key else ""


async def _posted(account: Account, call: Call, thread_ts: str, mark: str) -> str:
    """The ts under which an earlier process, which died before it could tell, posted this; empty when it did not."""
    where: dict[str, Any] = {"channel": call.chat.id, "limit": LOOK_BACK, "include_all_metadata": "true"}
    method = "conversations.replies" if thread_ts else "conversations.history"
    try:
        found = await account.web.read(method, **where, ts=thread_ts or None)
    except JackfieldError as error:
        if error.retryable:
            raise
        # Without the scope to read history nobody can tell: better twice than never.
        call.bot.log.info("an earlier post cannot be looked for: %s", error.message)
        return ""
    for message in found.get("messages", ()):
        metadata = message.get("metadata") or {}
        if metadata.get("event_type") == MARK and metadata.get("event_payload", {}).get("key") == mark:
            return str(message.get("ts", ""))
    return ""


async def _upload(account: Account, call: Call, step: Upload, thread_ts: str) -> None:
    if step.media.size > LARGEST_FILE:
        raise ContentTooLarge("the file is above 64 MiB", metadata={"limit": str(LARGEST_FILE)})
    data = await call.bot.plugin.get_blob(step.media.blob_id)
    name = step.media.name or step.kind
    # Reads its arguments as a query.
    place = await account.web.read("files.getUploadURLExternal", filename=name, length=len(data))
    await account.web.put(str(place["upload_url"]), data)
    await account.web.call(
        "files.completeUploadExternal",
        files=[{"id": place["file_id"], "title": name}],
        channel_id=call.chat.id,
        thread_ts=thread_ts or None,
    )


def as_edit(message: Message) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Text and blocks of an edit, which is never split. Raises ContentTooLarge, InvalidArgument."""
    what = outgoing(message)
    if not what.steps:
        raise InvalidArgument("there is nothing to show", metadata={"field": "message"})
    if len(what.steps) > 1:
        raise ContentTooLarge(
            f"an edited message holds at most {LIMIT} characters and no files", metadata={"limit": str(LIMIT)}
        )
    step = what.steps[0]
    if isinstance(step, Upload):
        raise InvalidArgument(
            "a file cannot be put into a message that is there", metadata={"field": "message"}
        )
    return {"text": step.text, "blocks": step.blocks}, what.degraded
