"""Ed25519 over the time and the body. Discord's interactions, QQ's official bots.

Settings: `header` and `time_header`, default `x-signature-ed25519` and `x-signature-timestamp`; `key`: what the secret `key` is:
`public` (default), the public key in hex, or `seed`, text that is repeated to 32 bytes and gives the pair; `window` in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from jackfield_ingress.verify.scheme import (
    WINDOW,
    Incoming,
    Refusal,
    Scheme,
    SchemeUnusable,
    Verified,
    check_time,
)


class Ed25519(Scheme):
    """Signature in hex, over `<time><body>`."""

    needs = ("key",)
    settings = ("header", "time_header", "key", "window")

    def __init__(self, secrets: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        self._header = str(settings.get("header", "x-signature-ed25519")).lower()
        self._time = str(settings.get("time_header", "x-signature-timestamp")).lower()
        self._window = float(settings.get("window", WINDOW))
        kind, key = settings.get("key", "public"), secrets["key"]
        try:
            if kind == "seed":
                self._key = Ed25519PrivateKey.from_private_bytes(seed(key)).public_key()
            elif kind == "public":
                self._key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
            else:
                raise SchemeUnusable("key is public or seed")
        except ValueError as error:
            raise SchemeUnusable("the public key is not 64 hexadecimal digits") from error

    def verify(self, request: Incoming) -> Verified:
        """See Scheme."""
        text, time = request.header(self._header), request.header(self._time)
        check_time(time, request.now, self._window)
        try:
            signature = bytes.fromhex(text)
            self._key.verify(signature, time.encode() + request.body)
        except (ValueError, InvalidSignature) as error:
            raise Refusal(
                "the signature is wrong: another key, or the body was changed on its way"
            ) from error
        return Verified(once=signature.hex())


def seed(secret: str) -> bytes:
    """A secret repeated to the 32 bytes of a private key."""
    repeated = secret.encode()
    while len(repeated) < 32:
        repeated += repeated
    return repeated[:32]
