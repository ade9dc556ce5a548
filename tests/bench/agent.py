"""What the agent adds to a model: a turn in the web chat with a model that takes no time, without and with one tool.

python -m tests.bench.agent [--count 100]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from . import tree
from .subjects import environment, free_port

PATIENCE = 30.0
PLUGINS = ("router", "webchat", "agent", "tools-basic", "model-demo")
TURNS = {"answer": "hello", "tool and answer": "use time_now {}"}


async def opened(session: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
    """A page's connection, as soon as the bot takes it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await session.ws_connect(url)
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


async def turn(socket: aiohttp.ClientWebSocketResponse, number: int, text: str) -> tuple[float, float]:
    """Seconds to the first word and to the settled answer."""
    began = time.perf_counter()
    message = [{"type": "Plain", "text": text}]
    await socket.send_json({"type": "message", "id": f"c{number}", "message": message, "stream": True})
    first = 0.0
    async with asyncio.timeout(PATIENCE):
        while True:
            frame = await socket.receive_json()
            if frame["type"] != "response" or not frame["data"]["content"]:
                continue
            now = time.perf_counter() - began
            first = first or now
            if frame["data"].get("is_final", True):
                return first, now


async def turns(port: int, count: int) -> dict[str, Any]:
    """One after another, each kind of turn."""
    figures: dict[str, Any] = {}
    async with aiohttp.ClientSession() as session:
        socket = await opened(session, f"http://127.0.0.1:{port}/ws?session=bench")
        async with socket:
            numbers = iter(range(10**6))
            for name, text in TURNS.items():
                for _ in range(5):
                    await turn(socket, next(numbers), text)
                taken = [await turn(socket, next(numbers), text) for _ in range(count)]
                for at, when in enumerate(("first", "whole")):
                    ordered = sorted(one[at] for one in taken)
                    figures[f"{name}, {when}"] = {
                        "p50_ms": 1000 * ordered[count // 2],
                        "p99_ms": 1000 * ordered[int(count * 0.99)],
                    }
    return figures


def run(count: int) -> dict[str, Any]:
    """A kernel of its own with what an agent needs."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        plugins: dict[str, Any] = {plugin: {} for plugin in PLUGINS}
        plugins["webchat"]["config"] = {"port": port}
        plugins["model-demo"]["config"] = {"words_per_second": 0}
        config = {"discover": False, "metrics": {"enabled": False}, "plugins": plugins}
        (folder / "jackfield.yaml").write_text(json.dumps(config))
        command = [sys.executable, str(Path(sys.executable).with_name("jackfield")), "run"]
        command += ["--data", str(folder / "data"), "--config", str(folder / "jackfield.yaml")]
        kernel = subprocess.Popen(
            [*command, "--log-level", "warning"], stdout=subprocess.DEVNULL, env=environment()
        )
        try:
            return asyncio.run(turns(port, count))
        finally:
            kernel.send_signal(signal.SIGINT)
            try:
                kernel.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                tree.stop(kernel.pid)
                kernel.wait()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.agent", description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    for name, figures in run(parser.parse_args().count).items():
        print(f"{name}: p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms")


if __name__ == "__main__":
    main()
