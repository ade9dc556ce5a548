"""Directories are private, socket paths short, and a data directory has one kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from jackfield_kernel.paths import (
    MAX_SOCKET_PATH,
    DataDirectoryLocked,
    DataPaths,
    DirectoryUnsafe,
    KernelLock,
    private_directory,
    runtime_paths,
)


def test_the_data_directory_is_private(tmp_path: Path) -> None:
    paths = DataPaths(tmp_path / "deep" / "data")
    paths.prepare()
    paths.prepare()
    for folder in (paths.root, paths.blobs, paths.bootstrap("x").parent, paths.plugin_log("x").parent):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_sockets_stand_below_the_runtime_directory_while_that_is_short() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        paths = runtime_paths(Path("/data"), {"XDG_RUNTIME_DIR": short})
        assert paths.root.parent == Path(short)
        assert paths.prepare_plugin("echo").parent.stat().st_mode & 0o777 == 0o700


def test_a_long_runtime_directory_is_left_for_a_short_one(tmp_path: Path) -> None:
    long = tmp_path / ("d" * 80)
    long.mkdir()
    paths = runtime_paths(tmp_path, {"XDG_RUNTIME_DIR": str(long)})
    try:
        assert len(os.fsencode(paths.plugin_socket("p" * 40))) < MAX_SOCKET_PATH
        assert paths.root.stat().st_mode & 0o777 == 0o700
    finally:
        paths.root.rmdir()


def test_a_directory_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(DirectoryUnsafe):
        private_directory(tmp_path / "link")


def test_the_second_kernel_names_the_first(tmp_path: Path) -> None:
    lock = tmp_path / "kernel.lock"
    script = "import sys; from pathlib import Path; from jackfield_kernel.paths import KernelLock\n"
    script += "with KernelLock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    first = subprocess.Popen(
        [sys.executable, "-c", script, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert first.stdout
    with first:
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(DataDirectoryLocked, match=rf"pid {first.pid},"):
            KernelLock(lock).acquire()
        first.kill()
        first.wait()
    with KernelLock(lock):
        assert lock.read_text() == f"{os.getpid()}\n"
