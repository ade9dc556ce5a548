"""Printing for people and for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from jackfield.v1 import error_pb2
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..telemetry.safe_text import one_line, safe_text

_GOOD = {"ACTIVE", "DONE", "yes", "ok"}
_BAD = {"FAILED", "PARKED", "DEAD", "fail"}
_SO_SO = {"STARTING", "CONNECTING", "DRAINING", "STOPPED", "warn", "DROPPED", "INTERRUPTED"}
_PIPE_WIDTH = 1000
"""Columns of output that nobody looks at directly: nothing is folded or cut."""


def console(*, stderr: bool = False) -> Console:
    """The terminal; colours and folding only when it is one."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream,
        width=None if stream.isatty() else _PIPE_WIDTH,
        highlight=False,
        emoji=False,
        markup=False,
    )


def print_json(message: Message) -> None:
    """Print a message as protobuf JSON with the names of the contract, every plain field present."""
    print(_json(message, indent=2))


def print_json_line(message: Message) -> None:
    """The same on one line, for streams."""
    print(_json(message, indent=None), flush=True)


def print_plain_json(value: object) -> None:
    """Print what is no message of the contract."""
    print(json.dumps(value, indent=2))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str = "none", folding: int = 1
) -> None:
    """Print rows below their columns; words of state get their colour. `empty` is said without rows.

    On a narrow terminal only the last `folding` columns are folded.
    """
    table = Table(box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False, header_style="bold")
    for number, name in enumerate(columns):
        if number < len(columns) - folding:
            table.add_column(name, no_wrap=True)
        else:
            table.add_column(name, overflow="fold", min_width=20 // folding)
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    _print(table if table.rows else Text(empty))


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names with their values; a fact without a value is left out."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        if value:
            table.add_row(name, cell(value))
    _print(table)


def print_errors(errors: Iterable[error_pb2.Error]) -> None:
    """Print what is wrong, each with what to do."""
    for error in errors:
        indented = said(error).replace("\n", "\n    ")
        say(f"- {indented}")
        if error.remedy:
            say(f"  Fix: {error.remedy}")


def say(text: str = "", *, stderr: bool = False) -> None:
    """Print a sentence."""
    console(stderr=stderr).print(safe_text(text), soft_wrap=True)


def say_now(text: str) -> None:
    """Print a line of a stream."""
    print(safe_text(text), flush=True)


def cell(value: str) -> Text:
    """A value for a table: safe, and coloured when it is a word of state."""
    word = value.split(" ")[0]
    style = "green" if word in _GOOD else "red" if word in _BAD else "yellow" if word in _SO_SO else ""
    return Text("\n".join(one_line(line) for line in value.split("\n")), style=style)


def said(error: error_pb2.Error) -> str:
    """An error as a sentence."""
    if not error.message:
        return error.reason
    return f"{error.message} [{error.reason}]" if error.reason else error.message


def brief(error: error_pb2.Error) -> str:
    """The first line of an error, for a table."""
    first, *more = said(error).splitlines() or [""]
    return f"{first} (and {len(more)} more)" if more else first


def with_fix(text: str, fix: str) -> str:
    """What is wrong, and below it what to do."""
    return f"{text}\nFix: {fix}" if fix else text


def clock(stamp: Timestamp, *, date: bool = True) -> str:
    """Local time; empty for a time that was never set."""
    if not stamp.seconds:
        return ""
    local = datetime.fromtimestamp(stamp.seconds + stamp.nanos / 1e9)
    return local.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S")


def since(stamp: Timestamp) -> str:
    """How long ago, such as `3 m`."""
    return age(time.time() - stamp.seconds) if stamp.seconds else ""


def seconds(duration: Duration) -> float:
    """A duration in seconds."""
    return duration.seconds + duration.nanos / 1e9


def age(span: float) -> str:
    """A span of seconds such as `12 s`, `3 m`, `5 h`, `2 d`."""
    span = max(0.0, span)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if span >= length:
            return f"{int(span // length)} {unit}"
    return f"{span:.0f} s" if span >= 1 or span == 0 else f"{span * 1000:.0f} ms"


def size(count: float) -> str:
    """A number of bytes such as `12 KiB`, `3.4 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"


def _print(content: Table | Text) -> None:
    """Print; in a file or pipe without the blanks that fill a table's last column."""
    out = console()
    if out.is_terminal:
        out.print(content)
        return
    with out.capture() as captured:
        out.print(content)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()).strip("\n"))


def _json(message: Message, indent: int | None) -> str:
    return json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, indent=indent
    )
