"""Credentials that one process of this machine's user may use at a time, whatever data directory it runs on.

Each is a lock file named by a hash of the credential. The operating system frees the lock when a kernel dies; the time written into
the file keeps others away until the dead kernel's adapter, which nobody told to stop, has noticed by itself.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import logging
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from jackfield.v1 import error_pb2

from ..errors import problem
from ..paths import private_directory

log = logging.getLogger(__name__)

LEASE_SECONDS = 30.0
RENEW_SECONDS = 10.0


class Unique(NamedTuple):
    """One credential: the platform it belongs to, the configuration key, the value."""

    platform: str
    key: str
    value: str


def credentials_directory() -> Path:
    """The directory that all kernels of this user share, whatever their environment says. Raises DirectoryUnsafe."""
    return private_directory(credentials_path())


def credentials_path() -> Path:
    """Where that directory is. Not below XDG_RUNTIME_DIR, in which a service and a shell of one user differ."""
    return Path(f"/tmp/jackfield-{os.getuid()}-credentials")


class Credentials:
    """What this kernel holds, by bot. File work is done in threads.

    Args:
        folder: shared by all kernels of the user; asked for when the first credential is held.
        holder: how others are told about this kernel: its data directory.
        now: seconds of a clock that all processes of the machine share and nobody sets.
    """

    def __init__(self, folder: Callable[[], Path], holder: str, now: Callable[[], float]) -> None:
        self._folder = folder
        self._holder = holder
        self._now = now
        self._held: dict[str, dict[Path, int]] = {}
        self._changing = asyncio.Lock()
        self.lost: Callable[[str, error_pb2.Error], None] = lambda bot, error: None
        """Called with a bot whose credential somebody else took."""

    async def hold(self, bot: str, uniques: Iterable[Unique]) -> error_pb2.Error | None:
        """Hold these, all or none; None when they are held now, else who has the first that is not free."""
        paths = {self._folder() / _name(one): one for one in uniques}
        async with self._changing:
            mine = self._held.setdefault(bot, {})
            for path in [path for path in mine if path not in paths]:
                _give_back(mine.pop(path))
            for path, one in paths.items():
                if path in mine:
                    continue
                taken = await asyncio.to_thread(self._take, bot, path)
                if not isinstance(taken, int):
                    self._release(bot)
                    return _in_use(bot, one, taken)
                mine[path] = taken
            return None

    async def release(self, bot: str) -> None:
        """Give back what the bot holds."""
        async with self._changing:
            self._release(bot)

    def _release(self, bot: str) -> None:
        for descriptor in self._held.pop(bot, {}).values():
            _give_back(descriptor)

    async def release_all(self) -> None:
        """The kernel ends in order."""
        for bot in list(self._held):
            await self.release(bot)

    async def renew(self) -> None:
        """Renew for ever what is held."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            async with self._changing:
                for bot, files in list(self._held.items()):
                    renewed = [await asyncio.to_thread(self._renewed, bot, *one) for one in files.items()]
                    if not all(renewed):
                        self._release(bot)
                        text = f"the lock file of a credential of bot {bot} was removed"
                        log.error("%s", text)
                        self.lost(bot, problem("CREDENTIAL_IN_USE", text, bot=bot))

    def _take(self, bot: str, path: Path) -> int | dict[str, Any]:
        """The descriptor that holds the lock, or who holds it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(descriptor)
            os.close(descriptor)
            return holder
        holder = _read(descriptor)
        left = float(holder.get("until", 0.0)) - self._now()
        # A time further away than any lease stems from before the machine's last start.
        if holder.get("holder") != self._holder and 0 < left <= LEASE_SECONDS:
            os.close(descriptor)
            return {**holder, "ended": True}
        if not _same_file(descriptor, path):
            os.close(descriptor)
            return holder
        self._write(bot, descriptor)
        return descriptor

    def _renewed(self, bot: str, path: Path, descriptor: int) -> bool:
        if not _same_file(descriptor, path):
            return False
        self._write(bot, descriptor)
        return True

    def _write(self, bot: str, descriptor: int) -> None:
        content = {
            "holder": self._holder,
            "bot": bot,
            "pid": os.getpid(),
            "until": self._now() + LEASE_SECONDS,
        }
        text = json.dumps(content).encode()
        os.pwrite(descriptor, text, 0)
        os.ftruncate(descriptor, len(text))


def _name(one: Unique) -> str:
    return hashlib.sha256("\0".join(("jackfield credential", *one)).encode()).hexdigest()


def _read(descriptor: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(descriptor, 4_096, 0) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and os.path.samestat(os.fstat(descriptor), found)


def _give_back(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.close(descriptor)


def _in_use(bot: str, one: Unique, holder: dict[str, Any]) -> error_pb2.Error:
    pid, where, other = holder.get("pid", 0), holder.get("holder", ""), holder.get("bot", "")
    who = f"bot {other} of the kernel on {where} (pid {pid})" if where else "another process"
    if holder.get("ended"):
        text = f"its {one.key} was used by {who}, which ended without giving it back"
        remedy = f"Nothing: it is free within {LEASE_SECONDS:g} s, and this bot opens then."
    else:
        text = f"its {one.key} is used by {who}"
        remedy = f"Disable or remove one of the two bots; {bot} opens by itself once the credential is free."
    return problem("CREDENTIAL_IN_USE", text, remedy=remedy, holder=str(where), pid=str(pid), bot=str(other))
