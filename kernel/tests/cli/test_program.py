"""The program itself: help, verbs of other distributions, what needs no kernel, and the greeting of `run`."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import grpc
import pytest
import typer
from jackfield.v1 import admin_pb2, admin_pb2_grpc, error_pb2, frame_pb2
from jackfield_kernel.cli import greeting, main
from jackfield_kernel.cli.checks import run_checks
from jackfield_kernel.cli.reference import commands
from jackfield_kernel.cli.show import age
from jackfield_kernel.paths import KernelLock, private_directory

from .conftest import Shell

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow


def test_help_lists_every_verb_without_loading_grpc(alone: Shell) -> None:
    code = (
        "import sys\n"
        "from jackfield_kernel.cli.main import run\n"
        "run(['--help'])\n"
        "assert 'grpc' not in sys.modules and 'rich.console' not in sys.modules, 'too much is loaded'\n"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=True
    )
    for verb in (
        "run",
        "status",
        "doctor",
        "plugin",
        "bot",
        "route",
        "event",
        "dead",
        "config",
        "send",
        "stop",
    ):
        assert f"\n  {verb} " in done.stdout


def test_every_command_teaches_with_an_example() -> None:
    found = commands()
    assert len(found) > 30
    for path, command in found:
        assert command.help, path
        assert (command.epilog or "").startswith(
            f"Example: {'cd $(' if path == 'jackfield paths' else ''}{path}"
        ), path


def test_unknown_verbs_are_usage_errors(alone: Shell) -> None:
    assert alone("nonsense").code == 2
    assert alone("plugin", "nonsense").code == 2


def test_a_verb_of_the_sdk_says_where_it_comes_from(alone: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    main.verbs.cache_clear()
    monkeypatch.setattr(main, "entry_points", lambda group: [])
    try:
        shown = alone("dev", "somewhere")
    finally:
        main.verbs.cache_clear()
    assert shown.code == 2
    assert "pip install jackfield-sdk" in shown.err


def test_other_distributions_add_verbs_but_replace_none(
    alone: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greet(name: str) -> None:
        print(f"hello {name}")

    points = [EntryPoint(name, "tests:greet", main.GROUP) for name in ("greet", "status")]
    monkeypatch.setattr(EntryPoint, "load", lambda self: greet)
    monkeypatch.setattr(main, "entry_points", lambda group: points)
    main.verbs.cache_clear()
    try:
        assert alone("greet", "you").out == "hello you\n"
        assert alone("status").code == 3
        assert "greet" in alone("--help").out
    finally:
        main.verbs.cache_clear()


def test_version_and_completion(alone: Shell) -> None:
    assert alone("--version").out.startswith("jackfield 0.")
    assert "_JACKFIELD_COMPLETE" in alone("completion", "bash").out


def test_the_shell_gets_its_completions(alone: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_JACKFIELD_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "jackfield plugin re")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert alone().out.split() == ["remove", "restart"]


def test_paths_need_no_kernel(alone: Shell) -> None:
    found = json.loads(alone("paths", "--json").out)
    assert found["journal"] == str(alone.data / "journal.db")
    assert "admin.sock" in alone("paths").out


def test_a_kernel_that_holds_the_lock_but_does_not_serve_is_named(alone: Shell) -> None:
    private_directory(alone.data)
    with KernelLock(alone.data / "kernel.lock"):
        shown = alone("status")
    assert shown.code == 3
    assert f"pid {os.getpid()}" in shown.err


def test_run_beside_another_kernel_names_its_pid(alone: Shell) -> None:
    private_directory(alone.data)
    with KernelLock(alone.data / "kernel.lock"):
        shown = alone("run")
    assert shown.code == 1
    assert f"pid {os.getpid()}" in shown.err


def test_run_refuses_a_wrong_configuration_with_file_and_key(alone: Shell, tmp_path: Path) -> None:
    file = tmp_path / "jackfield.yaml"
    file.write_text("metrics: {port: many}\n")
    shown = alone("run", "--config", str(file))
    assert shown.code == 1
    assert f"{file}: metrics.port" in shown.err


def test_doctor_names_who_holds_a_port(alone: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("JACKFIELD_METRICS__PORT", str(port))
        shown = alone("doctor", "--json")
    found = {one["name"]: one for one in json.loads(shown.out)}
    assert shown.code == 1
    assert found[f"port {port}"]["result"] == "fail"
    assert f"(pid {os.getpid()})" in found[f"port {port}"]["detail"]
    assert found["python"]["result"] == "ok"
    assert "will be made" in found["data"]["detail"]


def test_doctor_sees_a_data_directory_that_others_read(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    found = {one.name: one for one in run_checks(tmp_path, {"JACKFIELD_METRICS__ENABLED": "false"})}
    assert found["data"].result == "warn"
    assert found["data"].remedy.startswith("`chmod 700")
    broken = tmp_path / "jackfield.yaml"
    broken.write_text("metrics: [")
    found = {one.name: one for one in run_checks(tmp_path, {})}
    assert found["config"].result == "fail"


def test_ages_are_short() -> None:
    assert [age(one) for one in (0.0, 0.25, 59, 61, 7300, 200_000, -5)] == [
        "0 s", "250 ms", "59 s", "1 m", "2 h", "2 d", "0 s",
    ]  # fmt: skip


class Watched(admin_pb2_grpc.AdminServicer):
    """An Admin whose status a test changes."""

    def __init__(self) -> None:
        self.changes: asyncio.Queue[admin_pb2.Status] = asyncio.Queue()
        self.now = admin_pb2.Status(kernel_version="0.1.0")

    def change(self, status: admin_pb2.Status) -> None:
        self.now = status
        self.changes.put_nowait(status)

    async def GetStatus(self, request: object, context: object) -> admin_pb2.GetStatusResponse:
        return admin_pb2.GetStatusResponse(status=self.now)

    async def GetPlugin(self, request: object, context: object) -> admin_pb2.GetPluginResponse:
        return admin_pb2.GetPluginResponse(last_lines=["a", "b"])

    async def WatchStatus(self, request: object, context: object):  # type: ignore[no-untyped-def]
        while True:
            yield admin_pb2.WatchStatusResponse(status=await self.changes.get())


def one_plugin(state: str) -> admin_pb2.Status:
    found = admin_pb2.Status(kernel_version="0.1.0", settled=state != "STARTING")
    added = found.plugins.add(name="web", state=state)
    if state == "ACTIVE":
        added.addresses.add(label="Page", url="http://127.0.0.1:1/")
    else:
        added.reason.CopyFrom(
            error_pb2.Error(reason="UNAVAILABLE", message="port 1 is held by pid 9", remedy="Stop it.")
        )
    # It waits for its first client: that is no reason to wait for it.
    bot = found.bots.add(name="b", enabled=True, state=frame_pb2.BOT_STATE_CONNECTING)
    bot.reason.reason = "UNAVAILABLE"
    return found


@pytest.fixture
async def watched(tmp_path: Path):  # type: ignore[no-untyped-def]
    servicer = Watched()
    server = grpc.aio.server()
    admin_pb2_grpc.add_AdminServicer_to_server(servicer, server)
    target = f"unix:{tmp_path}/s"
    server.add_insecure_port(target)
    await server.start()
    yield servicer, target
    await server.stop(0)


async def test_run_prints_the_addresses_once_everything_is_ready(
    watched: tuple[Watched, str], capsys: pytest.CaptureFixture[str]
) -> None:
    servicer, target = watched
    servicer.change(one_plugin("STARTING"))
    opening = one_plugin("ACTIVE")
    opening.bots[0].ClearField("reason")
    servicer.change(opening)
    servicer.change(one_plugin("ACTIVE"))
    await greeting.greet(target)
    assert capsys.readouterr().out == (
        "Jackfield 0.1.0 is ready: 1 plugin, 1 bot.\n  Page  http://127.0.0.1:1/\n"
    )


async def test_after_its_patience_run_says_what_failed_and_why_and_later_that_all_is_ready(
    watched: tuple[Watched, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greeting, "PATIENCE", 0.05)
    servicer, target = watched
    servicer.change(one_plugin("FAILED"))
    greeter = asyncio.create_task(greeting.greet(target))
    shown = ""
    while "jackfield plugin logs web" not in shown:
        await asyncio.sleep(0)
        shown += capsys.readouterr().out
    for part in (
        "this is ready: 0 plugins, 1 bot",
        "FAILED",
        "port 1 is held by pid 9",
        "Stop it.",
        "2 last lines",
    ):
        assert part in shown
    servicer.change(one_plugin("ACTIVE"))
    await greeter
    assert "Everything is ready now." in capsys.readouterr().out


async def test_the_greeting_ends_with_its_kernel(tmp_path: Path) -> None:
    async with asyncio.timeout(10):
        await greeting.greet(f"unix:{tmp_path}/nobody")


def test_a_group_for_a_typer_app_of_another_distribution(
    monkeypatch: pytest.MonkeyPatch, alone: Shell
) -> None:
    extra = typer.Typer()

    @extra.command()
    def one() -> None:
        print("one")

    @extra.command()
    def two() -> None:
        print("two")

    monkeypatch.setattr(EntryPoint, "load", lambda self: extra)
    monkeypatch.setattr(main, "entry_points", lambda group: [EntryPoint("extra", "x:y", main.GROUP)])
    main.verbs.cache_clear()
    try:
        assert alone("extra", "two").out == "two\n"
    finally:
        main.verbs.cache_clear()


def test_plugins_that_nobody_needs_yet_hold_up_no_greeting() -> None:
    idle = [
        admin_pb2.PluginStatus(name=name, state="STOPPED", reason=error_pb2.Error(reason=name))
        for name in ("NO_BOTS", "NOT_CONFIGURED", "DISABLED")
    ]
    works = admin_pb2.PluginStatus(name="echo", state="ACTIVE")
    assert greeting.ready(admin_pb2.Status(settled=True, plugins=[works, *idle]))
    broken = admin_pb2.PluginStatus(
        name="x", state="STOPPED", reason=error_pb2.Error(reason="CONFIG_INVALID")
    )
    assert not greeting.ready(admin_pb2.Status(settled=True, plugins=[works, broken]))
