"""Dify's service interface: chat, agent and workflow applications, always streaming."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
from jackfield_sdk import AuthExpired, JackfieldError, NotFound, PlatformError, RateLimited, Unavailable

from jackfield_runners import template
from jackfield_runners.lines import json_of, server_events
from jackfield_runners.pieces import Conversation, Delta, Link, Piece, Whole
from jackfield_runners.question import Attachment, Question
from jackfield_runners.wire import Answering, Wire, shown

_KINDS = {"image": "image", "audio": "audio", "video": "video"}
_ENDS = ("message_end", "workflow_finished")


async def ask(wire: Wire, question: Question) -> AsyncIterator[Piece]:
    """Puts one question to an application. A conversation that is gone there is begun anew, once."""
    body = await _body(wire, question)
    try:
        async for piece in _asked(wire, question, body):
            yield piece
        return
    except NotFound:
        if not question.conversation_id:
            raise
    body["conversation_id"] = ""
    async for piece in _asked(wire, question, body):
        yield piece


async def _asked(wire: Wire, question: Question, body: dict[str, Any]) -> AsyncIterator[Piece]:
    settings = question.settings
    path = "workflows/run" if settings.app == "workflow" else "chat-messages"
    async with wire.asked("POST", _url(question, path), json=body, headers=_headers(question)) as answering:
        async for piece in _pieces(answering, question):
            yield piece


async def _pieces(answering: Answering, question: Question) -> AsyncIterator[Piece]:
    ended = told = False
    conversation = ""
    async for event in server_events(answering.chunks()):
        value = json_of(event.data)
        if not isinstance(value, dict):
            continue
        name = value.get("event")
        found = value.get("conversation_id")
        if isinstance(found, str) and found and found != conversation:
            conversation = found
            yield Conversation(found)
        if name == "error":
            raise refused(value, question.settings.key)
        if name == "workflow_paused":
            raise PlatformError("the workflow waits for a person's input, which is not passed on")
        for piece in _piece(str(name), value, told):
            told = told or isinstance(piece, Delta | Whole)
            yield piece
        if name in _ENDS:
            ended = True
            if question.settings.app == "workflow" or name == "message_end":
                break
    if not ended:
        raise Unavailable("the answer broke off before its end", retryable=False)


def _piece(name: str, value: dict[str, Any], told: bool) -> list[Piece]:
    """What one event of the stream says."""
    data = value.get("data")
    inner: dict[str, Any] = data if isinstance(data, dict) else {}
    answer = value.get("answer")
    if name in ("message", "agent_message") and isinstance(answer, str):
        return [Delta(answer)]
    if name == "message_replace" and isinstance(answer, str):
        return [Whole(answer)]
    if name == "text_chunk" and isinstance(inner.get("text"), str):
        return [Delta(inner["text"])]
    if name == "message_file" and isinstance(value.get("url"), str):
        return [Link(_KINDS.get(str(value.get("type")), "file"), value["url"])]
    if name == "workflow_finished":
        return _finished(inner, told)
    return []


def _finished(data: dict[str, Any], told: bool) -> list[Piece]:
    """The end of a workflow: a failure, or its outputs where no text came before."""
    if data.get("status") in ("failed", "stopped"):
        raise PlatformError(
            f"the workflow ended as {data['status']}: {shown(str(data.get('error') or ''), '')}",
            remedy="Look at the run in Dify.",
        )
    outputs = data.get("outputs")
    if told or not isinstance(outputs, dict):
        return []
    texts = [
        outputs[name] for name in ("answer", "text", "result", "output") if isinstance(outputs.get(name), str)
    ]
    texts = texts[:1] or [value for value in outputs.values() if isinstance(value, str)]
    return [Whole("\n".join(texts))] if texts else []


async def _body(wire: Wire, question: Question) -> dict[str, Any]:
    settings = question.settings
    inputs = template.fill(dict(settings.inputs), question.values())
    files = [await _upload(wire, question, one) for one in question.media]
    if settings.app == "workflow":
        inputs = inputs or {"query": question.text}
        return {"inputs": inputs, "response_mode": "streaming", "user": question.user, "files": files}
    return {
        "inputs": inputs,
        "query": question.text,
        "response_mode": "streaming",
        "user": question.user,
        "conversation_id": question.conversation_id,
        "files": files,
    }


async def _upload(wire: Wire, question: Question, attachment: Attachment) -> dict[str, str]:
    part = (attachment.name, attachment.data, attachment.mime or "application/octet-stream")
    url = _url(question, "files/upload")
    request = {"files": {"file": part}, "data": {"user": question.user}}
    async with wire.asked("POST", url, headers=_headers(question), **request) as answering:
        answer = json_of((await answering.read()).decode(errors="replace"))
    if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
        raise PlatformError("the upload of a file was answered without an id")
    family = attachment.mime.partition("/")[0]
    kind = _KINDS.get(family, "document")
    return {"type": kind, "transfer_method": "local_file", "upload_file_id": answer["id"]}


def _url(question: Question, path: str) -> str:
    return f"{question.settings.url.rstrip('/')}/{path}"


def _headers(question: Question) -> dict[str, str]:
    headers = {"authorization": f"Bearer {question.settings.key}"}
    return {**headers, "idempotency-key": question.key} if question.key else headers


def refused(value: dict[str, Any], key: str) -> JackfieldError:
    """An error that came in the middle of a stream."""
    code, status = str(value.get("code") or ""), value.get("status")
    words = f"Dify reports {code or 'an error'}: {shown(str(value.get('message') or ''), key)}"
    metadata = {"platform_code": f"{status or ''} {code}".strip()}
    if code == "rate_limit_error" or status == 429:
        # It comes in a stream that has begun: what was asked may have run in part.
        return RateLimited(1.0, words, metadata=metadata, retryable=False)
    if status in (401, 403):
        return AuthExpired(words, metadata=metadata)
    return PlatformError(words, metadata=metadata)


def absolute(base: str, url: str) -> str:
    """The address of a file; Dify gives some without their server."""
    return str(httpx2.URL(base).join(url))
