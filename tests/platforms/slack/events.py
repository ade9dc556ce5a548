"""What Slack sends: callbacks, commands and interactions, as envelopes' payloads and as signed requests."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from typing import Any
from urllib.parse import urlencode

from tests.platforms.slack.workspace import ANN, DIRECT, TEAM

_NUMBERS = itertools.count(1)


def callback(event: dict[str, Any], event_id: str = "") -> dict[str, Any]:
    """An event_callback."""
    return {
        "token": "verification-token-of-old",
        "team_id": TEAM,
        "api_app_id": "A1",
        "type": "event_callback",
        "event_id": event_id or f"Ev{next(_NUMBERS)}",
        "event_time": 1_700_000_000,
        "authorizations": [{"team_id": TEAM, "user_id": "UBOT", "is_bot": True}],
        "event": event,
    }


def command(url: str, name: str = "/weather", text: str = "today", trigger: str = "") -> dict[str, Any]:
    """A slash command."""
    return {
        "token": "verification-token-of-old",
        "command": name,
        "text": text,
        "trigger_id": trigger or f"tr{next(_NUMBERS)}",
        "channel_id": DIRECT,
        "channel_name": "directmessage",
        "user_id": ANN,
        "user_name": "ann",
        "team_id": TEAM,
        "response_url": f"{url}/respond/1",
    }


def pressed(
    url: str, message: dict[str, Any], action: dict[str, Any], channel: str = DIRECT, **more: Any
) -> dict[str, Any]:
    """A control of a message was used."""
    return {
        "type": "block_actions",
        "token": "verification-token-of-old",
        "trigger_id": f"tr{next(_NUMBERS)}",
        "user": {"id": ANN, "username": "ann", "name": "ann"},
        "channel": {"id": channel, "name": "directmessage" if channel == DIRECT else "general"},
        "container": {"type": "message", "message_ts": message["ts"], "channel_id": channel},
        "message": message,
        "response_url": f"{url}/respond/2",
        "actions": [action],
        **more,
    }


def submitted(values: dict[str, Any]) -> dict[str, Any]:
    """A modal was sent."""
    state = {
        "values": {f"b{number}": {name: element} for number, (name, element) in enumerate(values.items())}
    }
    return {
        "type": "view_submission",
        "trigger_id": f"tr{next(_NUMBERS)}",
        "user": {"id": ANN, "name": "ann"},
        "view": {"id": "V1", "hash": "h1", "callback_id": "survey", "state": state},
    }


def signed(secret: str, body: bytes, now: float | None = None) -> dict[str, str]:
    """Headers of a request of Slack."""
    stamp = str(int(time.time() if now is None else now))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


def request(kind: str, payload: dict[str, Any]) -> tuple[bytes, str]:
    """Body and content type, as Slack posts each kind."""
    if kind == "events_api":
        return json.dumps(payload).encode(), "application/json"
    form = {"payload": json.dumps(payload)} if kind == "interactive" else payload
    return urlencode(form).encode(), "application/x-www-form-urlencoded"
