"""What Lark sends: events of schema 2.0, and signed, encrypted requests."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import time
from typing import Any

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.platforms.lark.chats import ANN, APP_ID

_NUMBERS = itertools.count(1)


def ids(open_id: str) -> dict[str, str]:
    """A user, three times."""
    return {"open_id": open_id, "union_id": f"on_{open_id[3:]}", "user_id": open_id[3:]}


def event(
    kind: str, body: dict[str, Any], event_id: str = "", token: str = "a verification token"
) -> dict[str, Any]:
    """An event."""
    header = {
        "event_id": event_id or f"ev{next(_NUMBERS)}", "event_type": kind, "create_time": "1760000000000", "token": token,
        "app_id": APP_ID, "tenant_key": "tk",
    }  # fmt: skip
    return {"schema": "2.0", "header": header, "event": body}


def received(message: dict[str, Any], sender: str = ANN, sender_type: str = "user") -> dict[str, Any]:
    """Somebody wrote."""
    by = {"sender_id": ids(sender), "sender_type": sender_type, "tenant_key": "tk"}
    return event("im.message.receive_v1", {"sender": by, "message": message})


def pressed(chat: str, message_id: str, action: dict[str, Any], by: str = ANN) -> dict[str, Any]:
    """A control of a card was used."""
    context = {"open_message_id": message_id, "open_chat_id": chat}
    body = {
        "operator": ids(by),
        "token": f"c-{next(_NUMBERS)}",
        "action": action,
        "host": "im_message",
        "context": context,
    }
    return event("card.action.trigger", body)


def encrypted(key: str, payload: dict[str, Any]) -> bytes:
    """As Lark posts it where an Encrypt Key is set."""
    vector = os.urandom(16)
    cipher = Cipher(algorithms.AES(hashlib.sha256(key.encode()).digest()), modes.CBC(vector)).encryptor()
    padder = padding.PKCS7(128).padder()
    padded = padder.update(json.dumps(payload).encode()) + padder.finalize()
    text = base64.b64encode(vector + cipher.update(padded) + cipher.finalize()).decode()
    return json.dumps({"encrypt": text}).encode()


def signed(key: str, body: bytes) -> dict[str, str]:
    """Headers of a request of Lark."""
    stamp, nonce = str(int(time.time())), f"n{next(_NUMBERS)}"
    digest = hashlib.sha256(f"{stamp}{nonce}{key}".encode() + body).hexdigest()
    return {"X-Lark-Request-Timestamp": stamp, "X-Lark-Request-Nonce": nonce, "X-Lark-Signature": digest}
