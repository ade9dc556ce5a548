"""A process that is watched to its end and ended with everything it started."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

import psutil

from . import tree
from .launcher import Exit

_KILL_ROUNDS = 5

_log = logging.getLogger(__name__)


class WatchedProcess(ABC):
    """Implements `Running` for a process with a pid of this machine.

    `mark` stands in the environment of the process and of all that it starts. Subclasses say how its end is
    learnt and how it is signalled, and call `_end` once.
    """

    def __init__(self, pid: int, mark: str) -> None:
        self._pid = pid
        self._mark = mark
        self._killed_by_us = False
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Exit] = self._loop.create_future()
        try:
            self._start_time = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            self._start_time = time.time()

    @property
    def pid(self) -> int:
        """The process id, which is also its session and process group."""
        return self._pid

    @property
    def start_time(self) -> float:
        """When the process started, Unix time in seconds."""
        return self._start_time

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        return self._ended.done()

    async def wait(self) -> Exit:
        """Return how the process ended."""
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
        if not self._ended.done():
            self._killed_by_us = True
            self._send(number)

    @abstractmethod
    def _send(self, number: signal.Signals) -> None:
        """Signal the process itself, which has not ended yet as far as we know."""

    def _end(self, exit_: Exit) -> None:
        if not self._ended.done():
            self._ended.set_result(exit_)


def watch_descriptor(file: int, loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> None:
    """Call `ended` once when the process behind the pidfd `file` has ended; closes the descriptor then."""

    def readable() -> None:
        loop.remove_reader(file)
        os.close(file)
        ended()

    loop.add_reader(file, readable)


def watch_in_thread(
    wait: Callable[[], object], name: str, loop: asyncio.AbstractEventLoop, ended: Callable[[], None]
) -> None:
    """Call `ended` on the loop once `wait`, which blocks, returned: for systems without pidfd."""

    def waiting() -> None:
        wait()
        try:
            loop.call_soon_threadsafe(ended)
        except RuntimeError:
            pass  # The loop closed first: the kernel is gone and nobody asks any more.

    threading.Thread(target=waiting, name=name, daemon=True).start()
