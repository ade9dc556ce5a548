"""A server as a child process that speaks by lines. Lines are bounded, garbage is passed over and counted, stderr goes to the log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable

import anyio
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from jackfield_mcp.settings import Server

LARGEST_LINE = 8 * 1024 * 1024
MOST_GARBAGE = 100
LONGEST_LOG = 500
GRACE_SECONDS = 2.0
Say = Callable[[str], None]


@contextlib.asynccontextmanager
async def stdio(server: Server, ended: Say, said: Say) -> AsyncIterator[TransportStreams]:
    """Run the server. `ended` hears why it speaks no more, `said` a line of its stderr. Raises OSError when it cannot be started."""
    process = await asyncio.create_subprocess_exec(
        server.command,
        *server.args,
        env={**os.environ, **server.env},
        cwd=server.directory or None,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LARGEST_LINE,
    )
    heard, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, to_say = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.create_task(_read(process, heard, ended), name=f"mcp {server.name} stdout"),
        asyncio.create_task(_write(process, to_say), name=f"mcp {server.name} stdin"),
        asyncio.create_task(_errors(process, said), name=f"mcp {server.name} stderr"),
    ]
    try:
        yield incoming, outgoing
    finally:
        for stream in (heard, incoming, outgoing, to_say):
            stream.close()
        await asyncio.shield(_end(process, tasks))


async def _read(
    process: asyncio.subprocess.Process,
    heard: anyio.abc.ObjectSendStream[SessionMessage | Exception],
    ended: Say,
) -> None:
    """Hand on what it says, until it says no more or only nonsense."""
    assert process.stdout is not None
    garbage, why = 0, ""
    try:
        while line := await process.stdout.readline():
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                garbage += 1
                if garbage > MOST_GARBAGE:
                    why = f"it wrote {garbage} lines on stdout that are no messages"
                    return
                continue
            garbage = 0
            await heard.send(SessionMessage(message))
        why = "it closed its stdout"
    except ValueError:
        why = f"it wrote a line above {LARGEST_LINE >> 20} MiB"
    except (anyio.ClosedResourceError, anyio.BrokenResourceError):
        why = "the connection was closed"
    finally:
        ended(why)
        with contextlib.suppress(anyio.ClosedResourceError):
            await heard.aclose()


async def _write(
    process: asyncio.subprocess.Process, to_say: anyio.abc.ObjectReceiveStream[SessionMessage]
) -> None:
    """Say what the session says. A closed pipe ends it: the reader tells why."""
    assert process.stdin is not None
    with contextlib.suppress(ConnectionError, anyio.ClosedResourceError):
        async for message in to_say:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(text.encode() + b"\n")
            await process.stdin.drain()


async def _errors(process: asyncio.subprocess.Process, said: Say) -> None:
    """Its stderr by lines; a line without an end is cut."""
    assert process.stderr is not None
    while chunk := await process.stderr.read(64 * 1024):
        for line in chunk.decode(errors="replace").splitlines()[-5:]:
            if line.strip():
                said(line.strip()[:LONGEST_LOG])


async def _end(process: asyncio.subprocess.Process, tasks: list[asyncio.Task[None]]) -> None:
    """Close its stdin, ask, and kill: nothing of it stays."""
    for task in tasks[:2]:
        task.cancel()
    assert process.stdin is not None
    process.stdin.close()
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await process.wait()
            break
        except TimeoutError:
            continue
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
