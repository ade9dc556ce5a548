"""Where the kernel keeps things: the data directory, the runtime directory of sockets, and the lock between
kernels.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from .errors import KernelError

MAX_SOCKET_PATH = 104
"""Bytes, the terminating zero included; macOS allows 104, Linux 108."""

BACKUP_NOTE = "backup.json"
"""The file that makes a directory a backup; written last."""
BACKUP_FORMAT = 1

_LONGEST_SOCKET = f"/{'p' * 40}/s"


class DataDirectoryLocked(KernelError):
    """Another kernel runs on this data directory."""

    reason = "JOURNAL_LOCKED"
    code = grpc.StatusCode.FAILED_PRECONDITION
    retryable = True


class DirectoryUnsafe(KernelError):
    """A directory that must be ours alone is not: wrong owner, mode or kind."""

    reason = "DIRECTORY_UNSAFE"
    code = grpc.StatusCode.FAILED_PRECONDITION
    retryable = False


@dataclass(frozen=True)
class DataPaths:
    """The layout below the data directory. Properties only name places; `prepare` creates the directories."""

    root: Path

    @property
    def journal(self) -> Path:
        """The database of journal and state."""
        return self.root / "journal.db"

    @property
    def blobs(self) -> Path:
        """Content-addressed blobs."""
        return self.root / "blobs"

    @property
    def lock(self) -> Path:
        """The lock file, which holds the pid of the kernel that runs here."""
        return self.root / "kernel.lock"

    @property
    def kernel_log(self) -> Path:
        """The kernel's own log, as JSON lines."""
        return self.root / "kernel.log"

    @property
    def secret_key(self) -> Path:
        """The key of the embedded secret store, unless the configuration names another place."""
        return self.root / "secret.key"

    def plugin_home(self, plugin: str) -> Path:
        """The plugin's private directory and working directory."""
        return self.root / "plugins" / plugin

    def plugin_log(self, plugin: str) -> Path:
        """The file that the plugin's stdout and stderr are appended to."""
        return self.root / "logs" / f"{plugin}.log"

    def bootstrap(self, plugin: str) -> Path:
        """The plugin's bootstrap file, there from its start to its first attach."""
        return self.root / "bootstrap" / f"{plugin}.json"

    def running(self, plugin: str = "") -> Path:
        """The record of the plugin's process, there while it runs; without a name the folder of all records."""
        return self.root / "running" / (f"{plugin}.json" if plugin else "")

    def prepare(self) -> None:
        """Create the directories, each 0700. Raises DirectoryUnsafe when one belongs to someone else."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        for folder in ("", "plugins", "logs", "bootstrap", "running", "blobs"):
            private_directory(self.root / folder)


@dataclass(frozen=True)
class RuntimePaths:
    """The short-lived directory of sockets."""

    root: Path

    @property
    def admin_socket(self) -> Path:
        """The Admin service's socket."""
        return self.root / "admin.sock"

    def plugin_socket(self, plugin: str) -> Path:
        """The socket one plugin dials, in a directory of its own so that a sandbox can mount just that."""
        return self.root / plugin / "s"

    def prepare_plugin(self, plugin: str) -> Path:
        """Create the directory of the plugin's socket, 0700, and return the socket's path."""
        private_directory(self.root / plugin)
        return self.plugin_socket(plugin)


def runtime_paths(data: Path, environ: Mapping[str, str]) -> RuntimePaths:
    """Create and return the runtime directory that belongs to the data directory `data`.

    It is `$XDG_RUNTIME_DIR/jackfield-<hash>` when that leaves room for socket paths, else a directory of our
    own below /tmp. Raises DirectoryUnsafe when someone else took that name.
    """
    digest = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:10]
    given = environ.get("XDG_RUNTIME_DIR", "")
    if given and os.access(given, os.W_OK | os.X_OK):
        root = Path(given) / f"jackfield-{digest}"
        if len(os.fsencode(f"{root}{_LONGEST_SOCKET}")) < MAX_SOCKET_PATH:
            return RuntimePaths(private_directory(root))
    # Not tempfile.gettempdir(): TMPDIR is long on macOS and differs between a user's sessions.
    below = Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())
    root = below / f"jackfield-{os.getuid()}-{digest}"
    if len(os.fsencode(f"{root}{_LONGEST_SOCKET}")) >= MAX_SOCKET_PATH:
        raise DirectoryUnsafe(
            f"{root} leaves no room for socket paths, which end at {MAX_SOCKET_PATH} bytes.",
            remedy="Set XDG_RUNTIME_DIR to a short directory of your own.",
            path=str(root),
        )
    return RuntimePaths(private_directory(root))


def private_directory(path: Path) -> Path:
    """Make sure that `path` is a directory of ours with mode 0700, and return it. Raises DirectoryUnsafe."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise DirectoryUnsafe(
            f"{path} is not a directory of uid {os.getuid()}.",
            remedy="Remove it, or choose another place with --data or XDG_RUNTIME_DIR.",
            path=str(path),
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)
    return path


class KernelLock:
    """Held while a kernel runs on a data directory; the operating system releases it when the kernel dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock and write our pid into it.

        Raises DataDirectoryLocked naming the other kernel's pid.
        """
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.read(file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise DataDirectoryLocked(
                f"Another kernel, pid {pid}, runs on {self._path.parent}.",
                remedy="Use that one, stop it, or choose another directory with --data.",
                pid=pid,
                path=str(self._path.parent),
            ) from error
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
