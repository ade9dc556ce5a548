"""The kernel's own services over real sockets: observers, key-value entries and watches, leases, blobs, unary calls."""

from __future__ import annotations

import hashlib
from pathlib import Path

import grpc
import pytest
from jackfield.v1 import error_pb2, frame_pb2, kernel_pb2, kernel_pb2_grpc

from tests.rig.kernel import handler_manifest, manifest, routes, rule, running
from tests.rig.raw import RawPlugin, message_event

KERNEL = "/jackfield.v1.Kernel/"


def observer(pattern: str = "message.*") -> str:
    return manifest("watcher", "service", grants=[f"observe:{pattern}"], observes=[pattern])


async def test_an_observer_sees_everything_and_goes_on_where_it_settled(tmp_path: Path) -> None:
    config = {"routes": routes(b=[rule()])}
    async with running(tmp_path, config=config) as rig:
        adapter, watcher = await rig.adapter(), await rig.plugin(observer())
        for text in ("1", "2", "3"):
            await adapter.publish(message_event("b", text))
        seen = [await watcher.delivery() for _ in range(3)]
        assert [one.event.message_received.message.segments[0].text.text for one in seen] == ["1", "2", "3"]
        assert all(one.observer and not one.fence for one in seen)
        await watcher.settle(frame_pb2.Settle(observed_sequence=seen[1].observed_sequence))
        await watcher.close()
        await watcher.connect()
        again = await watcher.delivery()
        assert again.observed_sequence == seen[2].observed_sequence
        assert (await rig.status()).bus.ready == 3


async def test_entries_are_written_watched_and_compared(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        plugin = await rig.plugin(handler_manifest(grants=["kv"]))
        watch = await plugin.call(
            f"{KERNEL}KvWatch", kernel_pb2.KvWatchRequest(prefix="a").SerializeToString(), wait=False
        )
        write = kernel_pb2.KvWriteRequest(writes=[frame_pb2.KvWrite(key="a1", value=b"x", if_version=0)])
        end = await plugin.call(f"{KERNEL}KvWrite", write.SerializeToString())
        version = kernel_pb2.KvWriteResponse.FromString(end.body).version
        change = (await plugin.expect("call_message")).call_message
        assert change.call_id == watch.call_id
        assert kernel_pb2.KvWatchResponse.FromString(change.body).entry.value == b"x"
        refused = await plugin.call(f"{KERNEL}KvWrite", write.SerializeToString())
        assert refused.error.reason == "CONFLICT"
        got = await plugin.call(f"{KERNEL}KvGet", kernel_pb2.KvGetRequest(key="a1").SerializeToString())
        assert kernel_pb2.KvGetResponse.FromString(got.body).entry.version == version
        missing = await plugin.call(f"{KERNEL}KvGet", kernel_pb2.KvGetRequest(key="b").SerializeToString())
        assert missing.error.reason == "NOT_FOUND"


async def test_a_lease_has_one_holder(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        one, two = await rig.plugin(handler_manifest("one")), await rig.plugin(handler_manifest("two"))
        request = kernel_pb2.AcquireLeaseRequest(name="token/1", holder="one")
        request.ttl.FromSeconds(30)
        held = await one.call(f"{KERNEL}AcquireLease", request.SerializeToString())
        first = kernel_pb2.AcquireLeaseResponse.FromString(held.body).token
        renewed = await one.call(f"{KERNEL}AcquireLease", request.SerializeToString())
        assert kernel_pb2.AcquireLeaseResponse.FromString(renewed.body).token == first
        refused = await two.call(f"{KERNEL}AcquireLease", request.SerializeToString())
        assert (refused.error.reason, refused.error.metadata["holder"]) == ("CONFLICT", "one")
        await one.call(
            f"{KERNEL}ReleaseLease", kernel_pb2.ReleaseLeaseRequest(name="token/1").SerializeToString()
        )
        taken = await two.call(f"{KERNEL}AcquireLease", request.SerializeToString())
        second = kernel_pb2.AcquireLeaseResponse.FromString(taken.body).token
        assert second > first
        await two.call(
            f"{KERNEL}ReleaseLease", kernel_pb2.ReleaseLeaseRequest(name="token/1").SerializeToString()
        )
    async with running(tmp_path) as rig:
        # A token of before the restart must never be taken for a newer one.
        one = await rig.plugin(handler_manifest("one"))
        again = await one.call(f"{KERNEL}AcquireLease", request.SerializeToString())
        assert kernel_pb2.AcquireLeaseResponse.FromString(again.body).token > second


async def test_a_service_without_its_grant_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True) as rig:
        plugin = await rig.plugin(handler_manifest(grants=[]))
        for method, grant in (("KvGet", "kv"), ("GetCatalog", "catalog"), ("CancelLane", "cancel-lane")):
            end = await plugin.call(KERNEL + method)
            assert (end.error.reason, end.error.metadata["grant"]) == ("GRANT_MISSING", grant)


async def test_a_blob_is_stored_under_its_hash_and_read_back(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        plugin = await rig.plugin(handler_manifest())
        content = bytes(range(256)) * 1_000
        stub = kernel_pb2_grpc.KernelStub(plugin.channel)
        put = stub.Bulk()
        await put.write(
            kernel_pb2.BulkRequest(session_id=plugin.session_id, put=kernel_pb2.BulkPut(size=len(content)))
        )
        for start in range(0, len(content), 65_536):
            await put.write(kernel_pb2.BulkRequest(chunk=content[start : start + 65_536]))
        await put.done_writing()
        stored = (await put.read()).stored
        assert stored.blob_id == f"sha256-{hashlib.sha256(content).hexdigest()}"
        get = stub.Bulk()
        await get.write(
            kernel_pb2.BulkRequest(
                session_id=plugin.session_id, get=kernel_pb2.BulkGet(blob_id=stored.blob_id)
            )
        )
        await get.done_writing()
        assert b"".join([part.chunk async for part in get]) == content
        lost = stub.Bulk()
        await lost.write(
            kernel_pb2.BulkRequest(
                session_id=plugin.session_id, get=kernel_pb2.BulkGet(blob_id="../../etc/passwd")
            )
        )
        await lost.done_writing()
        assert (await lost.read()).error.reason == "NOT_FOUND"


async def test_unary_methods_are_a_slow_path_to_the_same(tmp_path: Path) -> None:
    async with running(tmp_path, config={"routes": routes(b=[rule()])}) as rig:
        adapter, handler = await rig.adapter(), await rig.plugin(handler_manifest())
        stub = kernel_pb2_grpc.KernelStub(adapter.channel)
        await stub.Publish(
            kernel_pb2.PublishRequest(session_id=adapter.session_id, event=message_event("b", "x"))
        )
        delivery = await handler.delivery()
        await handler.done(delivery)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Publish(kernel_pb2.PublishRequest(session_id="wrong", event=message_event("b", "x")))
        detail = dict(refused.value.trailing_metadata() or ())["jackfield-error-bin"]
        assert error_pb2.Error.FromString(detail).reason == "UNAUTHENTICATED"


async def test_a_wrong_secret_opens_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, memory=True) as rig:
        path = await rig.developed(handler_manifest())
        plugin = RawPlugin.from_file(path)
        plugin.secret = "guess"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await plugin.register()
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        await plugin.close()
