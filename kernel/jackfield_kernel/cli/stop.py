"""`jackfield stop`."""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer
from jackfield.v1 import admin_pb2

from ..config import data_directory
from ..paths import DataPaths
from .client import admin, kernel_pid
from .failure import Failure
from .lazy import new_app
from .options import Data
from .show import say

app = new_app()

_LOOK_SECONDS = 0.1


@app.command(epilog="Example: jackfield stop")
def stop(
    data: Data = None,
    wait: float = 30.0,
    keep_plugins: Annotated[
        bool,
        typer.Option("--keep-plugins", help="Leave the plugins running for the next kernel, two minutes."),
    ] = False,
) -> None:
    """Stop the kernel in order: plugins finish what they do, nothing is lost. Returns when it has ended."""
    lock = DataPaths(data_directory(data, os.environ)).lock
    mode = admin_pb2.SHUTDOWN_MODE_HAND_OVER if keep_plugins else admin_pb2.SHUTDOWN_MODE_STOP
    with admin(data) as stub:
        stub.Shutdown(admin_pb2.ShutdownRequest(mode=mode))
    until = time.monotonic() + wait
    while pid := kernel_pid(lock):
        if time.monotonic() >= until:
            raise Failure(
                f"The kernel, pid {pid}, still runs after {wait:g} s.", "See its log; plugins may be busy."
            )
        time.sleep(_LOOK_SECONDS)
    say("Stopped.")
