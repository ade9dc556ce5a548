"""The verbs of state and care: what they ask, what they print, and that no value is ever shown or taken from the command line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jackfield.v1 import admin_pb2, admin_state_pb2, error_pb2, kernel_pb2

from .conftest import Shell


class Input:
    """Standard input of a command."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)

    def isatty(self) -> bool:
        return False


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    return lambda content: monkeypatch.setattr("sys.stdin", Input(content))


def test_a_secret_comes_from_standard_input_without_the_last_line_end(
    shell: Shell, typed: Callable[[bytes], None]
) -> None:
    shell.admin.answers["SetSecret"] = admin_state_pb2.SetSecretResponse(used_by=["bot one"])
    typed("zwei\nZeilen ü\n".encode())
    shown = shell("secret", "set", "token")
    assert (shown.code, "bot one" in shown.out, "Zeilen" in shown.out) == (0, True, False)
    assert shell.admin.requests[-1] == admin_state_pb2.SetSecretRequest(name="token", value="zwei\nZeilen ü")
    assert shell("secret", "set", "token", "on-the-line").code == 2


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_an_empty_or_broken_secret_is_wrong_usage(
    shell: Shell, typed: Callable[[bytes], None], content: bytes
) -> None:
    typed(content)
    assert shell("secret", "set", "token").code == 2
    assert not shell.admin.requests


def test_secrets_are_listed_removed_and_sealed_anew(shell: Shell) -> None:
    entry = admin_state_pb2.SecretEntry(name="token", used_by=["bot one", "plugin h"])
    shell.admin.answers["ListSecrets"] = admin_state_pb2.ListSecretsResponse(
        secrets=[entry], store="embedded"
    )
    assert "bot one, plugin h" in shell("secret", "list").out
    assert json.loads(shell("secret", "list", "--json").out)["secrets"][0]["name"] == "token"
    shell.admin.answers["RemoveSecret"] = admin_state_pb2.RemoveSecretResponse(used_by=["bot one"])
    assert "bot one lack it now" in shell("secret", "remove", "token", "--yes").out
    shell.admin.answers["RotateSecretKey"] = admin_state_pb2.RotateSecretKeyResponse(secrets=2, key_path="/k")
    assert "/k" in shell("secret", "rotate-key", "--yes").out


def test_entries_are_listed_and_read_byte_for_byte(shell: Shell) -> None:
    space = admin_state_pb2.KvNamespace(plugin="h", entries=3, bytes=4, max_entries=5, max_bytes=6)
    shell.admin.answers["ListKvNamespaces"] = admin_state_pb2.ListKvNamespacesResponse(namespaces=[space])
    assert shell("kv", "list").code == 0
    entry = kernel_pb2.KvEntry(key="k", value=b"\x00\x1b[2J\n", version=7)
    shell.admin.answers["ListKv"] = admin_state_pb2.ListKvResponse(entries=[entry], more=True)
    listed = shell("kv", "list", "h", "pre", "-n", "1")
    assert ("\x1b" in listed.out, "--after k" in listed.out) == (False, True)
    assert shell.admin.requests[-1] == admin_state_pb2.ListKvRequest(plugin="h", prefix="pre", limit=1)
    shell.admin.answers["GetKv"] = admin_state_pb2.GetKvResponse(entry=entry)
    assert shell("kv", "get", "h", "k").out == "\x00\x1b[2J\n"


def test_an_entry_is_set_from_the_line_or_from_standard_input(
    shell: Shell, typed: Callable[[bytes], None]
) -> None:
    shell.admin.answers["SetKv"] = admin_state_pb2.SetKvResponse(version=9)
    assert "version 9" in shell("kv", "set", "h", "k", "v", "--if-version", "0", "--ttl", "1.5").out
    request = shell.admin.requests[-1]
    assert isinstance(request, admin_state_pb2.SetKvRequest)
    assert (request.value, request.HasField("if_version"), request.ttl.ToMilliseconds()) == (b"v", True, 1500)
    typed(b"\x00bytes")
    assert shell("kv", "set", "h", "k").code == 0
    request = shell.admin.requests[-1]
    assert isinstance(request, admin_state_pb2.SetKvRequest)
    assert (request.value, request.HasField("if_version")) == (b"\x00bytes", False)
    shell.admin.answers["DeleteKv"] = error_pb2.Error(reason="NOT_FOUND", message="no k")
    assert shell("kv", "delete", "h", "k", "--yes").code == 1


def summary(path: str = "", **more: object) -> list[admin_state_pb2.BackupResponse]:
    done = admin_state_pb2.BackupSummary(path=path, blobs=2, files=3, bytes=4, **more)  # type: ignore[arg-type]
    return [
        admin_state_pb2.BackupResponse(part=admin_state_pb2.BACKUP_PART_JOURNAL, total=1),
        admin_state_pb2.BackupResponse(summary=done),
    ]


def test_a_backup_says_that_the_key_is_not_in_it(shell: Shell, tmp_path: Path) -> None:
    key = tmp_path / "secret.key"
    key.write_text("key")
    shell.admin.answers["Backup"] = summary(key_path=str(key), has_secrets=True)
    shown = shell("backup", str(tmp_path / "to"))
    assert f"NOT in it: keep a copy of {key}" in shown.out
    kept = tmp_path / "kept.key"
    assert shell("backup", str(tmp_path / "to"), "--key", str(kept)).code == 0
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("key", 0o600)
    assert shell("backup", str(tmp_path / "to"), "--key", str(kept)).code == 2
    assert shell("backup", str(tmp_path / "to"), "--key", str(tmp_path / "to" / "key")).code == 2
    shell.admin.answers["Backup"] = summary()[:1]
    assert shell("backup", str(tmp_path / "to")).code == 1


def test_forgetting_asks_first_and_tells_what_stays(shell: Shell, answered: Callable[[bool], None]) -> None:
    counts = {"events": 2, "records": 9, "dead_letters": 1, "entries": 3, "blobs": 4, "open": 5}
    shell.admin.answers["ForgetUser"] = admin_state_pb2.ForgetUserResponse(**counts, plugins=["conversation"])
    answered(False)
    assert shell("forget", "42").code == 130
    assert not shell.admin.requests
    shown = shell("forget", "42", "--bot", "b", "--dry-run")
    assert "Would be erased" in shown.out
    assert shell.admin.requests[-1] == admin_state_pb2.ForgetUserRequest(user="42", bot="b", dry_run=True)
    shown = shell("forget", "42", "--yes")
    for part in ("2 (9 records)", "conversation", "5 events are not settled yet"):
        assert part in shown.out
    assert json.loads(shell("forget", "42", "--yes", "--json").out)["dead_letters"] == "1"


def test_resuming_asks_before_a_loss_is_accepted(shell: Shell, answered: Callable[[bool], None]) -> None:
    shell.admin.answers["Resume"] = admin_state_pb2.ResumeResponse(ended=["5 publishes of a are lost"])
    answered(False)
    assert shell("resume", "LOST_TAIL").code == 130
    assert shell("resume", "RESTART_LOOP").code == 0
    assert "5 publishes of a are lost" in shell("resume", "LOST_TAIL", "--yes").out


def test_status_shows_what_is_kept_on_disk(shell: Shell) -> None:
    storage = admin_pb2.StorageStatus(journal_bytes=3 << 20, blobs=2, blob_bytes=100)
    shell.admin.answers["GetStatus"] = admin_pb2.GetStatusResponse(status=admin_pb2.Status(storage=storage))
    assert "journal 3.0 MiB, 2 blobs 100 B" in shell("status").out
