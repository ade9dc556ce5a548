"""Admin.TailLogs: what a plugin writes, line by line."""

from __future__ import annotations

import asyncio
from pathlib import Path

from jackfield.v1 import admin_pb2

from tests.rig.kernel import handler_manifest, running


async def test_followed_lines_are_whole(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.plugin(handler_manifest("h"))
        path = rig.data.plugin_log("h")
        path.write_text("old\n")
        stream = rig.admin.TailLogs(admin_pb2.TailLogsRequest(name="h", lines=1, follow=True))
        rig.stack.callback(stream.cancel)
        assert list((await stream.read()).lines) == ["old"]
        with path.open("a", encoding="utf-8") as log:
            log.write("one\nhalf a")
            log.flush()
            assert list((await asyncio.wait_for(stream.read(), 10)).lines) == ["one"]
            log.write(" line\u2028of one\x1b\n")
            log.flush()
            found = await asyncio.wait_for(stream.read(), 10)
        assert list(found.lines) == ["half a line\ufffdof one\ufffd"]
