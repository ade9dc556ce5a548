"""Backup, restore, forgetting and holds, on whole kernels."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from jackfield.v1 import admin_pb2, admin_state_pb2, error_pb2, frame_pb2, kernel_pb2, kernel_pb2_grpc
from jackfield_kernel.bus import starts
from jackfield_kernel.cli.main import run as jackfield
from jackfield_kernel.state import collector
from jackfield_kernel.supervisor.adopted import RunRecord, birth_of

from tests.rig.kernel import Rig, handler_manifest, manifest, routes, rule, running
from tests.rig.raw import RawPlugin, message_event

ROUTES = {"routes": routes(b=[rule()])}
SECRET = "the-bots-own-token"


async def refusal(call: Any) -> error_pb2.Error:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return error_pb2.Error.FromString(dict(refused.value.trailing_metadata() or ())["jackfield-error-bin"])


async def store(plugin: RawPlugin, content: bytes) -> str:
    put = kernel_pb2_grpc.KernelStub(plugin.channel).Bulk()
    await put.write(
        kernel_pb2.BulkRequest(session_id=plugin.session_id, put=kernel_pb2.BulkPut(size=len(content)))
    )
    await put.write(kernel_pb2.BulkRequest(chunk=content))
    await put.done_writing()
    return str((await put.read()).stored.blob_id)


async def backup(rig: Rig, target: Path) -> admin_state_pb2.BackupSummary:
    steps = [step async for step in rig.admin.Backup(admin_state_pb2.BackupRequest(path=str(target)))]
    assert steps[0].part == admin_state_pb2.BACKUP_PART_JOURNAL
    return steps[-1].summary


def texts(delivery: frame_pb2.Delivery) -> str:
    return delivery.event.message_received.message.segments[0].text.text


async def prepared(rig: Rig) -> RawPlugin:
    """One settled event, two open ones, a blob, a secret, and a plugin's database with its write-ahead log."""
    adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest(grants=["kv"]))
    await rig.admin.SetSecret(admin_state_pb2.SetSecretRequest(name="token", value=SECRET))
    await adapter.publish(message_event("b", "settled"))
    await handler.done(await handler.delivery())
    event = message_event("b", "with blob")
    event.raw_blob_id = await store(handler, b"picture")
    await adapter.publish(event)
    await adapter.publish(message_event("b", "open"))
    await adapter.durable()
    assert texts(await handler.delivery()) == "with blob"
    return handler


async def test_a_backup_taken_under_way_is_restored_with_its_open_events_parked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, key = tmp_path / "backup", tmp_path / "key"
    async with running(tmp_path / "k", config=ROUTES) as rig:
        await prepared(rig)
        home = rig.data.plugin_home("h")
        home.mkdir(parents=True, exist_ok=True)
        live = sqlite3.connect(home / "own.db", isolation_level=None)
        live.execute("PRAGMA journal_mode = WAL")
        live.execute("CREATE TABLE t AS SELECT 7 AS x")
        (home / "notes.txt").write_text("kept")
        identity = (await rig.status()).journal
        summary = await backup(rig, target)
        live.close()
        assert (summary.journal, summary.blobs, summary.has_secrets) == (identity, 1, True)
        assert summary.key_path == str(rig.data.secret_key)
        key.write_bytes(rig.data.secret_key.read_bytes())
        assert (await refusal(first(rig, target))).reason == "CONFLICT"
        assert (await refusal(first(rig, rig.data.root / "inside"))).reason == "INVALID_ARGUMENT"
        assert (await refusal(first(rig, Path("relative")))).reason == "INVALID_ARGUMENT"
    assert not list(target.rglob("secret.key*"))
    assert {path.stat().st_mode & 0o077 for path in (target, *target.rglob("*"))} == {0}
    elsewhere = tmp_path / "n" / "data"
    assert jackfield(["restore", str(target), "--data", str(elsewhere), "--key", str(key), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["key_missing"], result["replaced"]) == (False, "")
    with closing(sqlite3.connect(elsewhere / "plugins" / "h" / "own.db")) as copied:
        assert copied.execute("SELECT x FROM t").fetchone() == (7,)
    async with running(tmp_path / "n", config=ROUTES) as rig:
        status = await rig.status()
        assert status.journal == result["journal"] != identity
        handler = await rig.plugin(handler_manifest())
        letters = (await rig.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest())).dead_letters
        assert {(one.event.text, one.error.reason) for one in letters} == {
            ("with blob", "RESTORED"),
            ("open", "RESTORED"),
        }
        # A second start parks nothing more, and a replay goes through.
        await rig.admin.ReplayDeadLetters(admin_pb2.ReplayDeadLettersRequest())
        assert {texts(await replayed_next(handler)) for _ in range(2)} == {"with blob", "open"}
        secrets = (await rig.admin.ListSecrets(admin_state_pb2.ListSecretsRequest())).secrets
        assert [one.name for one in secrets] == ["token"]


async def replayed_next(handler: RawPlugin) -> frame_pb2.Delivery:
    delivery = await handler.delivery()
    await handler.done(delivery)
    return delivery


async def first(rig: Rig, target: Path) -> None:
    await rig.admin.Backup(admin_state_pb2.BackupRequest(path=str(target))).read()


async def test_a_restore_overwrites_nothing_unasked_and_keeps_what_it_replaces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, data = tmp_path / "backup", tmp_path / "k" / "data"
    async with running(tmp_path / "k", config=ROUTES) as rig:
        await prepared(rig)
        await backup(rig, target)
        assert jackfield(["restore", str(target), "--data", str(data), "--force"]) == 1
        assert "JOURNAL_LOCKED" in capsys.readouterr().err
    assert jackfield(["restore", str(target), "--data", str(data)]) == 1
    assert "CONFLICT" in capsys.readouterr().err
    (tmp_path / "other").write_text("0" * 64)
    wrong = ["restore", str(target), "--data", str(data), "--force", "--key", str(tmp_path / "other")]
    assert jackfield(wrong) == 1
    assert "WRONG_KEY" in capsys.readouterr().err
    before = (data / "journal.db").read_bytes()
    left = data / "running" / "h.json"
    left.parent.mkdir(exist_ok=True)
    RunRecord(os.getpid(), birth_of(os.getpid()), "process", "", "").write(left)
    assert jackfield(["restore", str(target), "--data", str(data), "--force"]) == 1
    assert f"h (pid {os.getpid()})" in capsys.readouterr().err
    left.unlink()
    assert jackfield(["restore", str(target), "--data", str(data), "--force", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (Path(result["replaced"]) / "journal.db").read_bytes() == before
    assert not result["key_missing"]
    # Cut between its two last steps, and run again: the key is found where the first one put it.
    data.rename(data.with_name("data.restoring"))
    assert jackfield(["run", "--data", str(data)]) == 1
    assert jackfield(["restore", str(target), "--data", str(data)]) == 0
    async with running(tmp_path / "k", config=ROUTES) as rig:
        assert (await rig.admin.ListSecrets(admin_state_pb2.ListSecretsRequest())).secrets


def cut_short(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda folder: (folder / "backup.json").unlink(), "no backup"),
        (lambda folder: (folder / "backup.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "backup.json").write_text('{"format": 99}'), "format 99"),
        (lambda folder: cut_short(folder / "journal.db"), "CORRUPT"),
        (lambda folder: newer(folder / "journal.db"), "JOURNAL_TOO_NEW"),
        (lambda folder: (folder / "journal.db").write_bytes(b"x" * 9_000), "CORRUPT"),
    ],
)
async def test_a_harmed_backup_is_refused_and_nothing_is_touched(
    tmp_path: Path, harm: Callable[[Path], object], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path / "k", config=ROUTES) as rig:
        await backup(rig, tmp_path / "backup")
    harm(tmp_path / "backup")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    assert jackfield(["restore", str(tmp_path / "backup"), "--data", str(tmp_path / "new")]) == 1
    assert says in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_an_interrupted_restore_is_not_taken_for_an_empty_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data.restoring").mkdir()
    assert jackfield(["run", "--data", str(tmp_path / "data")]) == 1
    assert "restore" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


async def test_a_person_is_forgotten_and_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "STEP_SECONDS", 0.0)
    observes = "jackfield.user_forgotten"
    watching = manifest("watcher", "service", grants=[f"observe:{observes}"], observes=[observes])
    async with running(tmp_path, config=ROUTES) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest(grants=["kv"]))
        watcher = await rig.plugin(watching)
        hers, shared = await store(handler, b"hers"), await store(handler, b"shared")
        for sender, text, blob in (
            ("ann", "annsword", hers),
            ("ann", "annsshared", shared),
            ("bob", "bobsword", shared),
        ):
            event = message_event("b", text, chat=f"room-{sender}", sender=sender)
            event.raw_blob_id = blob
            await adapter.publish(event)
            delivery = await handler.delivery()
            if text == "annsshared":
                await handler.nack(delivery)
                continue
            writes = [frame_pb2.KvWrite(key=f"seen/b:private:{sender}", value=text.encode())]
            emits = [frame_pb2.Emit(type="h.noted")]
            await handler.done(delivery, writes=writes, emits=emits)
        await rig.until(lambda status: status.bus.done == 2 and status.bus.dead == 1)
        await adapter.publish(message_event("b", "annsopen", sender="ann"))
        await handler.delivery()
        dry = await rig.admin.ForgetUser(admin_state_pb2.ForgetUserRequest(user="ann", dry_run=True))
        done = await rig.admin.ForgetUser(admin_state_pb2.ForgetUserRequest(user="ann"))
        # Two that were handled, one that became a dead letter, and the kernel's word of that one.
        assert (done.events, done.dead_letters, done.entries, done.blobs, done.open) == (4, 1, 1, 1, 1)
        assert (dry.events, dry.records, list(dry.plugins)) == (4, done.records, ["watcher"])
        told = await watcher.delivery()
        assert dict(told.event.custom.data) == {"user": "ann", "bot": ""}
        events = (await rig.admin.ListEvents(admin_pb2.ListEventsRequest())).events
        assert {one.text for one in events if one.type == "message.received"} == {"bobsword", "annsopen"}
        again = await rig.admin.ForgetUser(admin_state_pb2.ForgetUserRequest(user="ann"))
        assert (again.events, again.open) == (0, 1)
        bots = rig.admin.ForgetUser(admin_state_pb2.ForgetUserRequest(user="bob", bot="none"))
        assert (await refusal(bots)).reason == "UNKNOWN_BOT"
        blobs = {path.name for path in rig.data.blobs.glob("*/*")}
        assert blobs == {shared}
    everything = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("journal.db*"))
    assert b"annsword" not in everything
    assert b"bobsword" in everything


async def test_a_lost_tail_holds_until_it_is_accepted_also_over_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, config=ROUTES) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        await adapter.close()
        claims = frame_pb2.Attach(acknowledged_sequence=5, open_bots=["b"])
        await adapter.connect(attach=claims)
        assert adapter.attached.committed_sequence == 5
        await adapter.publish(message_event("b", "new"))
        await adapter.durable()
        problem = (await rig.status()).problems[0]
        assert problem.reason == "LOST_TAIL"
        assert "jackfield resume LOST_TAIL" in problem.remedy
    async with running(tmp_path, config=ROUTES) as rig:
        handler = await rig.plugin(handler_manifest())
        status = await rig.status()
        assert ([one.reason for one in status.problems][:1], status.bus.leased) == (["LOST_TAIL"], 0)
        wrong = rig.admin.Resume(admin_state_pb2.ResumeRequest(reason="RESTART_LOOP"))
        assert (await refusal(wrong)).reason == "NOT_FOUND"
        answer = await rig.admin.Resume(admin_state_pb2.ResumeRequest(reason="LOST_TAIL"))
        assert list(answer.ended) == ["5 publishes of a are lost"]
        assert texts(await handler.delivery()) == "new"
        assert not (await rig.status()).problems


def pretend_crashes(data: Path, count: int) -> None:
    """The note that starts leave when no end in order follows."""
    with closing(sqlite3.connect(data / "journal.db")) as file:
        now = file.execute("SELECT time FROM head").fetchone()[0]
        times = json.dumps([now] * count).encode()
        file.execute("INSERT OR REPLACE INTO bucket VALUES ('meta', 'starts', ?, 1, 0)", (times,))
        file.commit()


async def test_too_many_starts_after_crashes_hold_and_end_by_word_or_by_calm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, config=ROUTES) as rig:
        assert not (await rig.status()).problems
    pretend_crashes(tmp_path / "data", 1)
    async with running(tmp_path, config=ROUTES) as rig:
        assert not (await rig.status()).problems
    pretend_crashes(tmp_path / "data", 2)
    async with running(tmp_path, config=ROUTES) as rig:
        assert [one.reason for one in (await rig.status()).problems] == ["RESTART_LOOP"]
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        await adapter.publish(message_event("b", "held"))
        await adapter.durable()
        assert (await rig.status()).bus.leased == 0
        await rig.admin.Resume(admin_state_pb2.ResumeRequest(reason="RESTART_LOOP"))
        await handler.done(await handler.delivery())
    pretend_crashes(tmp_path / "data", 2)
    calm = asyncio.Event()

    async def rest(seconds: float) -> None:
        assert seconds == starts.WITHIN_SECONDS
        await calm.wait()

    monkeypatch.setattr(starts, "rest", rest)
    async with running(tmp_path, config=ROUTES) as rig:
        assert (await rig.status()).problems
        calm.set()
        await rig.until(lambda status: not status.problems)


async def test_credentials_are_held_across_kernels_and_a_freed_one_opens_by_itself(tmp_path: Path) -> None:
    unique = {"type": "object", "properties": {"token": {"type": "string", "secret": True, "unique": True}}}
    provides = {"services": ["jackfield.v1.Adapter"], "platform": "wire", "intake": "acknowledged"}
    wire = manifest("wire", "adapter", provides=provides, bot_config=unique)
    request = admin_pb2.AddBotRequest(name="one", adapter="wire")
    request.config.update({"token": f"unique-{os.getpid()}-{tmp_path.name}"})
    async with running(tmp_path / "1") as one, running(tmp_path / "2") as two:
        holder, waiting = await one.plugin(wire), await two.plugin(wire)
        await one.admin.AddBot(request)
        await one.until_bots("one")
        await two.admin.AddBot(request)
        status = await two.until(lambda status: status.bots[0].reason.reason == "CREDENTIAL_IN_USE")
        reason = status.bots[0].reason
        assert (reason.metadata["holder"], reason.metadata["pid"]) == (
            str(tmp_path / "1" / "data"),
            str(os.getpid()),
        )
        assert "unique-" not in reason.message
        assert [call.method for call in waiting.served] == []
        await one.admin.RemoveBot(admin_pb2.RemoveBotRequest(name="one"))
        await two.until_bots("one")
        assert [call.method.rpartition("/")[2] for call in holder.served] == ["OpenBot", "CloseBot"]
