"""The main of a plugin process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from jackfield_sdk.link.bootstrap import Bootstrap, NotStartedByKernel, read_bootstrap
from jackfield_sdk.link.link import Identity
from jackfield_sdk.log import log_to_stderr
from jackfield_sdk.runtime import Runtime
from jackfield_sdk.tracing import tracer_for

if TYPE_CHECKING:
    from jackfield_sdk.plugin import Plugin

ORPHAN_VARIABLE = "JACKFIELD_ORPHAN_TIMEOUT"
ORPHAN_SECONDS = 120.0


def serve(plugin: Plugin) -> None:
    """Reads the bootstrap file, serves the plugin and ends the process with its exit code."""
    try:
        bootstrap = read_bootstrap()
    except NotStartedByKernel as error:
        sys.exit(str(error))
    log_to_stderr()
    sys.exit(asyncio.run(_serve(plugin, bootstrap)))


def identity_of(plugin: Plugin) -> Identity:
    """What the plugin says about itself. JACKFIELD_ORPHAN_TIMEOUT in seconds bounds the life without a
    kernel."""
    orphan = float(os.environ.get(ORPHAN_VARIABLE, ORPHAN_SECONDS))
    return Identity(version=plugin.version, concurrency=plugin.concurrency, orphan_timeout=orphan)


async def _serve(plugin: Plugin, bootstrap: Bootstrap) -> int:
    tracer = tracer_for(bootstrap.plugin, plugin.version, os.environ)
    runtime = Runtime(plugin, bootstrap, identity_of(plugin), tracer)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, runtime.finish)
    try:
        return await runtime.run()
    finally:
        if tracer is not None:
            await asyncio.to_thread(tracer.close)
