"""Secrets, from the operator's hand to the plugin that names them: sealed on disk, and never shown again."""

from __future__ import annotations

import io
import json
import logging
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToJson
from jackfield.v1 import adapter_bot_pb2, admin_pb2, admin_state_pb2, error_pb2, kernel_pb2
from jackfield_kernel.errors import Refused
from jackfield_kernel.hooks import Hooks, hookimpl
from jackfield_kernel.state.secrets import Secret
from jackfield_kernel.telemetry.logs import configure

from tests.rig.kernel import Rig, handler_manifest, manifest, running

SECRET = 'tok-9f3a77"é-do-not-show'
GET = "/jackfield.v1.Kernel/GetSecret"
BOT_CONFIG = {
    "type": "object",
    "properties": {"token": {"type": "string", "secret": True, "unique": True}, "host": {"type": "string"}},
}
CONFIG = {"type": "object", "required": ["key"], "properties": {"key": {"type": "string", "secret": True}}}


def wire(**fields: Any) -> str:
    provides = {"services": ["jackfield.v1.Adapter"], "platform": "wire", "intake": "acknowledged"}
    return manifest("wire", "adapter", provides=provides, bot_config=BOT_CONFIG, **fields)


async def put(rig: Rig, name: str, value: str = SECRET) -> list[str]:
    request = admin_state_pb2.SetSecretRequest(name=name, value=value)
    return list((await rig.admin.SetSecret(request)).used_by)


async def refusal(call: Any) -> error_pb2.Error:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return error_pb2.Error.FromString(dict(refused.value.trailing_metadata() or ())["jackfield-error-bin"])


def on_disk(folder: Path, text: str) -> list[str]:
    forms = (text.encode(), json.dumps(text)[1:-1].encode())
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(form in path.read_bytes() for form in forms)]


async def test_a_bots_secret_is_sealed_and_reaches_its_adapter_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        adapter = await rig.plugin(wire())
        request = admin_pb2.AddBotRequest(name="one", adapter="wire")
        request.config.update({"token": SECRET, "host": "h"})
        await rig.admin.AddBot(request)
        await rig.until_bots("one")
        opened = adapter_bot_pb2.OpenBotRequest.FromString(adapter.served[-1].body)
        assert dict(opened.config) == {"token": SECRET, "host": "h"}
        shown = await rig.admin.GetBot(admin_pb2.GetBotRequest(name="one"))
        assert dict(shown.config)["token"] == "***"
        listed = await rig.admin.ListSecrets(admin_state_pb2.ListSecretsRequest())
        assert [(one.name, list(one.used_by)) for one in listed.secrets] == [("bots/one/token", ["bot one"])]
    assert on_disk(tmp_path / "data", SECRET) == []
    async with running(tmp_path) as rig:
        again = await rig.plugin(wire())
        await rig.until_bots("one")
        opened = adapter_bot_pb2.OpenBotRequest.FromString(again.served[-1].body)
        assert dict(opened.config)["token"] == SECRET
        await rig.admin.RemoveBot(admin_pb2.RemoveBotRequest(name="one"))
        assert not (await rig.admin.ListSecrets(admin_state_pb2.ListSecretsRequest())).secrets


async def test_a_plugin_names_a_secret_and_gets_each_new_value(tmp_path: Path) -> None:
    config = {"plugins": {"h": {"config": {"key": {"secret": "mine"}}}}}
    async with running(tmp_path, config=config) as rig:
        await put(rig, "mine")
        handler = await rig.plugin(handler_manifest(config=CONFIG, grants=["secret:mine"]))
        assert dict(handler.attached.config.config) == {"key": SECRET}
        assert await put(rig, "mine", "another value") == ["plugin h"]
        renewed = (await handler.expect("config")).config
        assert dict(renewed.config) == {"key": "another value"}
        end = await handler.call(GET, kernel_pb2.GetSecretRequest(name="mine").SerializeToString())
        assert kernel_pb2.GetSecretResponse.FromString(end.body).value == "another value"
        other = await handler.call(GET, kernel_pb2.GetSecretRequest(name="other").SerializeToString())
        assert (other.error.reason, other.error.metadata["grant"]) == ("GRANT_MISSING", "secret:other")


async def test_a_reference_to_nothing_says_what_to_set(tmp_path: Path) -> None:
    config = {"plugins": {"h": {"config": {"key": {"secret": "missing"}}}}}
    async with running(tmp_path, config=config) as rig:
        await rig.developed(handler_manifest(config=CONFIG))
        checked = await rig.admin.CheckConfig(admin_pb2.CheckConfigRequest())
        assert [(one.reason, one.remedy) for one in checked.problems] == [
            ("CONFIG_INVALID", "jackfield secret set missing")
        ]
        await put(rig, "missing")
        assert not (await rig.admin.CheckConfig(admin_pb2.CheckConfigRequest())).problems


async def test_a_plugin_that_waited_for_its_secret_is_started_once_it_is_set(tmp_path: Path) -> None:
    place = tmp_path / "own" / "jackfield-plugin.yaml"
    place.parent.mkdir()
    text = handler_manifest("own", config=CONFIG).replace("remote: true", "python: jackfield_no_such_package")
    place.write_text(text)
    entry = {"directory": str(place.parent), "config": {"key": {"secret": "later"}}}
    async with running(tmp_path, config={"plugins": {"own": entry}}) as rig:
        status = await rig.until(lambda status: status.plugins[0].state == "FAILED")
        reason = status.plugins[0].reason
        assert (reason.reason, reason.remedy) == ("CONFIG_INVALID", "jackfield secret set later")
        assert await put(rig, "later") == ["plugin own"]
        # It cannot run, but it is tried.
        await rig.until(lambda status: status.plugins and status.plugins[0].reason.reason != "CONFIG_INVALID")


async def test_a_secret_that_an_older_kernel_kept_in_plain_is_sealed_at_start(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        await rig.plugin(wire())
        await rig.admin.AddBot(admin_pb2.AddBotRequest(name="one", adapter="wire"))
    plain = json.dumps({"adapter": "wire", "config": {"token": "old-plain-token"}}).encode()
    with closing(sqlite3.connect(tmp_path / "data" / "journal.db")) as file:
        file.execute("UPDATE bucket SET value = ? WHERE bucket = 'bots' AND key = 'one'", (plain,))
        file.commit()
    place = tmp_path / "own" / "jackfield-plugin.yaml"
    place.parent.mkdir()
    place.write_text(wire())
    async with running(tmp_path, config={"plugins": {"wire": {"directory": str(place.parent)}}}) as rig:
        listed = (await rig.admin.ListSecrets(admin_state_pb2.ListSecretsRequest())).secrets
        assert [one.name for one in listed] == ["bots/one/token"]
    with closing(sqlite3.connect(tmp_path / "data" / "journal.db")) as file:
        (kept,) = file.execute("SELECT value FROM bucket WHERE bucket = 'bots' AND key = 'one'").fetchone()
    assert json.loads(kept) == {"adapter": "wire", "config": {"token": {"secret": "bots/one/token"}}}


async def test_no_answer_of_admin_and_no_log_line_shows_a_secret(tmp_path: Path) -> None:
    stream = io.StringIO()
    routes = {"one": [{"id": "r", "event": "*", "handler": "h"}]}
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        async with running(tmp_path, config={"routes": routes}) as rig:
            configure("debug", "json", stream, rig.kernel._place.redactor)
            await put(rig, "spare")
            adapter = await rig.plugin(wire())
            adapter.answers["OpenBot"] = error_pb2.Error(
                reason="AUTH_EXPIRED", message=f"{SECRET} is refused"
            )
            request = admin_pb2.AddBotRequest(name="one", adapter="wire")
            request.config.update({"token": SECRET})
            await rig.admin.AddBot(request)
            status = await rig.until(lambda status: any(bot.state == 3 for bot in status.bots))
            record = kernel_pb2.LogRequest(
                records=[kernel_pb2.LogRecord(level="info", message=f"at {SECRET}")]
            )
            await adapter.call("/jackfield.v1.Kernel/Log", record.SerializeToString())
            shown = [status, await rig.admin.GetBot(admin_pb2.GetBotRequest(name="one"))]
            shown.append(await rig.admin.CheckConfig(admin_pb2.CheckConfigRequest()))
            shown.append(await rig.admin.GetPlugin(admin_pb2.GetPluginRequest(name="wire")))
            text = "".join(MessageToJson(one, ensure_ascii=False) for one in shown)
            assert "*** is refused" in text
            error = await refusal(rig.admin.GetBot(admin_pb2.GetBotRequest(name=SECRET)))
            text += error.message
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert "at ***" in stream.getvalue()
    for form in (SECRET, json.dumps(SECRET)[1:-1], json.dumps(SECRET, ensure_ascii=False)[1:-1]):
        assert form not in text
        assert form not in stream.getvalue()


async def test_the_key_is_private_rotates_and_a_wrong_one_is_said_at_start(tmp_path: Path) -> None:
    key = tmp_path / "data" / "secret.key"
    async with running(tmp_path) as rig:
        assert not key.exists()
        await put(rig, "one")
        first = key.read_bytes()
        assert key.stat().st_mode & 0o777 == 0o600
        rotated = await rig.admin.RotateSecretKey(admin_state_pb2.RotateSecretKeyRequest())
        assert (rotated.secrets, rotated.key_path) == (1, str(key))
        assert key.read_bytes() != first
    second = key.read_bytes()
    key.write_bytes(first)
    with pytest.raises((Refused, BaseExceptionGroup)) as wrong:
        async with running(tmp_path):
            pass
    assert refusals(wrong.value) == ["WRONG_KEY"]
    key.unlink()
    with pytest.raises((Refused, BaseExceptionGroup)) as missing:
        async with running(tmp_path):
            pass
    assert refusals(missing.value) == ["WRONG_KEY"]
    assert not key.exists()
    async with running(tmp_path, environ={"JACKFIELD_SECRET_KEY": second.decode()}) as rig:
        names = (await rig.admin.ListSecrets(admin_state_pb2.ListSecretsRequest())).secrets
        assert [one.name for one in names] == ["one"]
        error = await refusal(rig.admin.RotateSecretKey(admin_state_pb2.RotateSecretKeyRequest()))
        assert error.reason == "CONFIG_PINNED"


def refusals(error: BaseException) -> list[str]:
    if isinstance(error, BaseExceptionGroup):
        return [reason for one in error.exceptions for reason in refusals(one)]
    assert isinstance(error, Refused)
    assert error.remedy
    return [error.reason]


@pytest.mark.parametrize(
    ("name", "value"), [("", "x"), ("a/b", "x"), ("a b", "x"), ("ok", ""), ("ok", "x" * 70_000)]
)
async def test_what_is_no_secret_is_refused(tmp_path: Path, name: str, value: str) -> None:
    async with running(tmp_path, memory=True) as rig:
        request = admin_state_pb2.SetSecretRequest(name=name, value=value)
        assert (await refusal(rig.admin.SetSecret(request))).reason == "INVALID_ARGUMENT"
        gone = await refusal(rig.admin.RemoveSecret(admin_state_pb2.RemoveSecretRequest(name="none")))
        assert gone.reason == "NOT_FOUND"


class Vault:
    """A store of an extension."""

    name = "vault"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings

    async def open(self) -> None:
        if self._settings.get("address") != "here":
            raise Refused("UNAVAILABLE", "the vault does not answer", remedy="Unseal it.")

    def all(self) -> Mapping[str, Secret]:
        return {"mine": Secret("from the vault", 0.0)}

    async def write(self, changes: Mapping[str, str | None]) -> None:
        raise Refused("NOT_SUPPORTED", "the vault is read-only", remedy="Write there.")

    async def rotate(self) -> str:
        raise Refused("NOT_SUPPORTED", "the vault has its own keys", remedy="Rotate there.")

    def key(self) -> tuple[str, str]:
        return "", ""


class Extension:
    @hookimpl
    def jackfield_secret_stores(self) -> Mapping[str, Any]:
        return {"vault": Vault}


async def test_a_store_of_an_extension_takes_the_place_of_the_embedded_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = Hooks()
    hooks.register(Extension())
    monkeypatch.setattr("tests.rig.kernel.Hooks", lambda: hooks)
    settings = {"store": "vault", "settings": {"address": "here"}}
    config = {"secrets": settings, "plugins": {"h": {"config": {"key": {"secret": "mine"}}}}}
    async with running(tmp_path, config=config) as rig:
        handler = await rig.plugin(handler_manifest(config=CONFIG))
        assert dict(handler.attached.config.config) == {"key": "from the vault"}
        listed = await rig.admin.ListSecrets(admin_state_pb2.ListSecretsRequest())
        assert (listed.store, [one.name for one in listed.secrets]) == ("vault", ["mine"])
        request = admin_state_pb2.SetSecretRequest(name="mine", value="x")
        assert (await refusal(rig.admin.SetSecret(request))).reason == "NOT_SUPPORTED"
        shown = (await rig.admin.CheckConfig(admin_pb2.CheckConfigRequest())).values
        assert {one.key: one.value for one in shown}["secrets.settings.address"] == '"***"'
    for broken, reason in (({"store": "none"}, "CONFIG_INVALID"), ({"store": "vault"}, "UNAVAILABLE")):
        with pytest.raises((Refused, BaseExceptionGroup)) as failure:
            async with running(tmp_path, config={"secrets": broken}):
                pass
        assert refusals(failure.value) == [reason]
