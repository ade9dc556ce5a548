"""Entries of plugins, as their plugin and the operator see them, within their bounds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from jackfield.v1 import admin_state_pb2, error_pb2, frame_pb2, kernel_pb2
from jackfield_kernel.state import quotas
from jackfield_kernel.state.quotas import Quota

from tests.rig.kernel import handler_manifest, routes, rule, running
from tests.rig.raw import RawPlugin, message_event

WRITE = "/jackfield.v1.Kernel/KvWrite"


async def write(plugin: RawPlugin, *keys: str, delete: bool = False, size: int = 1) -> str:
    writes = [frame_pb2.KvWrite(key=key, value=b"" if delete else b"x" * size, delete=delete) for key in keys]
    end = await plugin.call(WRITE, kernel_pb2.KvWriteRequest(writes=writes).SerializeToString())
    return end.error.reason


async def reason(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    detail = dict(refused.value.trailing_metadata() or ())["jackfield-error-bin"]
    return error_pb2.Error.FromString(detail).reason


async def test_the_operator_reads_and_mends_what_a_plugin_keeps(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        plugin = await rig.plugin(handler_manifest(grants=["kv"]))
        await write(plugin, "a1", "a2", "b")
        listed = await rig.admin.ListKv(admin_state_pb2.ListKvRequest(plugin="h", prefix="a", limit=1))
        assert ([one.key for one in listed.entries], listed.more) == (["a1"], True)
        request = admin_state_pb2.SetKvRequest(plugin="h", key="a1", value=b"mended", if_version=99)
        assert await reason(rig.admin.SetKv(request)) == "CONFLICT"
        request.if_version = listed.entries[0].version
        await rig.admin.SetKv(request)
        got = await plugin.call(
            "/jackfield.v1.Kernel/KvGet", kernel_pb2.KvGetRequest(key="a1").SerializeToString()
        )
        assert kernel_pb2.KvGetResponse.FromString(got.body).entry.value == b"mended"
        await rig.admin.DeleteKv(admin_state_pb2.DeleteKvRequest(plugin="h", key="a1"))
        for call in (
            rig.admin.GetKv(admin_state_pb2.GetKvRequest(plugin="h", key="a1")),
            rig.admin.DeleteKv(admin_state_pb2.DeleteKvRequest(plugin="h", key="a1")),
            rig.admin.ListKv(admin_state_pb2.ListKvRequest(plugin="nobody")),
            rig.admin.SetKv(admin_state_pb2.SetKvRequest(plugin="nobody", key="a")),
        ):
            assert await reason(call) == "NOT_FOUND"
        spaces = (await rig.admin.ListKvNamespaces(admin_state_pb2.ListKvNamespacesRequest())).namespaces
        assert [(one.plugin, one.entries, one.bytes, one.max_entries) for one in spaces] == [
            ("h", 2, 5, 100_000)
        ]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotas that a test can fill."""
    monkeypatch.setattr(
        Quota, "__new__", lambda cls, entries=4, bytes=1_000: tuple.__new__(cls, (entries, bytes))
    )
    monkeypatch.setattr(quotas, "RECOUNT_SECONDS", 0.0)


@pytest.mark.usefixtures("small")
async def test_a_full_namespace_refuses_and_takes_again_what_was_freed(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        plugin = await rig.plugin(handler_manifest(grants=["kv"]))
        assert await write(plugin, "a", "b", "c") == ""
        for _ in range(5):
            assert await write(plugin, "a") == ""  # replacing takes no room, however often
        assert await write(plugin, "d") == ""
        assert await write(plugin, "e") == "QUOTA_EXCEEDED"
        assert await write(plugin, "a", delete=True) == ""
        assert await write(plugin, "e") == ""
        assert await write(plugin, "f") == "QUOTA_EXCEEDED"
        request = admin_state_pb2.SetKvRequest(plugin="h", key="g", value=b"x")
        assert await reason(rig.admin.SetKv(request)) == "QUOTA_EXCEEDED"


@pytest.mark.usefixtures("small")
async def test_bytes_are_bounded_by_the_grant_and_an_ack_is_refused_whole(tmp_path: Path) -> None:
    async with running(tmp_path, config={"routes": routes(b=[rule()])}) as rig:
        adapter = await rig.adapter()
        plugin = await rig.plugin(handler_manifest(grants=["kv:100B"]))
        assert await write(plugin, "a", size=90) == ""
        assert await write(plugin, "b", size=90) == "QUOTA_EXCEEDED"
        await adapter.publish(message_event("b", "x"))
        delivery = await plugin.delivery()
        await plugin.done(delivery, writes=[frame_pb2.KvWrite(key="b", value=b"x" * 90)])
        refused = (await plugin.expect("settled")).settled.refused
        assert [one.error.reason for one in refused] == ["QUOTA_EXCEEDED"]
        await plugin.done(delivery, writes=[frame_pb2.KvWrite(key="a", delete=True)])
        assert list((await plugin.expect("settled")).settled.fences) == [delivery.fence]


async def test_an_entry_with_a_life_time_tells_it_and_is_gone_after_it(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        plugin = await rig.plugin(handler_manifest(grants=["kv"]))
        await plugin.call(
            "/jackfield.v1.Kernel/KvWatch", kernel_pb2.KvWatchRequest().SerializeToString(), wait=False
        )
        entry = frame_pb2.KvWrite(key="short", value=b"x")
        entry.ttl.FromMilliseconds(50)
        end = await plugin.call(WRITE, kernel_pb2.KvWriteRequest(writes=[entry]).SerializeToString())
        assert not end.error.reason
        seen = kernel_pb2.KvWatchResponse.FromString((await plugin.expect("call_message")).call_message.body)
        assert (seen.entry.key, seen.entry.HasField("expire_time")) == ("short", True)

        async def gone() -> bool:
            get = kernel_pb2.KvGetRequest(key="short").SerializeToString()
            return (await plugin.call("/jackfield.v1.Kernel/KvGet", get)).error.reason == "NOT_FOUND"

        async with asyncio.timeout(10):
            while not await gone():
                pass
        fresh = frame_pb2.KvWrite(key="short", value=b"y", if_version=0)
        end = await plugin.call(WRITE, kernel_pb2.KvWriteRequest(writes=[fresh]).SerializeToString())
        assert not end.error.reason
