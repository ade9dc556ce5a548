"""Plugins that an earlier kernel started: who they are, and how this kernel watches them."""

from __future__ import annotations

import json
import logging
import os
import signal
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from .launcher import Exit
from .watched import WatchedProcess, watch_descriptor, watch_in_thread

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunRecord:
    """What the next kernel needs to take over a running plugin; a small file, there while the plugin runs.

    Attributes:
        pid: of its main process; with `birth` an identity that no later process can have.
        launcher: by which it was started.
        digest: of the manifest it runs with.
        mark: what stands in the environment of everything it started, see `tree.members`.
    """

    pid: int
    birth: str
    launcher: str
    digest: str
    mark: str

    def write(self, path: Path) -> None:
        """Replace the file, whole or not at all."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(path)

    def lives(self) -> bool:
        """Whether that very process still runs."""
        return bool(self.birth) and birth_of(self.pid) == self.birth


def read_record(path: Path) -> RunRecord | None:
    """The record, or None where there is none that can be read: such a process is left to end by itself."""
    try:
        return RunRecord(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


async def end_leftover(path: Path, grace: float) -> None:
    """End the process that the record at `path` tells of, if it still runs, and remove the record."""
    record = read_record(path)
    if record is not None:
        try:
            process = AdoptedProcess(record)
        except ProcessLookupError:
            pass  # It ended with its kernel.
        else:
            _log.info("ending %s, which an earlier kernel left in %s", process.diagnose(), path.name)
            await process.kill(grace)
    path.unlink(missing_ok=True)


def birth_of(pid: int) -> str:
    """When a living process began, in the system's own count, which no clock step changes; empty when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _birth_elsewhere(pid)
    # The name, in parentheses, may hold anything; field 3 is the state, field 22 the start in ticks.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def _birth_elsewhere(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        gone = process.status() == psutil.STATUS_ZOMBIE
        return "" if gone else f"{process.create_time():.2f}"
    except psutil.Error:
        return ""


class AdoptedProcess(WatchedProcess):
    """A process that is not, or no longer, a child by `Popen`.

    Raises ProcessLookupError when it is gone already.
    """

    def __init__(self, record: RunRecord) -> None:
        self._descriptor = os.pidfd_open(record.pid) if hasattr(os, "pidfd_open") else -1
        # Compared after the descriptor was opened: from here on it cannot be another process.
        if not record.lives():
            if self._descriptor >= 0:
                os.close(self._descriptor)
            with suppress(ChildProcessError):
                os.waitpid(
                    record.pid, os.WNOHANG
                )  # Ours from before a planned restart, and dead: reaped here.
            raise ProcessLookupError(record.pid)
        super().__init__(record.pid, record.mark)
        if self._descriptor >= 0:
            watch_descriptor(self._descriptor, self._loop, self._reap)
        else:
            process = psutil.Process(record.pid)
            watch_in_thread(process.wait, f"wait-{record.pid}", self._loop, self._reap)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if self._descriptor >= 0:
                signal.pidfd_send_signal(self._descriptor, number)
            else:
                os.kill(self._pid, number)

    def _reap(self) -> None:
        try:
            # After a planned restart the kernel is another program in the same process: still the parent.
            _, status = os.waitpid(self._pid, os.WNOHANG)
            code: int | None = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            code = None
        if code is None:
            self._end(Exit(None, None, self._killed_by_us))
        elif code < 0:
            self._end(Exit(None, -code, self._killed_by_us))
        else:
            self._end(Exit(code, None, self._killed_by_us))
