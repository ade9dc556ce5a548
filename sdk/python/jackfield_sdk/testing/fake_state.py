"""What a kernel would keep in its journal: keys, secrets, leases, routes, published events, recorded
calls."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message as Proto
from jackfield.v1 import error_pb2, frame_pb2, kernel_pb2, router_pb2

from jackfield_sdk.errors import Conflict, NotFound, NotSupported
from jackfield_sdk.testing.records import Published


@dataclass(slots=True)
class FakeState:
    """Survives streams and restarts of one FakeKernel."""

    journal: str = field(default_factory=lambda: uuid.uuid4().hex)
    boot: int = 1
    kv: dict[str, kernel_pb2.KvEntry] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    lent: dict[tuple[str, str], str] = field(default_factory=dict)
    leases: dict[str, str] = field(default_factory=dict)
    routes: dict[str, router_pb2.RouteTable] = field(default_factory=dict)
    senders: dict[str, router_pb2.SenderSet] = field(default_factory=dict)
    catalog: kernel_pb2.GetCatalogResponse = field(default_factory=kernel_pb2.GetCatalogResponse)
    log: list[kernel_pb2.LogRecord] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    sequences: dict[str, int] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    recorded: dict[tuple[str, str, str], frame_pb2.CallEnd] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    version: int = 0

    def write(self, writes: Iterable[frame_pb2.KvWrite]) -> int:
        """Writes all or none. Raises Conflict."""
        writes = list(writes)
        for write in writes:
            held = self.kv.get(write.key)
            if write.HasField("if_version") and write.if_version != (held.version if held else 0):
                raise Conflict(f"{write.key} was written meanwhile", metadata={"key": write.key})
        if writes:
            self.version += 1
        for write in writes:
            if write.delete:
                self.kv.pop(write.key, None)
            else:
                self.kv[write.key] = kernel_pb2.KvEntry(
                    key=write.key, value=write.value, version=self.version
                )
        return self.version

    def serve(self, plugin: str, method: str, body: bytes) -> Proto:
        """Answers a unary method of the Kernel service. Raises JackfieldError."""
        entry = METHODS.get(method)
        if entry is None:
            raise NotSupported(f"the fake kernel has no {method}")
        request_type, answer = entry
        return answer(self, plugin, request_type.FromString(body))

    def get(self, plugin: str, request: kernel_pb2.KvGetRequest) -> Proto:
        """KvGet."""
        held = self.kv.get(request.key)
        if held is None:
            raise NotFound(f"no key {request.key}")
        return kernel_pb2.KvGetResponse(entry=held)

    def put(self, plugin: str, request: kernel_pb2.KvWriteRequest) -> Proto:
        """KvWrite."""
        return kernel_pb2.KvWriteResponse(version=self.write(request.writes))

    def list(self, plugin: str, request: kernel_pb2.KvListRequest) -> Proto:
        """KvList."""
        keys = sorted(key for key in self.kv if key.startswith(request.prefix) and key > request.after)
        limit = request.limit or 100
        return kernel_pb2.KvListResponse(
            entries=[self.kv[key] for key in keys[:limit]], more=len(keys) > limit
        )

    def secret(self, plugin: str, request: kernel_pb2.GetSecretRequest) -> Proto:
        """GetSecret; a key that a bot's adapter lends stands under (bot, key) in `lent`."""
        if request.bot:
            if (request.bot, request.name) not in self.lent:
                raise NotFound(f"{request.bot} lends no {request.name}")
            return kernel_pb2.GetSecretResponse(value=self.lent[request.bot, request.name])
        if request.name not in self.secrets:
            raise NotFound(f"no secret {request.name}")
        return kernel_pb2.GetSecretResponse(value=self.secrets[request.name])

    def lease(self, plugin: str, request: kernel_pb2.AcquireLeaseRequest) -> Proto:
        """AcquireLease."""
        holder = self.leases.setdefault(request.name, plugin)
        if holder != plugin:
            raise Conflict(f"{holder} holds {request.name}", metadata={"key": request.name})
        return kernel_pb2.AcquireLeaseResponse(token=1)

    def release(self, plugin: str, request: kernel_pb2.ReleaseLeaseRequest) -> Proto:
        """ReleaseLease."""
        if self.leases.get(request.name) == plugin:
            del self.leases[request.name]
        return kernel_pb2.ReleaseLeaseResponse()

    def push_routes(self, plugin: str, request: kernel_pb2.PushRoutesRequest) -> Proto:
        """PushRoutes."""
        self.routes[request.table.bot] = request.table
        return kernel_pb2.PushRoutesResponse()

    def push_senders(self, plugin: str, request: kernel_pb2.PushSendersRequest) -> Proto:
        """PushSenders."""
        self.senders[request.set.name] = request.set
        return kernel_pb2.PushSendersResponse()

    def get_catalog(self, plugin: str, request: kernel_pb2.GetCatalogRequest) -> Proto:
        """GetCatalog."""
        return self.catalog

    def add_log(self, plugin: str, request: kernel_pb2.LogRequest) -> Proto:
        """Log."""
        self.log.extend(request.records)
        return kernel_pb2.LogResponse()


METHODS: dict[str, tuple[Any, Callable[[FakeState, str, Any], Proto]]] = {
    "KvGet": (kernel_pb2.KvGetRequest, FakeState.get),
    "KvWrite": (kernel_pb2.KvWriteRequest, FakeState.put),
    "KvList": (kernel_pb2.KvListRequest, FakeState.list),
    "GetSecret": (kernel_pb2.GetSecretRequest, FakeState.secret),
    "AcquireLease": (kernel_pb2.AcquireLeaseRequest, FakeState.lease),
    "ReleaseLease": (kernel_pb2.ReleaseLeaseRequest, FakeState.release),
    "PushRoutes": (kernel_pb2.PushRoutesRequest, FakeState.push_routes),
    "PushSenders": (kernel_pb2.PushSendersRequest, FakeState.push_senders),
    "GetCatalog": (kernel_pb2.GetCatalogRequest, FakeState.get_catalog),
    "Log": (kernel_pb2.LogRequest, FakeState.add_log),
}


def refused(reason: str, message: str, code: int = 9) -> error_pb2.Error:
    """An error of the protocol itself."""
    return error_pb2.Error(reason=reason, code=code, message=message)
