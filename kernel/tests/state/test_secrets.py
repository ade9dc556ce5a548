"""The sealed store: a crash at any step of a rotation leaves a key that opens it, and nothing opens under another name."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from jackfield_kernel.errors import Refused
from jackfield_kernel.journal.clock import JournalClock
from jackfield_kernel.journal.journal import Journal
from jackfield_kernel.journal.log import Put
from jackfield_kernel.journal.memory import MemoryLog
from jackfield_kernel.state import secrets
from jackfield_kernel.state.keyfile import KeyFile, key_id
from jackfield_kernel.state.secrets import BUCKET, EmbeddedSecrets


@contextlib.asynccontextmanager
async def opened(log: MemoryLog, key: KeyFile) -> AsyncIterator[EmbeddedSecrets]:
    info = await log.open()
    clock = JournalClock(info.journal_time, info.wall_time)
    journal = Journal(log, clock)
    committing = asyncio.create_task(journal.run())
    store = EmbeddedSecrets(log, journal, key, clock.now)
    try:
        await store.open()
        yield store
    finally:
        committing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await committing
        await log.close()


def values(store: EmbeddedSecrets) -> dict[str, str]:
    return {name: secret.value for name, secret in store.all().items()}


async def test_what_was_set_is_there_after_a_restart_and_nothing_else(tmp_path: Path) -> None:
    log, key = MemoryLog(), KeyFile(tmp_path / "secret.key")
    async with opened(log, key) as store:
        await store.write({"a": "1", "b": "zwei\n", "c": "3"})
        await store.write({"a": None, "c": "drei"})
    async with opened(log, key) as store:
        assert values(store) == {"b": "zwei\n", "c": "drei"}
        assert (await log.get(BUCKET, "b")).value.count(b"zwei") == 0


async def test_a_sealed_value_does_not_open_under_another_name(tmp_path: Path) -> None:
    log, key = MemoryLog(), KeyFile(tmp_path / "secret.key")
    async with opened(log, key) as store:
        await store.write({"weak": "1", "strong": "2"})
        sealed = (await log.get(BUCKET, "weak")).value
        await log.commit([], [Put(BUCKET, "strong", sealed)], 1.0)
    with pytest.raises(Refused) as refused:
        async with opened(log, key):
            pass
    assert refused.value.reason == "WRONG_KEY"


@pytest.mark.parametrize("step", ["before the journal", "before the file"])
async def test_a_rotation_may_be_cut_anywhere(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, key = MemoryLog(), KeyFile(tmp_path / "secret.key")

    class Cut(Exception):
        pass

    def cut(*_: object) -> None:
        raise Cut

    async with opened(log, key) as store:
        await store.write({"a": "1"})
        with monkeypatch.context() as patch:
            patch.setattr(*((secrets, "_sealer") if step == "before the journal" else (key, "settle")), cut)
            with pytest.raises(Cut):
                await store.rotate()
    async with opened(log, KeyFile(tmp_path / "secret.key")) as store:
        assert values(store) == {"a": "1"}
        await store.rotate()
    async with opened(log, KeyFile(tmp_path / "secret.key")) as store:
        assert values(store) == {"a": "1"}
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


@pytest.mark.parametrize("text", ["", "short", base64.b64encode(bytes(31)).decode(), "z" * 64, "ü" * 44])
def test_what_is_no_key_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret.key").write_text(text)
    with pytest.raises(Refused) as refused:
        KeyFile(tmp_path / "secret.key").first()
    assert (refused.value.reason, refused.value.metadata["path"]) == (
        "WRONG_KEY",
        str(tmp_path / "secret.key"),
    )
    assert refused.value.remedy


def test_a_key_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_text(bytes(32).hex())
    path.chmod(0o644)
    assert KeyFile(path).load(key_id(bytes(32))) == bytes(32)
    assert path.stat().st_mode & 0o777 == 0o600


async def test_there_is_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "MAX_SECRETS", 2)
    async with opened(MemoryLog(), KeyFile(tmp_path / "secret.key")) as store:
        await store.write({"a": "1", "b": "2"})
        with pytest.raises(Refused) as refused:
            await store.write({"c": "3"})
        assert refused.value.reason == "QUOTA_EXCEEDED"
        await store.write({"a": "new"})
        assert values(store) == {"a": "new", "b": "2"}


def test_the_cipher_costs_nothing_where_there_is_no_secret() -> None:
    code = "import sys, jackfield_kernel.app; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
