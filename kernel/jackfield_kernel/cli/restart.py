"""`jackfield restart`."""

from __future__ import annotations

import time

from jackfield.v1 import admin_pb2, admin_pb2_grpc

from .client import admin
from .failure import Failure, NoKernel
from .lazy import new_app
from .options import Data
from .show import say

app = new_app()

_LOOK_SECONDS = 0.1


@app.command(epilog="Example: jackfield restart")
def restart(data: Data = None, wait: float = 30.0) -> None:
    """Restart the kernel with the code that is installed now. Plugins and their connections go on meanwhile.

    For instance after an upgrade of jackfield-kernel. To restart a plugin: `jackfield plugin restart NAME`.
    """
    with admin(data) as stub:
        before = {plugin.pid for plugin in _status(stub).plugins if plugin.pid}
        boot = _status(stub).boot
        stub.Shutdown(admin_pb2.ShutdownRequest(mode=admin_pb2.SHUTDOWN_MODE_RESTART))
    until = time.monotonic() + wait
    while time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        try:
            with admin(data) as stub:
                status = _status(stub)
        except NoKernel:
            continue
        if status.boot > boot and not any(plugin.state == "STARTING" for plugin in status.plugins):
            kept = sum(plugin.pid in before for plugin in status.plugins if plugin.pid)
            say(f"Restarted: kernel {status.kernel_version}; {kept} of {len(before)} plugins went on.")
            return
    raise Failure(f"The kernel is not back after {wait:g} s.", "See its log; `jackfield status` says more.")


def _status(stub: admin_pb2_grpc.AdminStub) -> admin_pb2.Status:
    return stub.GetStatus(admin_pb2.GetStatusRequest()).status
