"""Pairing codes: made, kept as salted hashes, redeemed once, guarded against guessing.

codes/<platform>/<id>         a pending code: salt, hash, whom it is for; vanishes after an hour
asked/<bot>/<user>            this stranger was answered within ten minutes
wrong/<scope>                 wrong codes within an hour; at five nobody's code counts there until it vanishes
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from jackfield_sdk import Kv

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
LENGTH = 8
LIFETIME = 3_600.0
MOST_PENDING = 3
ASK_AGAIN = 600.0
MOST_WRONG = 5
LOCKOUT = 3_600.0
_COST = 2**12


@dataclass(frozen=True, slots=True)
class Pending:
    """What a code stands for: a stranger who asked, or, without a user, an invitation to whoever has it."""

    bot: str
    user: str = ""
    chat: str = ""
    name: str = ""
    by: str = ""


class Locked(Exception):
    """Too many wrong codes: none counts for up to an hour."""


class Full(Exception):
    """As many codes as allowed wait already."""


class Codes:
    """Codes of all platforms. `key` is secret and derives a code from what caused it, so that its repeat tells the same."""

    def __init__(self, kv: Kv, key: bytes) -> None:
        self._kv = kv
        self._key = key
        self._lock = asyncio.Lock()

    async def make(self, platform: str, cause: str, pending: Pending) -> str:
        """The code for a cause, durable when it returns. Raises Full."""
        code = code_of(self._key, cause)
        place = f"{_prefix(platform)}{hashlib.sha256(cause.encode()).hexdigest()[:24]}"
        async with self._lock:
            waiting = await self._kv.list(_prefix(platform), limit=100)
            if all(entry.key != place for entry in waiting):
                # Strangers who ask never use up what administrators may hand out.
                alike = [one for one in waiting if bool(json.loads(one.value)["user"]) is bool(pending.user)]
                if len(alike) >= MOST_PENDING:
                    raise Full
                salt = secrets.token_bytes(16)
                value = {"salt": salt.hex(), "hash": (await _hashed(code, salt)).hex(), **asdict(pending)}
                await self._kv.put(place, json.dumps(value), ttl=LIFETIME, now=True)
        return code

    async def find(
        self, platform: str, typed: str, scope: str, *, invitation: bool
    ) -> tuple[str, Pending] | None:
        """What a typed code stands for, and its key for `used`. A wrong one counts against `scope`. Raises Locked."""
        code = normal(typed)
        async with self._lock:
            wrong = await self._wrong(scope)
            if wrong >= MOST_WRONG:
                raise Locked
            for entry in await self._kv.list(_prefix(platform), limit=100):
                value: dict[str, Any] = json.loads(entry.value)
                salt, known = bytes.fromhex(value.pop("salt")), bytes.fromhex(value.pop("hash"))
                fits = hmac.compare_digest(await _hashed(code, salt), known)
                if fits and (not value["user"]) is invitation:
                    return entry.key, Pending(**value)
            await self._kv.put(_wrong_key(scope), str(wrong + 1), ttl=LOCKOUT, now=True)
            return None

    async def used(self, key: str) -> None:
        """The code was redeemed."""
        await self._kv.delete(key, now=True)

    async def may_ask(self, bot: str, user: str) -> bool:
        """Whether this stranger was not answered within ten minutes."""
        return await self._kv.get(asked_key(bot, user)) is None

    async def _wrong(self, scope: str) -> int:
        value = await self._kv.get(_wrong_key(scope))
        return int(value) if value else 0


def code_of(key: bytes, cause: str) -> str:
    """Eight characters that nobody without the key can foretell; the same for the same cause."""
    digest = hmac.digest(key, cause.encode(), "sha256")
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:LENGTH])


def normal(typed: str) -> str:
    """A code as it was made: upper case, without the blanks and hyphens that people add."""
    return "".join(typed.split()).replace("-", "").upper()


def looks_like_code(typed: str) -> bool:
    """Whether a message is worth a try."""
    code = normal(typed)
    return len(code) == LENGTH and all(character in ALPHABET for character in code)


def asked_key(bot: str, user: str) -> str:
    """Where it is noted that a stranger was answered."""
    return f"asked/{bot}/{_short(user)}"


def _prefix(platform: str) -> str:
    return f"codes/{quote(platform, safe='')}/"


def _wrong_key(scope: str) -> str:
    return f"wrong/{_short(scope)}"


def _short(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


async def _hashed(code: str, salt: bytes) -> bytes:
    return await asyncio.to_thread(hashlib.scrypt, code.encode(), salt=salt, n=_COST, r=8, p=1, dklen=32)
