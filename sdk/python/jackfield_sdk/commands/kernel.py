"""The running kernel's Admin service, as the SDK's commands reach it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import grpc
import grpc.aio
import typer
from jackfield.v1 import admin_pb2_grpc, error_pb2

if TYPE_CHECKING:
    from jackfield.v1.admin_pb2_grpc import AdminAsyncStub

ERROR_TRAILER = "jackfield-error-bin"
CALL_SECONDS = 30.0

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data directory of the kernel; JACKFIELD_DATA, or ~/.local/share/jackfield.",
        show_default=False,
    ),
]


def find_kernel(context: typer.Context, data: Path | None) -> str:
    """The address of the Admin service, found by the kernel's command line, which runs this command."""
    locate = context.obj
    if not callable(locate):
        raise typer.BadParameter("run this as `jackfield ...`, from the kernel's environment")
    return str(locate(data))


@contextlib.asynccontextmanager
async def admin(address: str) -> AsyncIterator[AdminAsyncStub]:
    """The Admin service at an address."""
    options = (("grpc.default_authority", "localhost"), ("grpc.max_receive_message_length", -1))
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        stub: Any = admin_pb2_grpc.AdminStub(channel)
        yield stub


def refusal(error: grpc.aio.AioRpcError) -> error_pb2.Error:
    """What the kernel says about a failed call; made up from the gRPC code when it said nothing."""
    for key, value in error.trailing_metadata() or ():
        if key == ERROR_TRAILER and isinstance(value, bytes):
            return error_pb2.Error.FromString(value)
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return error_pb2.Error(
            reason="UNAVAILABLE",
            message="the kernel ended",
            remedy="See its log, and start it with `jackfield run`.",
        )
    return error_pb2.Error(reason=error.code().name, message=error.details() or error.code().name)


@contextlib.contextmanager
def interrupts(stop: asyncio.Event) -> Iterator[None]:
    """Ctrl-C and TERM set `stop` instead of breaking off."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
