"""The `process` launcher: a plain child process in a session of its own, trusted as the kernel is."""

from __future__ import annotations

import os
import signal
import subprocess

from ..manifest import Limits
from .errors import LaunchFailed
from .launcher import Exit, LaunchSpec
from .logfiles import open_for_append
from .oom import OomCounter
from .watched import WatchedProcess, watch_descriptor, watch_in_thread


class ProcessLauncher:
    """Starts plugins by fork and exec; safe beside an event loop and gRPC, which a bare fork is not."""

    boundary = "trusted process"
    gaps = ("network and files: a trusted process may use both",)
    defaults = Limits()

    def explain(self, plugin: str) -> str:
        """Nothing to explain: any program starts this way."""
        return ""

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
        return RunningProcess(child, str(spec.bootstrap_path), oom)


class RunningProcess(WatchedProcess):
    """One child process and everything it started."""

    def __init__(self, child: subprocess.Popen[bytes], mark: str, oom: OomCounter) -> None:
        super().__init__(child.pid, mark)
        self._child = child
        self._oom = oom
        if hasattr(os, "pidfd_open"):
            watch_descriptor(os.pidfd_open(child.pid), self._loop, self._reap)
        else:
            watch_in_thread(child.wait, f"wait-{child.pid}", self._loop, self._reap)

    def _send(self, number: signal.Signals) -> None:
        # Popen checks that the child is not reaped yet, so the pid cannot belong to a stranger.
        self._child.send_signal(number)

    def _reap(self) -> None:
        code = self._child.wait()
        if code >= 0:
            self._end(Exit(code, None, self._killed_by_us))
        else:
            oom = code == -signal.SIGKILL and not self._killed_by_us and self._oom.rose()
            self._end(Exit(None, -code, self._killed_by_us, oom))
