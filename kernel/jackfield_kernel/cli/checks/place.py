"""The data directory, its disk, and the kernel that may run on it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil

from ...errors import KernelError
from ...paths import DataPaths, runtime_paths
from ..client import find_socket, kernel_pid
from ..failure import Failure
from ..show import size
from .finding import Finding, Surroundings

LITTLE_DISK = 1 << 30
NO_DISK = 64 << 20
_NETWORK = {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "ceph", "glusterfs"}


def data_directory(around: Surroundings) -> Iterator[Finding]:
    """Ours, private, writable; and short enough for sockets."""
    path = around.data
    try:
        found = path.stat()
    except FileNotFoundError:
        yield _to_be_made(path)
    except OSError as error:
        yield Finding("data", "fail", f"{path}: {error.strerror}", "Choose another directory with --data.")
    else:
        yield _there(path, found)
    try:
        yield Finding("sockets", "ok", str(runtime_paths(path, around.environ).root))
    except (KernelError, OSError) as error:
        remedy = (
            error.remedy if isinstance(error, KernelError) else "Set XDG_RUNTIME_DIR to a directory of yours."
        )
        yield Finding("sockets", "fail", str(error), remedy)


def disk(around: Surroundings) -> Iterator[Finding]:
    """Room for the journal, on a disk of this machine."""
    existing = _existing(around.data)
    free = psutil.disk_usage(str(existing)).free
    shown = f"{free / (1 << 30):.1f} GiB free"
    if free < LITTLE_DISK:
        result, remedy = ("fail" if free < NO_DISK else "warn"), "Make room: a full disk stops the journal."
        yield Finding("disk", "fail" if result == "fail" else "warn", shown, remedy)
    else:
        yield Finding("disk", "ok", shown)
    kind = _file_system(existing)
    if kind in _NETWORK:
        remedy = (
            "Put the data directory on a local disk: SQLite's journal is not safe on network file systems."
        )
        yield Finding("file system", "fail", kind, remedy)


def journal(around: Surroundings) -> Iterator[Finding]:
    """How much the journal and the blobs take."""
    paths = DataPaths(around.data)
    files = [path for path in around.data.glob(f"{paths.journal.name}*") if path.is_file()]
    if not files:
        return
    blobs = [path.stat().st_size for path in paths.blobs.glob("*/sha256-*")]
    shown = size(sum(path.stat().st_size for path in files))
    yield Finding("journal", "ok", f"{shown}, and {len(blobs)} blobs with {size(sum(blobs))}")


def running_kernel(around: Surroundings) -> Iterator[Finding]:
    """Whether one runs, and whether it answers."""
    pid = kernel_pid(DataPaths(around.data).lock)
    if not pid:
        yield Finding("kernel", "ok", "none runs on this directory")
        return
    try:
        socket = find_socket(around.data)
    except Failure as failure:
        yield Finding("kernel", "warn", f"pid {pid}: {failure.message}", failure.remedy)
    else:
        yield Finding("kernel", "ok", f"pid {pid} answers on {socket}")
    if pid == "1":
        remedy = "Let an init run as process 1, so that plugins can outlive a restart of the kernel."
        yield Finding("kernel", "warn", "it is process 1: its end takes the plugins along", remedy)


def _to_be_made(path: Path) -> Finding:
    parent = _existing(path)
    if os.access(parent, os.W_OK | os.X_OK):
        return Finding("data", "ok", f"{path} will be made")
    return Finding(
        "data", "fail", f"{path} cannot be made in {parent}", "Choose another directory with --data."
    )


def _there(path: Path, found: os.stat_result) -> Finding:
    if not stat.S_ISDIR(found.st_mode):
        return Finding("data", "fail", f"{path} is no directory", "Choose another directory with --data.")
    if found.st_uid != os.getuid():
        remedy = f"Run as that user, or `chown -R $USER {path}`."
        return Finding("data", "fail", f"{path} belongs to uid {found.st_uid}", remedy)
    if not os.access(path, os.W_OK | os.X_OK):
        return Finding("data", "fail", f"{path} is not writable", f"`chmod u+rwx {path}`")
    if found.st_mode & 0o077:
        mode = oct(stat.S_IMODE(found.st_mode))
        return Finding(
            "data", "warn", f"{path} has mode {mode}", f"`chmod 700 {path}`; `jackfield run` does it too."
        )
    return Finding("data", "ok", str(path))


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())


def _file_system(path: Path) -> str:
    resolved = path.resolve()
    mounts = [part for part in psutil.disk_partitions(all=True) if resolved.is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else ""
