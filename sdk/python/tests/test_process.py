"""A plugin as a real process: started by a bootstrap file, ended by a signal."""

import asyncio
import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from io import StringIO
from pathlib import Path

from jackfield_sdk.log import LONGEST_LINE, log_to_stderr
from jackfield_sdk.testing import FakeKernel, message

EXAMPLES = Path(__file__).parents[2] / "examples"


async def test_a_process_serves_and_ends_on_a_signal(tmp_path: Path) -> None:
    async with FakeKernel() as kernel:
        session = kernel.expect("example-echo")
        file = tmp_path / "bootstrap.json"
        file.write_text(json.dumps(asdict(kernel.bootstrap("example-echo"))), encoding="utf-8")
        path = os.pathsep.join([str(EXAMPLES / "echo"), *filter(None, sys.path)])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "jackfield_example_echo",
            env={"JACKFIELD_BOOTSTRAP": str(file), "PYTHONPATH": path, "PATH": os.environ["PATH"]},
        )
        await session.ready.wait()
        delivered = await kernel.deliver(message("hi"), plugin="example-echo")
        assert (await delivered.outcome).done
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        assert session.goaway.is_set()


async def test_a_plugin_run_by_hand_says_what_to_do() -> None:
    path = os.pathsep.join([str(EXAMPLES / "echo"), *filter(None, sys.path)])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "jackfield_example_echo",
        env={"PYTHONPATH": path, "PATH": os.environ["PATH"]},
        stderr=asyncio.subprocess.PIPE,
    )
    _, stderr = await process.communicate()
    assert process.returncode == 1
    assert b"JACKFIELD_BOOTSTRAP is not set" in stderr


def test_logs_are_json_lines_with_fields_and_bounded() -> None:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    stream = StringIO()
    try:
        log_to_stderr(stream=stream)
        logging.getLogger("x").warning("hello %s", "there", extra={"bot": "b"})
        try:
            raise ValueError("oops")
        except ValueError:
            logging.getLogger("x").exception("y" * 100_000)
    finally:
        root.handlers, root.level = before, level
    first, second = stream.getvalue().splitlines()
    line = json.loads(first)
    assert (line["level"], line["message"], line["fields"]) == ("warning", "hello there", {"bot": "b"})
    assert len(second) <= LONGEST_LINE
    assert "ValueError: oops" in json.loads(second)["traceback"]
