"""Secrets: sealed in the journal, open in memory, given only to whom the operator's configuration names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..errors import Refused
from ..journal.journal import Journal
from ..journal.log import LogDriver, Put, Unit
from ..journal.reading import every
from .keyfile import KeyFile, key_id

if TYPE_CHECKING:
    from .sealing import Sealer

BUCKET = "secret"
META_BUCKET, META_KEY = "meta", "secret-key"
MAX_SECRETS = 1_000
MAX_VALUE_BYTES = 64 * 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)


class Secret(NamedTuple):
    """One secret; `time` is journal time in seconds at which it was set, 0 when unknown."""

    value: str
    time: float


class SecretStore(Protocol):
    """Where secrets are kept: the embedded store, or one of the hook `jackfield_secret_stores`.

    One instance serves one kernel. Reads answer from memory: configuration is resolved with them.
    """

    name: str

    async def open(self) -> None:
        """Read everything. Called once at start. Raises KernelError: then the kernel does not start."""
        ...

    def all(self) -> Mapping[str, Secret]:
        """Every secret by name."""
        ...

    async def write(self, changes: Mapping[str, str | None]) -> None:
        """Set or, with None, remove: all or none, durable on return. Raises KernelError."""
        ...

    async def rotate(self) -> str:
        """Seal everything with a new key; returns where that stands. Raises Refused CONFIG_PINNED or NOT_SUPPORTED."""
        ...

    def key(self) -> tuple[str, str]:
        """Id of the key that a backup of the journal needs, and its file; empty for what there is not."""
        ...


def check_secret(name: str, value: str) -> None:
    """Refuse what no store takes. Raises Refused."""
    if not _NAME.fullmatch(name):
        raise Refused(
            "INVALID_ARGUMENT",
            f"{name!r} is no name of a secret",
            remedy="Use letters, digits, _, . and -, at most 128, beginning with a letter or digit.",
            field="name",
        )
    if not 1 <= len(value.encode(errors="replace")) <= MAX_VALUE_BYTES:
        raise Refused(
            "INVALID_ARGUMENT",
            f"a secret has 1 to {MAX_VALUE_BYTES} bytes",
            remedy="Store large material as a file that only the plugin's user reads.",
            field="value",
        )


class EmbeddedSecrets:
    """The default store: sealed entries of the journal, the key in a file beside it."""

    name = "embedded"

    def __init__(self, driver: LogDriver, journal: Journal, key: KeyFile, now: Callable[[], float]) -> None:
        self._driver = driver
        self._journal = journal
        self._key = key
        self._now = now
        self._secrets: dict[str, Secret] = {}
        self._sealer: Sealer | None = None

    async def open(self) -> None:
        """See `SecretStore.open`. Without secrets neither key nor cipher is touched."""
        mark = await self._driver.get(META_BUCKET, META_KEY)
        if mark is None:
            return
        expected = mark.value.decode()
        self._sealer = _sealer(self._key.load(expected))
        async for name, entry in every(self._driver, BUCKET):
            self._secrets[name] = Secret(*self._sealer.open(name, entry.value))

    def all(self) -> Mapping[str, Secret]:
        """See `SecretStore.all`."""
        return self._secrets

    async def write(self, changes: Mapping[str, str | None]) -> None:
        """See `SecretStore.write`."""
        now = self._now()
        added = {name: Secret(value, now) for name, value in changes.items() if value is not None}
        if len(self._secrets.keys() | added.keys()) > MAX_SECRETS:
            raise Refused(
                "QUOTA_EXCEEDED",
                f"at most {MAX_SECRETS} secrets are kept",
                remedy="Remove some: `jackfield secret list`.",
                limit=str(MAX_SECRETS),
                unit="secrets",
            )
        puts = [Put(BUCKET, name, None) for name, value in changes.items() if value is None]
        if added and self._sealer is None:
            key = self._key.first()
            self._sealer = _sealer(key)
            puts.append(Put(META_BUCKET, META_KEY, key_id(key).encode()))
        if self._sealer is not None:
            puts += [Put(BUCKET, name, self._sealer.seal(name, *secret)) for name, secret in added.items()]
        await self._journal.write(Unit(puts=tuple(puts)))
        for name in changes:
            self._secrets.pop(name, None)
        self._secrets.update(added)

    async def rotate(self) -> str:
        """See `SecretStore.rotate`. May be killed at any step: the key that the journal names is in one of two files."""
        if self._key.pinned:
            raise Refused(
                "CONFIG_PINNED",
                "the key comes from the environment",
                remedy="Stop the kernel, move the secrets to a kernel whose key stands in a file, or set them anew.",
                source="environment",
            )
        key = self._key.stage()
        sealer = _sealer(key)
        puts = [Put(BUCKET, name, sealer.seal(name, *secret)) for name, secret in self._secrets.items()]
        await self._journal.write(Unit(puts=(*puts, Put(META_BUCKET, META_KEY, key_id(key).encode()))))
        self._key.settle()
        self._sealer = sealer
        return str(self._key.path)

    def key(self) -> tuple[str, str]:
        """See `SecretStore.key`."""
        if self._sealer is None:
            return "", ""
        return self._sealer.key_id, "" if self._key.pinned else str(self._key.path)


def _sealer(key: bytes) -> Sealer:
    found: Sealer = import_module(".sealing", __package__).Sealer(key, key_id(key))
    return found
