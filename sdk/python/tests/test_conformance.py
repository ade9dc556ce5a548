"""The kit finds what it is there to find: each fault, put into an adapter that has none, fails its own case."""

import importlib.util
import json
import subprocess
import sys
import xml.etree.ElementTree as tree
from pathlib import Path

import pytest
import typer
from jackfield_sdk.commands.conformance import conformance
from jackfield_sdk.commands.new import write_plugin
from jackfield_sdk.conformance.case import Outcome
from jackfield_sdk.conformance.declared import UnusablePlugin, read
from jackfield_sdk.conformance.platform import LocalPlatform
from jackfield_sdk.conformance.process import AdapterDied
from jackfield_sdk.conformance.report import evidence, page, write
from jackfield_sdk.conformance.runner import Run, run
from typer.testing import CliRunner

MANIFEST, ADAPTER, LINE = "jackfield-plugin.yaml", "adapter.py", "line.py"
FAULTS = [
    (MANIFEST, "send: [text]", "send: [text, image]", "TX-04[image]", "declared in segments.send"),
    (ADAPTER, "degraded=degraded", "degraded=()", "TX-04[image]", "segments.send lacks it"),
    (MANIFEST, "get_capabilities]", "get_capabilities, get_user_info]", "API-15[get_user_info]", "NOT_SUPPORTED"),
    (MANIFEST, "get_capabilities]", "get_capabilities, pin_message]", "CO-02[get_capabilities]", "pin_message"),
    (MANIFEST, "stream_reply, ", "", "CO-02[get_capabilities]", "reported but not declared methods: stream_reply"),
    (ADAPTER, 'platform = "tiny-chat"', "events = ('message.edited',)", "CO-01", "declared but not reported"),
    (ADAPTER, 'platform = "tiny-chat"', "send_segments = ('text', 'face')", "CO-03[segments]", "face"),
    (MANIFEST, "max: 1000", "max: 500", "TX-11", "longer than limits.text"),
    (MANIFEST, "unique: true", "unique: false", "OP-06", "unique"),
    (LINE, "dedup_key=event.message_id", 'dedup_key=""', "EV-A16", "became 2 events"),
    (LINE, "raw=native,", "", "CO-07", "no native update"),
    (LINE, 'word == "too_many"', 'word == "never"', "API-20[RATE_LIMITED]", "told as PLATFORM_ERROR"),
    (LINE, 'float(answer.get("retry_after", 1.0))', "1.0", "API-20[RATE_LIMITED]", "retry_after is 1.0"),
    (LINE, "self._writer = writer", "self._writer = writer; print(self._bot.config)", "OP-08", "shows a secret"),
    (LINE, 'raise AuthExpired("the platform', 'raise Unavailable("the platform', "OP-02", "not AUTH_EXPIRED"),
    (LINE, "except (ValueError, InvalidArgument) as", "except ZeroDivisionError as", "RX-11[malformed]", ""),
    (
        LINE,
        "        await self._bot.publish(event, dedup_key=event.message_id)\n",
        "        self._writer.write(encoded({'ack': native['id']}))\n        await self._bot.publish(event)\n",
        "OP-04[unstored]",
        "nothing came",
    ),
]  # fmt: skip


def made(folder: Path) -> Path:
    """The adapter of the template, which passes."""
    write_plugin("tiny-chat", "adapter", folder)
    return folder


def platform(folder: Path) -> LocalPlatform:
    specification = importlib.util.spec_from_file_location("local_platform", folder / "local_platform.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    created: LocalPlatform = module.create()
    return created


async def judged(folder: Path, *only: str) -> Run:
    return await run(read(folder), platform(folder), only=only)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that shows as silence shows soon."""
    monkeypatch.setattr("jackfield_sdk.conformance.runner.CASE_SECONDS", 3.0)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "right", "wrong", "case", "told"), FAULTS, ids=lambda v: str(v)[:30])
async def test_a_fault_fails_its_case(tmp_path, file, right, wrong, case, told) -> None:
    folder = made(tmp_path / "tiny")
    path = folder / "jackfield_tiny_chat" / file
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong, 1))
    (result,) = (await judged(folder, case)).results
    assert result.outcome is Outcome.FAIL
    assert told in result.reason


@pytest.mark.slow
async def test_a_run_leaves_evidence_without_secrets(tmp_path: Path) -> None:
    folder = made(tmp_path / "tiny")
    done = await judged(folder, "RX-01", "RX-04[mention_all]", "API-20[NOT_FOUND]")
    assert [done.count(one) for one in (Outcome.PASS, Outcome.FAIL, Outcome.SKIP)] == [2, 0, 1]
    paths = {path.suffix: path.read_text() for path in write(done, tmp_path / "out")}
    lines = [json.loads(line) for line in evidence(done)]
    assert {"case", "run_id", "adapter", "kit_version"} <= set(lines[0])
    heard = next(line for line in lines if line.get("event") == "message.received")
    assert heard["chat"] != "7"
    assert heard["components"] == ["Text"]
    assert lines[-1]["outcome"] == "pass"
    assert "a token for the local platform" not in "".join(paths.values())
    suite = tree.fromstring(paths[".xml"])
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "0", "1")
    assert "not declared" in page(done)


@pytest.mark.slow
def test_an_adapter_that_is_a_program_is_judged_without_a_kernel(tmp_path: Path) -> None:
    """In another language it is the same: the manifest says what to run, the exit code what came of it."""
    folder = made(tmp_path / "tiny")
    manifest = folder / "jackfield_tiny_chat" / MANIFEST
    program = json.dumps([sys.executable, "-m", "jackfield_tiny_chat"])
    text = manifest.read_text().replace("{python: jackfield_tiny_chat}", f"{{exec: {program}}}")
    manifest.write_text(text.replace("send: [text]", "send: [text, image]"))
    command = [sys.executable, "-m", "jackfield_sdk.conformance", "adapter", "--plugin", "."]
    for only, code in (("RX-02[text]", 0), ("TX-04[image]", 1)):
        done = subprocess.run(
            [*command, "--server", "local_platform:create", "--only", only, "--json"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert json.loads(done.stdout)["results"][0]["case"] == only


@pytest.mark.slow
async def test_an_adapter_that_does_not_start_says_why(tmp_path: Path) -> None:
    folder = made(tmp_path / "tiny")
    (folder / "jackfield_tiny_chat/line.py").write_text("raise SystemExit('no line today')\n")
    with pytest.raises(AdapterDied, match="no line today"):
        await judged(folder, "RX-01")


def test_folders_that_hold_no_adapter_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusablePlugin, match="0 files"):
        read(tmp_path)
    write_plugin("shy", "handler", tmp_path / "shy")
    with pytest.raises(UnusablePlugin, match="judges adapters"):
        read(tmp_path / "shy")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--server", "no_such_module:create"], "no_such_module"),
        (["--server", "json:loads"], "json:loads"),
        (["--server", "x", "--only", "ZZ-99"], "ZZ-99"),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, arguments: list[str], told: str) -> None:
    folder = made(tmp_path / "tiny")
    application: typer.Typer = conformance
    done = CliRunner().invoke(application, ["adapter", "--plugin", str(folder), *arguments])
    assert done.exit_code == 2
    assert told in done.output
