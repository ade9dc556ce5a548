"""How requests are signed, in both directions: HMAC-SHA256 over time, idempotency key and body."""

from __future__ import annotations

import hashlib
import hmac

SIGNATURE = "x-jackfield-signature"
TIME = "x-jackfield-time"
KEY = "idempotency-key"


def signed_headers(secret: str, key: str, body: bytes, now: float) -> dict[str, str]:
    """Headers of a request. `key` is the same for every repeat of it."""
    time = str(int(now))
    content = f"{time}.{key}.".encode() + body
    signature = hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
    return {SIGNATURE: f"v1={signature}", TIME: time, KEY: key, "content-type": "application/json"}
