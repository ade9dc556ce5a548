"""HTTP mode: an event that the implementation posts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from jackfield_sdk import Event, InvalidArgument, Unavailable
from jackfield_sdk.ingress import HttpRequest, HttpResponse

from jackfield_onebot.accounts import HTTP, Account, OpenBot
from jackfield_onebot.convert.values import text_of, well_formed

Reading = Callable[[OpenBot, Account, dict[str, Any], bytes], Event | None]


async def posted(opened: OpenBot, request: HttpRequest, read: Reading) -> HttpResponse:
    """Published before it is answered. Implementations may be set to post again what was not taken: the same bytes with the id of
    a message or a request are the same event. Others hold no more than a time in seconds, in which two may look alike.

    Raises InvalidArgument for what is no event of this account, Unavailable in another mode.
    """
    if opened.mode != HTTP:
        raise Unavailable(f"bot {opened.bot.name} takes no requests in mode {opened.mode}")
    try:
        native = json.loads(request.body)
        if b"\\ud" in request.body.lower():
            native = well_formed(native)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument("the body is no JSON") from error
    if not isinstance(native, dict) or "post_type" not in native:
        raise InvalidArgument("the body is no event")
    self_id = text_of(native.get("self_id"))
    if not self_id or (opened.self_id and self_id != opened.self_id):
        raise InvalidArgument("the event is of another account", metadata={"field": "self_id"})
    opened.bot.alive()
    event = read(opened, opened.accounts.get(self_id) or Account(self_id), native, request.body)
    if event is not None:
        named = "message_id" in native or "flag" in native
        key = f"post:{hashlib.sha256(request.body).hexdigest()}" if named else ""
        await opened.bot.publish(event, key)
    return HttpResponse(204)
