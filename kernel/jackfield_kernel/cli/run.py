"""`jackfield run`: the kernel in the foreground."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import psutil
import typer

from ..app import Kernel, Place
from ..config import KernelConfig, data_directory, load_config
from ..errors import KernelError
from ..hooks import Hooks
from ..paths import DataPaths, RuntimePaths, runtime_paths
from ..supervisor.adopted import read_record
from ..telemetry.log_file import LogFile
from ..telemetry.logs import configure
from .failure import Failure, of_kernel, print_failure
from .greeting import greet
from .lazy import new_app
from .options import Data
from .place import config_file

log = logging.getLogger(__name__)

app = new_app()

FORCED = 130
"""Exit code after a second Ctrl-C."""


@app.command(epilog="Example: jackfield run --data ./bots --log-format json")
def run(
    data: Data = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="jackfield.yaml; JACKFIELD_CONFIG, or the one in DIR."),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Keep the journal in memory: fast, and lost at the end.")
    ] = False,
    log_format: Annotated[
        Literal["text", "json"] | None, typer.Option("--log-format", help="How to log.", show_default="text")
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"] | None,
        typer.Option("--log-level", help="What to log.", show_default="info"),
    ] = None,
) -> None:
    """Start the kernel and the plugins, and print their addresses. Ctrl-C stops in order, twice at once."""
    root = data_directory(data, os.environ)
    settings = load_config(config_file(config, root, os.environ), os.environ, {})
    place = _place(root, runtime_paths(root, os.environ), settings, memory=memory)
    place.data.prepare()
    log_file = LogFile(place.data.kernel_log)
    chosen = settings.settings.log
    configure(log_level or chosen.level, log_format or chosen.format, also=[log_file])
    hooks = Hooks()
    hooks.load_entry_points()
    kernel = Kernel(place, hooks)
    code = asyncio.run(serve(kernel, place))
    if kernel.starts_again and not code:
        _start_again()
    raise typer.Exit(code)


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


def _place(root: Path, runtime: RuntimePaths, config: KernelConfig, *, memory: bool) -> Place:
    return Place(DataPaths(root), runtime, config, os.environ, memory)


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
