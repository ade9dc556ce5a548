"""Sealing with AES-256-GCM. Loaded when there is a secret: the cipher's library costs 7 MiB of memory."""

from __future__ import annotations

import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import Refused

_HEAD = struct.Struct(">B16sd")
_VERSION = 1
_NONCE = 12


class Sealer:
    """Seals texts under one key. What is sealed names its key, and opens under no other name than it was sealed for."""

    def __init__(self, key: bytes, key_id: str) -> None:
        self._cipher = AESGCM(key)
        self.key_id = key_id
        self._id = key_id.encode()

    def seal(self, name: str, text: str, time: float) -> bytes:
        """Layout: version, key id and journal time (25 bytes), nonce (12), ciphertext with tag."""
        head = _HEAD.pack(_VERSION, self._id, time)
        nonce = os.urandom(_NONCE)
        return head + nonce + self._cipher.encrypt(nonce, text.encode(), _bound(name, head))

    def open(self, name: str, sealed: bytes) -> tuple[str, float]:
        """The text and when it was sealed. Raises Refused WRONG_KEY for what was damaged or sealed otherwise."""
        head, rest = sealed[: _HEAD.size], sealed[_HEAD.size :]
        try:
            version, _, time = _HEAD.unpack(head)
            text = self._cipher.decrypt(rest[:_NONCE], rest[_NONCE:], _bound(name, head)).decode()
        except (InvalidTag, struct.error, ValueError) as error:
            raise _damaged(name) from error
        if version != _VERSION:
            raise _damaged(name)
        return text, time


def _bound(name: str, head: bytes) -> bytes:
    return b"jackfield secret\0" + head + name.encode()


def _damaged(name: str) -> Refused:
    return Refused(
        "WRONG_KEY",
        f"secret {name} cannot be opened: it is damaged, or was sealed with another key",
        remedy="Put the right key file back, or restore a backup of the journal.",
    )
