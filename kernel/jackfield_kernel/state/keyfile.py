"""The key that seals secrets: from a variable, else in a file that is made at first use."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import re
import secrets
from pathlib import Path

from ..errors import Refused

VARIABLE = "JACKFIELD_SECRET_KEY"
KEY_BYTES = 32


def key_id(key: bytes) -> str:
    """16 digits that tell keys apart and say nothing about them."""
    return hashlib.sha256(b"jackfield key id\0" + key).hexdigest()[:16]


class KeyFile:
    """Where the key is. `given`: the text of JACKFIELD_SECRET_KEY, which goes before the file.

    A new key is staged beside the file, then noted in the journal, then put in place: whenever the kernel dies, the key that the
    journal names is one of the two.
    """

    def __init__(self, path: Path, given: str | None = None) -> None:
        self.path = path
        self._staged = path.with_name(f"{path.name}.new")
        self._given = given

    @property
    def pinned(self) -> bool:
        """Whether the key comes from the environment."""
        return bool(self._given)

    def load(self, expected: str) -> bytes:
        """The key with this id. Raises Refused WRONG_KEY: at start, before anybody needs a secret."""
        if self._given:
            return self._checked(decoded(self._given, VARIABLE), expected, VARIABLE)
        staged = self._read(self._staged)
        if staged is not None and key_id(staged) == expected:
            self.settle()
        key = self._read(self.path)
        if key is None:
            raise Refused(
                "WRONG_KEY",
                f"the journal holds secrets, and their key {self.path} is not there",
                remedy=f"Put the key file back from where you keep it, or give it as {VARIABLE}.",
                path=str(self.path),
                expected=expected,
            )
        return self._checked(key, expected, str(self.path))

    def first(self) -> bytes:
        """The key for a journal without secrets: what is there, else a new one, durable on return."""
        if self._given:
            return decoded(self._given, VARIABLE)
        key = self._read(self.path)
        if key is None:
            key = self.stage()
            self.settle()
        return key

    def stage(self) -> bytes:
        """Write a new key beside the one in force; durable on return."""
        key = secrets.token_bytes(KEY_BYTES)
        write_private(self._staged, base64.b64encode(key) + b"\n")
        return key

    def settle(self) -> None:
        """The staged key is in force."""
        self._staged.replace(self.path)
        _sync_folder(self.path.parent)

    def _read(self, path: Path) -> bytes | None:
        try:
            text = path.read_text("ascii")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise _no_key(str(path), str(error)) from error
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return decoded(text, str(path))

    def _checked(self, key: bytes, expected: str, where: str) -> bytes:
        if key_id(key) != expected:
            raise Refused(
                "WRONG_KEY",
                f"the key in {where} is not the one that the secrets of this journal were sealed with",
                remedy=f"Put the key with id {expected} there; a backup keeps its key apart.",
                path=where,
                expected=expected,
                found=key_id(key),
            )
        return key


def decoded(text: str, where: str) -> bytes:
    """The 32 bytes of a key in base64 or hexadecimal digits. Raises Refused WRONG_KEY."""
    text = text.strip()
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text)
    with contextlib.suppress(binascii.Error, ValueError):
        key = base64.b64decode(text, validate=True)
        if len(key) == KEY_BYTES:
            return key
    raise _no_key(where, "32 bytes in base64, or 64 hexadecimal digits, are expected")


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; whole and durable on return."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    partial.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _no_key(where: str, why: str) -> Refused:
    return Refused(
        "WRONG_KEY",
        f"{where} holds no key: {why}",
        remedy="Put the right key there; the journal's secrets open with no other.",
        path=where,
    )
