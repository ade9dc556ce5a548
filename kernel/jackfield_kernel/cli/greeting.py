"""What `run` says once everything is ready, or what is not when that takes too long."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import grpc
from jackfield.v1 import admin_pb2, admin_pb2_grpc, error_pb2

from .show import brief, print_table, say, with_fix
from .status import IDLE, state_of

PATIENCE = 10.0
"""Seconds after which it is said what is not ready."""

COLUMNS = ("what", "state", "why")


@dataclass(frozen=True)
class Row:
    """Something that is not ready."""

    what: str
    state: str
    error: error_pb2.Error
    lines: int = 0

    def cells(self) -> tuple[str, ...]:
        """For the table."""
        why = with_fix(brief(self.error), self.error.remedy)
        if self.lines:
            why += f"\nLog: {self.lines} last lines, jackfield plugin logs {self.what.partition(' ')[2]}"
        return self.what, self.state, why


async def greet(target: str) -> None:
    """Watch the kernel at `target` and print its addresses once all is ready; ends then, or with the kernel.

    After PATIENCE seconds it prints what is ready and what is not, and goes on watching.
    """
    async with grpc.aio.insecure_channel(target) as channel:
        stub: admin_pb2_grpc.AdminAsyncStub = admin_pb2_grpc.AdminStub(channel)
        fresh: asyncio.Queue[admin_pb2.Status | None] = asyncio.Queue()
        reader = asyncio.create_task(_read(stub, fresh), name="greeting reader")
        try:
            await _watch(stub, fresh)
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


async def _read(stub: admin_pb2_grpc.AdminAsyncStub, fresh: asyncio.Queue[admin_pb2.Status | None]) -> None:
    try:
        async for response in stub.WatchStatus(admin_pb2.WatchStatusRequest()):
            fresh.put_nowait(response.status)
    except grpc.aio.AioRpcError:
        # The kernel ends; it says why itself.
        pass
    fresh.put_nowait(None)


async def _watch(stub: admin_pb2_grpc.AdminAsyncStub, fresh: asyncio.Queue[admin_pb2.Status | None]) -> None:
    status: admin_pb2.Status | None = None
    reported = False
    try:
        async with asyncio.timeout(PATIENCE):
            while (status := await fresh.get()) is not None:
                if ready(status):
                    print_ready(status)
                    return
    except TimeoutError:
        status = (await stub.GetStatus(admin_pb2.GetStatusRequest())).status
        if not ready(status):
            await _report(stub, status)
            reported = True
    while status is not None:
        if ready(status):
            if reported:
                say("Everything is ready now.")
            print_ready(status)
            return
        status = await fresh.get()


def ready(status: admin_pb2.Status) -> bool:
    """Whether everything that is wanted works."""
    return status.settled and not not_ready(status)


def not_ready(status: admin_pb2.Status) -> list[Row]:
    """What does not work, and what is wrong beside that."""
    rows = [
        Row(f"plugin {one.name}", one.state, one.reason)
        for one in status.plugins
        if (one.state != "ACTIVE" or one.reason.reason) and one.reason.reason not in IDLE
    ]
    rows += [
        Row(f"bot {one.name}", state_of(one), one.reason)
        for one in status.bots
        # A bot that connects and gives a reason waits for somebody else, such as its first client.
        if one.enabled
        and (state_of(one) == "FAILED" or (state_of(one) == "CONNECTING" and not one.HasField("reason")))
    ]
    # Problems repeat what a plugin or bot says; only the others are news.
    told = {row.error.reason for row in rows}
    rows += [Row("kernel", "warn", one) for one in status.problems if one.reason not in told]
    return rows


def print_ready(status: admin_pb2.Status) -> None:
    """Print where people and platforms connect to."""
    addresses = [address for plugin in status.plugins for address in plugin.addresses]
    addresses.extend(status.addresses)
    width = max((len(address.label) for address in addresses), default=0)
    say(f"Jackfield {status.kernel_version} is ready: {count(status)}.")
    for address in addresses:
        say(f"  {address.label:<{width}}  {address.url}")
    if not status.plugins:
        say("  No plugin is installed; it can do nothing yet. See `jackfield plugin install --help`.")


def count(status: admin_pb2.Status) -> str:
    """How many plugins and bots work."""
    plugins = sum(one.state == "ACTIVE" for one in status.plugins)
    bots = sum(one.enabled and state_of(one) in ("ACTIVE", "CONNECTING") for one in status.bots)
    return f"{plugins} plugin{'s' * (plugins != 1)}, {bots} bot{'s' * (bots != 1)}"


async def _report(stub: admin_pb2_grpc.AdminAsyncStub, status: admin_pb2.Status) -> None:
    say(f"After {PATIENCE:.0f} s this is ready: {count(status)}.")
    for plugin in status.plugins:
        for address in plugin.addresses:
            say(f"  {address.label}  {address.url}")
    rows = []
    for row in not_ready(status):
        kind, _, name = row.what.partition(" ")
        lines = 0
        if kind == "plugin":
            found = await stub.GetPlugin(admin_pb2.GetPluginRequest(name=name))
            lines = len(found.last_lines)
        rows.append(Row(row.what, row.state, row.error, lines).cells())
    say("This is not:")
    print_table(COLUMNS, rows)
