"""`jackfield top`: a live view of the kernel."""

from __future__ import annotations

import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToDict
from jackfield.v1 import admin_pb2, admin_pb2_grpc
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .client import admin
from .failure import Failure
from .lazy import new_app
from .options import Data, Json
from .rates import Look, PluginRates, rates
from .show import age, brief, cell, console, print_plain_json, seconds, since
from .status import state_of

app = new_app()

COLUMNS = ("plugin", "state", "cpu %", "memory", "restarts", "done/s", "waiting", "at it", "oldest", "outbox")
FIRST_LOOK = 0.5
"""Seconds between the two looks that one frame compares."""


@app.command(epilog="Example: jackfield top --once")
def top(
    interval: Annotated[
        float, typer.Option("--interval", min=0.2, max=60.0, help="Seconds between two looks.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print one frame and end.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show live what plugins, bots and lanes do. Keys: q ends it."""
    with admin(data) as stub:
        first = look(stub)
        if once or json:
            time.sleep(FIRST_LOOK)
            now = look(stub)
            if json:
                print_plain_json(snapshot(first, now))
            else:
                console().print(frame(first, now))
            return
        if not sys.stdin.isatty() or not sys.stdout.isatty():
            raise Failure("This is no terminal.", "Use `jackfield top --once` or `jackfield top --json`.")
        _live(stub, first, interval)


def look(stub: admin_pb2_grpc.AdminStub) -> Look:
    """Ask the kernel."""
    return Look(
        stub.GetStatus(admin_pb2.GetStatusRequest()).status,
        stub.GetFigures(admin_pb2.GetFiguresRequest(processes=True)),
    )


def _live(stub: admin_pb2_grpc.AdminStub, first: Look, interval: float) -> None:
    before, now = None, first
    with _keys(), Live(frame(before, now), console=console(), screen=True, auto_refresh=False) as live:
        while True:
            if _pressed(interval) in ("q", "Q", "\x03", "\x04"):
                return
            before, now = now, look(stub)
            live.update(frame(before, now), refresh=True)


@contextmanager
def _keys() -> Iterator[None]:
    """Keys arrive one by one and are not echoed."""
    descriptor = sys.stdin.fileno()
    earlier = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, earlier)


def _pressed(wait: float) -> str:
    """The key that was pressed within `wait` seconds; empty for none."""
    ready, _, _ = select.select([sys.stdin], [], [], wait)
    return sys.stdin.read(1) if ready else ""


def frame(before: Look | None, now: Look) -> Group:
    """One frame."""
    whole, plugins = rates(before, now)
    status, figures, bus = now.status, now.figures, now.status.bus
    head = Text.assemble(
        ("jackfield ", "bold"),
        f"{status.kernel_version}, up {since(status.start_time)}, cpu {whole.kernel_cpu:.0f} %, ",
        f"{size(figures.kernel_memory_bytes)}\n",
        f"events {whole.events:.0f}/s, deliveries {whole.done:.0f}/s, calls {whole.calls:.0f}/s; ",
        f"{bus.ready} wait, {bus.leased} at handlers, {bus.lanes} lanes busy, {bus.waiting} without rules, ",
        f"{bus.dead} dead letters\n",
        f"oldest {age(seconds(bus.oldest))}, loop lag {age(figures.loop_lag_seconds)}, ",
        f"commit {age(figures.commit_seconds)}, backlog {figures.journal_backlog}, ",
        f"journal {size(figures.journal_bytes)}, blobs {size(figures.blob_bytes)}",
    )
    parts: list[Text | Table] = [head, _plugins(now, plugins)]
    if status.bots:
        parts.append(_bots(status))
    for error in status.problems[:5]:
        parts.append(Text(f"! {brief(error)}", style="yellow"))
    return Group(*parts)


def _plugins(now: Look, found: dict[str, PluginRates]) -> Table:
    table = _table(COLUMNS, right=COLUMNS[2:])
    states = {plugin.name: plugin.state for plugin in now.status.plugins}
    for plugin in now.figures.plugins:
        rate = found.get(plugin.name, PluginRates())
        oldest = seconds(plugin.oldest)
        table.add_row(
            cell(plugin.name),
            cell(states.get(plugin.name, "")),
            f"{rate.cpu:.0f}",
            size(plugin.memory_bytes) if plugin.memory_bytes else "",
            str(plugin.restarts or ""),
            f"{rate.done:.0f}",
            str(plugin.waiting or ""),
            str(plugin.leased or ""),
            age(oldest) if oldest else "",
            str(plugin.outbox or ""),
        )
    return table


def _bots(status: admin_pb2.Status) -> Table:
    table = _table(("bot", "state", "adapter", "why"))
    for bot in status.bots:
        why = brief(bot.reason) if bot.HasField("reason") else ""
        table.add_row(*(cell(value) for value in (bot.name, state_of(bot), bot.adapter, why)))
    return table


def _table(columns: tuple[str, ...], right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=name != "why")
    return table


def snapshot(before: Look, now: Look) -> dict[str, object]:
    """One frame for programs."""
    whole, plugins = rates(before, now)
    figures = MessageToDict(
        now.figures, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {
        "rates": {name: round(value, 3) for name, value in vars(whole).items()},
        "plugin_rates": {
            name: {key: round(value, 3) for key, value in vars(one).items()} for name, one in plugins.items()
        },
        "figures": figures,
        "status": MessageToDict(
            now.status, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        ),
    }


def size(count: int) -> str:
    """Bytes such as `512 KiB`, `21 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
