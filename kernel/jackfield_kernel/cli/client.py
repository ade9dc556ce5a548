"""The Admin service of the kernel that runs on a data directory."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
from jackfield.v1 import admin_pb2_grpc, error_pb2

from ..config import data_directory
from ..errors import KernelError
from ..paths import DataPaths, runtime_paths
from .failure import Failure, NoKernel, of_kernel, of_wire

ERROR_TRAILER = "jackfield-error-bin"

CALL_SECONDS = 120.0
"""Longer than any verb may take; a kernel that hangs must not hang a script for ever."""


@contextmanager
def admin(data: Path | None) -> Iterator[admin_pb2_grpc.AdminStub]:
    """The Admin service of the kernel that runs on `data`, as a stub; streams are read inside the context.

    Raises NoKernel when none answers, Failure when a call is refused.
    """
    target = f"unix:{find_socket(data_directory(data, os.environ))}"
    channel = grpc.insecure_channel(target, options=(("grpc.max_receive_message_length", -1),))
    try:
        yield admin_pb2_grpc.AdminStub(grpc.intercept_channel(channel, _Deadline()))
    except grpc.RpcError as error:
        raise refusal(error) from error
    finally:
        channel.close()


def find_socket(root: Path) -> Path:
    """The Admin socket of the kernel on the data directory `root`. Raises NoKernel when nobody listens."""
    for place in _sockets(root):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(5.0)
            try:
                probe.connect(str(place))
            except (FileNotFoundError, ConnectionRefusedError):
                continue
            except PermissionError as error:
                raise Failure(
                    f"{place} belongs to another user.", "Run the command as the kernel's user."
                ) from error
            except TimeoutError as error:
                raise NoKernel(f"The kernel on {root} does not answer.", "See its log.") from error
            return place
    pid = kernel_pid(DataPaths(root).lock)
    if pid:
        raise NoKernel(
            f"The kernel of pid {pid} on {root} does not serve yet, or not any more.",
            "Wait for it, or look at its log.",
        )
    raise NoKernel(
        f"No kernel runs on {root}.",
        "Start it with `jackfield run`, or name its data directory with --data or JACKFIELD_DATA.",
    )


def kernel_pid(lock: Path) -> str:
    """Pid of the kernel that holds the lock file; empty when nobody holds it."""
    try:
        file = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return ""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(file, 32).decode("ascii", "replace").strip() or "unknown"
    finally:
        os.close(file)
    return ""


def refusal(error: grpc.RpcError) -> Failure:
    """What a failed call says to people: the kernel's own words when it sent them."""
    # Every RpcError of a synchronous client is the call itself; the stubs do not say so.
    call = cast("grpc.Call", error)
    for key, value in call.trailing_metadata() or ():
        if key == ERROR_TRAILER and isinstance(value, bytes):
            return of_wire(error_pb2.Error.FromString(value))
    code = call.code()
    if code is grpc.StatusCode.UNAVAILABLE:
        return NoKernel(
            "The kernel ended while it was asked.", "See its log, and start it with `jackfield run`."
        )
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Failure(
            "The running kernel does not know this command.", "Restart it: it may be an older version."
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Failure(f"The kernel did not answer within {CALL_SECONDS:g} s.", "See its log.")
    return Failure(call.details() or code.name, reason=code.name)


def _sockets(root: Path) -> Iterator[Path]:
    """Where the socket may be: a kernel started by a service has another XDG_RUNTIME_DIR than a shell."""
    user = f"/run/user/{os.getuid()}"
    seen: set[Path] = set()
    for environ in (os.environ, {"XDG_RUNTIME_DIR": user}, {}):
        try:
            place = runtime_paths(root, environ).admin_socket
        except KernelError as error:
            raise of_kernel(error) from error
        if place not in seen:
            seen.add(place)
            yield place


class _Deadline(grpc.UnaryUnaryClientInterceptor):
    """Gives each unary call a deadline; streams have none."""

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        details = client_call_details._replace(timeout=client_call_details.timeout or CALL_SECONDS)
        return continuation(details, request)
