"""Proofs of an address that ingress answers by itself, so that an address can be registered while the adapter is away.

`json-challenge`: a verified POST of `{"type": "url_verification", "challenge": ...}` (Slack). `hub`: a GET with `hub.verify_token`, which
must equal the secret `challenge` (Meta, and WebSub's shape). Schemes that prove addresses in their own way answer in the scheme.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from jackfield_ingress.verify.scheme import Incoming, Refusal, same

JSON_CHALLENGE = "json-challenge"
HUB = "hub"


def hub(request: Incoming, secret: str) -> bytes:
    """The answer to a GET that proves the address. Raises Refusal."""
    params = request.params()
    if not secret or params.get("hub.mode") != "subscribe" or not params.get("hub.challenge"):
        raise Refusal("this is no proof of an address")
    if not same(params.get("hub.verify_token", ""), secret):
        raise Refusal("hub.verify_token is wrong")
    return params["hub.challenge"].encode()


def json_challenge(body: bytes) -> bytes | None:
    """The answer to a verified body that is a proof of the address; None for any other body."""
    if b"url_verification" not in body:
        return None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("type") != "url_verification":
        return None
    return json.dumps({"challenge": str(found.get("challenge", ""))}).encode()


CHALLENGES: dict[str, Callable[..., bytes | None]] = {JSON_CHALLENGE: json_challenge, HUB: hub}
