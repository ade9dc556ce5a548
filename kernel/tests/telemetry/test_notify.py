"""Word to the service manager: real datagrams on a real socket."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from jackfield_kernel.telemetry.notify import READY, ServiceManager


def test_nothing_is_said_without_a_manager() -> None:
    ServiceManager({}).say(READY)


def test_a_word_is_one_datagram(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")}).say(READY)
        assert manager.recv(64) == b"READY=1"


def test_an_abstract_address_begins_with_at(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{tmp_path}")
        ServiceManager({"NOTIFY_SOCKET": f"@{tmp_path}"}).say(READY)
        assert manager.recv(64) == b"READY=1"


def test_a_manager_that_is_gone_is_only_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).say(READY)
    assert "does not hear READY=1" in caplog.text


async def test_the_heartbeat_comes_twice_within_the_allowed_time(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
        beating = asyncio.create_task(ServiceManager(environ).beats())
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(3):
            assert await asyncio.wait_for(loop.sock_recv(manager, 64), 2.0) == b"WATCHDOG=1"
        assert loop.time() - began >= 0.09
        beating.cancel()


async def test_a_manager_without_watchdog_gets_no_heartbeat(tmp_path: Path) -> None:
    await asyncio.wait_for(ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "n")}).beats(), 1.0)
