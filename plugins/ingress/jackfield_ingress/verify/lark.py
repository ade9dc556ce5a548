"""Lark and Feishu event subscriptions with an Encrypt Key: SHA-256 over time, nonce, key and body; AES-256-CBC around the event.

Secrets: `key` (the Encrypt Key) and `token` (the Verification Token). Without an Encrypt Key nothing is signed, so both are required.
The proof of an address (`url_verification`) is encrypted but not signed: it is answered here once its token is right, and handed to nobody.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from jackfield_ingress.verify.scheme import Incoming, Refusal, Scheme, Verified, check_time, same


class Lark(Scheme):
    """Headers `x-lark-signature`, `x-lark-request-timestamp`, `x-lark-request-nonce`."""

    needs = ("key", "token")

    def __init__(self, secrets: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        self._key, self._token = secrets["key"].encode(), secrets["token"]

    def verify(self, request: Incoming) -> Verified:
        """See Scheme."""
        signed = "x-lark-signature" in request.headers
        once = self._check_signature(request) if signed else ""
        plain = self._decrypt(request.body)
        event = _object(plain)
        header = event.get("header")
        token = header.get("token") if isinstance(header, dict) else event.get("token")
        if not isinstance(token, str) or not same(token, self._token):
            raise Refusal("the verification token is wrong")
        if event.get("type") == "url_verification":
            return Verified(challenge=json.dumps({"challenge": str(event.get("challenge", ""))}).encode())
        if not signed:
            raise Refusal("the header x-lark-signature is missing")
        return Verified(once=once, plain_body=plain)

    def _check_signature(self, request: Incoming) -> str:
        time = request.header("x-lark-request-timestamp")
        nonce = request.header("x-lark-request-nonce")
        check_time(time, request.now)
        wanted = hashlib.sha256(time.encode() + nonce.encode() + self._key + request.body).hexdigest()
        if not same(request.header("x-lark-signature"), wanted):
            raise Refusal("the signature is wrong: another Encrypt Key, or the body was changed on its way")
        return wanted

    def _decrypt(self, body: bytes) -> bytes:
        text = _object(body).get("encrypt")
        if not isinstance(text, str):
            raise Refusal("the body is not encrypted; set an Encrypt Key at the platform")
        try:
            data = base64.b64decode(text, validate=True)
            cipher = Cipher(
                algorithms.AES(hashlib.sha256(self._key).digest()), modes.CBC(data[:16])
            ).decryptor()
            padded = cipher.update(data[16:]) + cipher.finalize()
            unpadder = padding.PKCS7(128).unpadder()
            return unpadder.update(padded) + unpadder.finalize()
        except (ValueError, binascii.Error) as error:
            raise Refusal("the body cannot be decrypted: another Encrypt Key") from error


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Refusal("the body is no JSON") from error
    if not isinstance(found, dict):
        raise Refusal("the body is no JSON object")
    return found
