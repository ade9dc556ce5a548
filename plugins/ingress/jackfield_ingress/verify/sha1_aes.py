"""SHA-1 over sorted parts, and AES-256-CBC around the message. WeCom, WeChat official accounts, DingTalk's callbacks.

Secrets: `token`, `key` (EncodingAESKey, 43 characters), and `receiver` (corp id or app id) unless the setting `receiver` is `none`.
The setting `body`: `xml` (default) or `json`, how the encrypted text stands in the body.

A GET proves the address: by the decrypted `echostr`, or, where the platform signs only token, time and nonce, by `echostr` as it is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from jackfield_ingress.verify.scheme import (
    Incoming,
    Refusal,
    Scheme,
    SchemeUnusable,
    Verified,
    check_time,
    same,
)

_XML = re.compile(rb"<Encrypt>\s*(?:<!\[CDATA\[)?\s*([A-Za-z0-9+/=\s]+?)\s*(?:\]\]>)?\s*</Encrypt>")
_BLOCK = 32


class Sha1Aes(Scheme):
    """Signature and time in the query, message encrypted in the body."""

    needs = ("token", "key")
    settings = ("body", "receiver")

    def __init__(self, secrets: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        self._token = secrets["token"]
        self._receiver = secrets.get("receiver", "")
        self._any_receiver = settings.get("receiver") == "none"
        self._body = settings.get("body", "xml")
        if self._body not in ("xml", "json"):
            raise SchemeUnusable("body is xml or json")
        if not self._receiver and not self._any_receiver:
            raise SchemeUnusable("sha1-aes lacks its secret receiver")
        try:
            self._key = base64.b64decode(secrets["key"] + "=", validate=True)
        except (ValueError, binascii.Error) as error:
            raise SchemeUnusable("the EncodingAESKey is no base64") from error
        if len(self._key) != 32:
            raise SchemeUnusable("the EncodingAESKey has not 43 characters")

    def verify(self, request: Incoming) -> Verified:
        """See Scheme."""
        params = request.params()
        time, nonce = _need(params, "timestamp"), _need(params, "nonce")
        check_time(time, request.now)
        if request.method == "GET":
            echo = _need(params, "echostr")
            if "msg_signature" in params:
                self._check(params["msg_signature"], time, nonce, echo)
                return Verified(challenge=self._decrypt(echo))
            self._check(_need(params, "signature"), time, nonce)
            return Verified(challenge=echo.encode())
        encrypted = self._encrypted(request.body)
        signature = _need(params, "msg_signature")
        self._check(signature, time, nonce, encrypted)
        return Verified(once=signature.lower(), plain_body=self._decrypt(encrypted))

    def _check(self, signature: str, *parts: str) -> None:
        wanted = hashlib.sha1("".join(sorted((self._token, *parts))).encode()).hexdigest()
        if not same(signature.lower(), wanted):
            raise Refusal("the signature is wrong: another token, or the message was changed on its way")

    def _encrypted(self, body: bytes) -> str:
        if self._body == "json":
            try:
                found = json.loads(body).get("encrypt")
            except (ValueError, AttributeError, RecursionError) as error:
                raise Refusal("the body is no JSON object") from error
            if not isinstance(found, str):
                raise Refusal("the body holds no encrypted text")
            return found
        # No XML parser sees what nobody signed.
        match = _XML.search(body)
        if match is None:
            raise Refusal("the body holds no encrypted text")
        return match[1].decode("ascii")

    def _decrypt(self, text: str) -> bytes:
        """Sixteen random bytes, four of length, the message, the receiver; padded to blocks of 32."""
        try:
            data = base64.b64decode(text, validate=False)
            cipher = Cipher(algorithms.AES(self._key), modes.CBC(self._key[:16])).decryptor()
            plain = cipher.update(data) + cipher.finalize()
        except (ValueError, binascii.Error) as error:
            raise Refusal("the message cannot be decrypted") from error
        pad = plain[-1] if plain else 0
        if not 1 <= pad <= _BLOCK or plain[-pad:] != bytes([pad]) * pad:
            raise Refusal("the message cannot be decrypted: another EncodingAESKey")
        content = plain[16:-pad]
        length = int.from_bytes(content[:4], "big")
        message, receiver = content[4 : 4 + length], content[4 + length :]
        if len(content) < 4 or len(message) != length:
            raise Refusal("the decrypted message has another length than it says")
        if not self._any_receiver and not same(receiver, self._receiver):
            raise Refusal("the message is for another receiver")
        return message


def _need(params: Mapping[str, str], name: str) -> str:
    value = params.get(name, "")
    if not value:
        raise Refusal(f"the query parameter {name} is missing")
    return value
