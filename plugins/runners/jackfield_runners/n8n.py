"""A webhook of n8n: asked by one JSON object, answering by streamed objects or by one."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import jwt
from jackfield_sdk import InvalidArgument, PlatformError

from jackfield_runners.lines import json_values
from jackfield_runners.pieces import Delta, Piece, Whole
from jackfield_runners.question import Question
from jackfield_runners.settings import Settings
from jackfield_runners.wire import Answering, Wire, shown

TOKEN_SECONDS = 3600


async def ask(wire: Wire, question: Question) -> AsyncIterator[Piece]:
    """Puts one question to the webhook."""
    headers = {**credentials(question.settings, question.user)}
    if question.key:
        headers["idempotency-key"] = question.key
    async with wire.asked("POST", question.settings.url, json=_body(question), headers=headers) as answering:
        async for piece in _pieces(answering, question):
            yield piece


async def _pieces(answering: Answering, question: Question) -> AsyncIterator[Piece]:
    settings = question.settings
    kind = answering.response.headers.get("content-type", "")
    if "json" not in kind and "stream" not in kind and kind:
        yield Whole((await answering.read()).decode(errors="replace"))
        return
    begun = ended = False
    single: Any = None
    async for value in json_values(answering.chunks()):
        type_ = value.get("type") if isinstance(value, dict) else None
        if type_ == "error":
            text = shown(str(value.get("content") or value.get("message") or ""), settings.key)
            raise PlatformError(f"the workflow reports: {text}", remedy="Look at its execution in n8n.")
        if type_ in ("begin", "item", "end"):
            begun = True
            ended = ended or type_ == "end"
            if type_ == "item" and isinstance(value.get("content"), str):
                yield Delta(value["content"])
        elif not begun:
            single = value
    if begun:
        if not ended:
            raise PlatformError("the answer broke off before its end")
        return
    yield Whole(_single(single, settings.output_key))


def _single(value: Any, key: str) -> str:
    """The text of an answer in one piece: under the key, or all of it where the key is not there."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    found = value.get(key) if isinstance(value, dict) else value
    if found is None:
        found = value
    if found is None:
        return ""
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _body(question: Question) -> dict[str, Any]:
    values = question.values()
    event = question.event
    return {
        **values,
        "chatInput": question.text,
        "message": question.text,
        "user_message_text": question.text,
        "launcher_type": "person" if event.is_private else "group",
        "launcher_id": values["chat_id"],
        "msg_create_time": int(event.time.timestamp()) if event.time is not None else 0,
    }


def credentials(settings: Settings, user: str) -> Mapping[str, str]:
    """The headers that prove who asks. Raises InvalidArgument for a secret that the algorithm cannot use."""
    match settings.auth:
        case "basic":
            return _basic(settings.auth_user, settings.key)
        case "header":
            return {settings.auth_header: settings.key}
        case "bearer":
            return {"authorization": f"Bearer {settings.key}"}
        case "jwt":
            now = int(time.time())
            claims = {"iat": now, "exp": now + TOKEN_SECONDS, "sub": user}
            try:
                token = jwt.encode(claims, settings.key, algorithm=settings.jwt_algorithm)
            except (jwt.PyJWTError, ValueError, TypeError) as error:
                raise InvalidArgument(
                    f"the key cannot sign by {settings.jwt_algorithm}: {type(error).__name__}",
                    remedy="Use a key of the right kind; for HS256 at least 32 characters.",
                    metadata={"field": "jwt_algorithm"},
                ) from error
            return {"authorization": f"Bearer {token}"}
    return {}


def _basic(user: str, password: str) -> dict[str, str]:
    request = httpx2.Request("GET", "http://localhost/")
    signed = next(httpx2.BasicAuth(user, password).auth_flow(request))
    return {"authorization": signed.headers["authorization"]}
