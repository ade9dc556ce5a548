"""The `process` launcher: a plain child process in a session of its own, trusted as the kernel is."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import psutil

from . import tree
from .errors import LaunchFailed
from .launcher import Exit, LaunchSpec
from .logfiles import open_for_append
from .oom import OomCounter

_KILL_ROUNDS = 5

_log = logging.getLogger(__name__)


class ProcessLauncher:
    """Starts plugins by fork and exec; safe beside an event loop and gRPC, which a bare fork is not."""

    boundary = "trusted process"

    async def start(self, spec: LaunchSpec) -> RunningProcess:
        """Start the program. Raises LaunchFailed when the operating system refuses."""
        oom = OomCounter()
        log = open_for_append(spec.log_path)
        try:
            # Blocks for the exec only (about 2 ms); a thread would cost more and starts nothing sooner.
            child = subprocess.Popen(  # noqa: ASYNC220
                spec.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=spec.cwd,
                env=dict(spec.env),
                start_new_session=True,
            )
        except OSError as error:
            raise LaunchFailed(
                f"{spec.argv[0]} cannot be started: {error.strerror or error}.",
                remedy="Correct run: in the plugin's manifest, or install the program.",
                program=spec.argv[0],
            ) from error
        finally:
            os.close(log)
        if spec.limits.files and sys.platform == "linux":
            _limit_files(child.pid, spec.limits.files)
        return RunningProcess(child, str(spec.bootstrap_path), oom)


class RunningProcess:
    """One child process and everything it started."""

    def __init__(self, child: subprocess.Popen[bytes], mark: str, oom: OomCounter) -> None:
        self._child = child
        self._mark = mark
        self._oom = oom
        self._killed_by_us = False
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Exit] = self._loop.create_future()
        try:
            self._start_time = psutil.Process(child.pid).create_time()
        except psutil.NoSuchProcess:
            self._start_time = time.time()
        _watch_exit(child, self._loop, self._reap)

    @property
    def pid(self) -> int:
        """The child's process id, which is also its session and process group."""
        return self._child.pid

    @property
    def start_time(self) -> float:
        """When the child started, Unix time in seconds."""
        return self._start_time

    async def wait(self) -> Exit:
        """Return how the child ended."""
        return await asyncio.shield(self._ended)

    async def kill(self, grace: float) -> None:
        """TERM to the whole tree, up to `grace` seconds, then KILL until nothing is left."""
        others = await asyncio.to_thread(tree.members, self.pid, self._mark)
        self._signal_leader(signal.SIGTERM)
        tree.send(others, signal.SIGTERM)
        deadline = self._loop.time() + grace
        await asyncio.wait([self._ended], timeout=grace)
        if others:
            left = max(0.0, deadline - self._loop.time())
            await asyncio.to_thread(tree.wait_gone, others, left)
        # Look again: a plugin may have started more while it was told to end.
        self._signal_leader(signal.SIGKILL)
        others = await asyncio.to_thread(tree.members, self.pid, self._mark)
        for _ in range(_KILL_ROUNDS):
            if not others:
                break
            tree.send(others, signal.SIGKILL)
            await asyncio.to_thread(tree.wait_gone, others, 1.0)
            others = await asyncio.to_thread(tree.members, self.pid, self._mark)
        else:
            # Another user's process or one stuck in the kernel: waiting longer would only stop us too.
            _log.error("processes of pid %d cannot be killed: %s", self.pid, [other.pid for other in others])
        await asyncio.shield(self._ended)

    def diagnose(self) -> str:
        """Say what the process does, or how it ended."""
        if self._ended.done():
            return f"pid {self.pid}: {self._ended.result()}"
        try:
            process = psutil.Process(self.pid)
            with process.oneshot():
                cpu, memory = process.cpu_times(), process.memory_info()
                return (
                    f"pid {self.pid}: {process.status()}, {process.num_threads()} threads,"
                    f" {memory.rss >> 20} MiB, {cpu.user + cpu.system:.1f} s of CPU"
                )
        except psutil.Error as error:
            return f"pid {self.pid}: not visible ({error})"

    def _signal_leader(self, number: signal.Signals) -> None:
        if self._ended.done():
            return
        self._killed_by_us = True
        # Popen checks that the child is not reaped yet, so the pid cannot belong to a stranger.
        self._child.send_signal(number)

    def _reap(self) -> None:
        code = self._child.wait()
        if self._ended.done():
            return
        if code >= 0:
            self._ended.set_result(Exit(code, None, self._killed_by_us))
        else:
            oom = code == -signal.SIGKILL and not self._killed_by_us and self._oom.rose()
            self._ended.set_result(Exit(None, -code, self._killed_by_us, oom))


def _watch_exit(
    child: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, ended: Callable[[], None]
) -> None:
    if hasattr(os, "pidfd_open"):
        file = os.pidfd_open(child.pid)

        def readable() -> None:
            loop.remove_reader(file)
            os.close(file)
            ended()

        loop.add_reader(file, readable)
        return

    def wait_in_thread() -> None:
        child.wait()
        try:
            loop.call_soon_threadsafe(ended)
        except RuntimeError:
            pass  # The loop closed first: the kernel is gone and nobody asks any more.

    threading.Thread(target=wait_in_thread, name=f"wait-{child.pid}", daemon=True).start()


def _limit_files(pid: int, files: int) -> None:
    try:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (files, files))
    except (ProcessLookupError, PermissionError, ValueError):
        pass  # Gone already, or the hard limit is lower than what we would set: both leave it bounded.
