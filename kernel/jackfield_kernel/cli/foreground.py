"""A kernel in the foreground, from its configuration to its exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import psutil

from ..app import Kernel, Place
from ..config import data_directory, load_config
from ..errors import KernelError
from ..forkserver import ForkServer
from ..hooks import Hooks
from ..paths import DataPaths, RuntimePaths, runtime_paths
from ..supervisor.adopted import read_record
from ..telemetry.log_file import LogFile
from ..telemetry.logs import configure
from ..telemetry.redaction import Redactor
from .failure import Failure, of_kernel, print_failure
from .greeting import greet
from .place import config_file, refuse_half_restored

log = logging.getLogger(__name__)

FORCED = 130
"""Exit code after a second Ctrl-C."""


def start(
    data: Path | None,
    config: Path | None,
    *,
    memory: bool,
    log_format: Literal["text", "json"] | None,
    log_level: Literal["debug", "info", "warning", "error"] | None,
    forks: ForkServer | None,
) -> int:
    """Run a kernel to its end and return the exit code; does not return when the kernel is started anew."""
    root = data_directory(data, os.environ)
    settings = load_config(config_file(config, root, os.environ), os.environ, {})
    refuse_half_restored(root)
    redactor = Redactor()
    place = Place(DataPaths(root), runtime_paths(root, os.environ), settings, os.environ, memory, redactor)
    place.data.prepare()
    configure(
        log_level or settings.settings.log.level,
        log_format or settings.settings.log.format,
        redactor=redactor,
        also=[LogFile(place.data.kernel_log, redactor)],
    )
    hooks = Hooks()
    hooks.load_entry_points()
    kernel = Kernel(place, hooks, forks)
    code = asyncio.run(serve(kernel, place))
    if kernel.starts_again and not code:
        _start_again()
    return code


def _start_again() -> None:
    """Become the kernel that is installed now: same process, so that a service or terminal notices nothing."""
    # Whatever a library left open without close-on-exec must not pile up over restarts.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


async def serve(kernel: Kernel, place: Place) -> int:
    """Run a kernel until a signal or Admin ends it; return the exit code. Failures at start are printed."""
    loop = asyncio.get_running_loop()
    signals = iter(range(sys.maxsize))

    def on_signal() -> None:
        if next(signals):
            _force(place.data)
        log.info("stopping: plugins finish what they do; press Ctrl-C again to end them at once")
        kernel.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    greeter = asyncio.create_task(_greet_once_started(kernel, place.runtime), name="greeting")
    code = 0
    try:
        await kernel.run()
    except* KernelError as group:
        for error in _leaves(group):
            print_failure(of_kernel(error))
        code = Failure.exit_code
    finally:
        greeter.cancel()
        for failure in await asyncio.gather(greeter, return_exceptions=True):
            if isinstance(failure, Exception):
                log.error("the addresses could not be printed", exc_info=failure)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return code


async def _greet_once_started(kernel: Kernel, runtime: RuntimePaths) -> None:
    await kernel.started.wait()
    await greet(f"unix:{runtime.admin_socket}")


def _force(data: DataPaths) -> None:
    """End at once, with everything that we started or took over: what is not durable was never acknowledged."""
    records = [record for path in data.running().glob("*.json") if (record := read_record(path))]
    for pid in (os.getpid(), *(record.pid for record in records if record.lives())):
        try:
            for child in psutil.Process(pid).children(recursive=True):
                child.kill()
            if pid != os.getpid():
                os.kill(pid, signal.SIGKILL)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    os._exit(FORCED)


def _leaves(group: BaseExceptionGroup[KernelError]) -> Iterator[KernelError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
