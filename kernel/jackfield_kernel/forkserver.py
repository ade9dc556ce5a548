"""The process that Python plugins are forked from, as a handle. Imports little: it is started before the kernel is imported."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

PACKAGE, SERVER = "jackfield_sdk", "preload"
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE")


class CannotFork(Exception):
    """Forking does not work here, for the reason given; the plugin is started in the plain way."""


class ForkServer:
    """One running server, which ends at the end of file of `channel`. Raises CannotFork where there can be none."""

    def __init__(self) -> None:
        if sys.platform != "linux":
            raise CannotFork(f"it needs Linux, this is {sys.platform}")
        if not _installed():
            raise CannotFork(f"the kernel's environment has no {PACKAGE} with {SERVER}")
        self._packages = _packages()
        # Keeps messages apart, and tells both sides when the other is gone.
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.setblocking(False)
        with theirs:
            module, number = f"{PACKAGE}.{SERVER}", str(theirs.fileno())
            self._process = subprocess.Popen(
                (sys.executable, "-P", "-u", "-X", "faulthandler", "-m", module, number),
                stdin=subprocess.DEVNULL,
                # Nothing that is in our environment by confidence gets into a plugin's memory.
                env={name: os.environ[name] for name in _INHERITED if name in os.environ},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def fits(self) -> bool:
        """Whether it lives and what it imported is what is installed now."""
        return self._process.poll() is None and self._packages == _packages()

    def close(self) -> None:
        """End it, and wait some milliseconds for that; what it forked goes on. Idempotent."""
        self.channel.close()
        self._process.kill()
        self._process.wait()


def early() -> ForkServer | None:
    """Start a server if there can be one; who starts the first plugin says why not."""
    with suppress(CannotFork):
        return ForkServer()
    return None


def _installed() -> bool:
    # Looking up the module itself would import its package, which is not the kernel's to import.
    found = find_spec(PACKAGE)
    folders = (found.submodule_search_locations or ()) if found else ()
    return any(Path(folder, f"{SERVER}.py").is_file() for folder in folders)


def _packages() -> tuple[int, ...]:
    """Changes whenever a package is installed or removed: a fork would go on with the old one."""
    found = []
    for folder in sys.path:
        with suppress(OSError):
            found.append(os.stat(folder).st_mtime_ns)
    return tuple(found)
