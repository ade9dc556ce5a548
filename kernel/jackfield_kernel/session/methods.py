"""The unary and streaming methods of the Kernel service, once for both ways to call them: by frame and by RPC."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from google.protobuf.message import DecodeError, Message
from jackfield.v1 import error_pb2, frame_pb2, kernel_pb2

from ..broker.broker import KERNEL, Broker, KernelMethod
from ..broker.call import Call, Peer
from ..broker.grants import Grants
from ..bus.bus import Bus
from ..errors import KernelError, Refused, problem, to_wire
from ..journal.times import stamp
from ..routing.tables import RouteTables
from ..state.kv import KeyValues
from ..state.leases import Leases
from .border import contained

log = logging.getLogger(__name__)

PREFIX = "/jackfield.v1.Kernel/"

In = TypeVar("In", bound=Message)


class Catalog(Protocol):
    """What is installed and configured, as plugins may see it."""

    def describe(self) -> kernel_pb2.GetCatalogResponse:
        """Plugins and bots now."""
        ...

    def watch(self, change: Callable[[int], None]) -> Callable[[], None]:
        """Call `change` with a growing version after each change; returns what ends the watch."""
        ...

    def names(self) -> set[str]:
        """Plugin ids."""
        ...

    def secret(self, plugin: str, name: str) -> str | None:
        """A secret that the operator lent to the plugin."""
        ...

    def lent(self, bot: str, key: str) -> str | None:
        """A key of a bot's configuration that its adapter lends to whoever takes requests for it."""
        ...


class KernelMethods:
    """Serves plugins. Every method takes the calling session, so that nothing in a request says who calls."""

    def __init__(
        self,
        bus: Bus,
        broker: Broker,
        kv: KeyValues,
        leases: Leases,
        routes: RouteTables,
        catalog: Catalog,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._bus = bus
        self._broker = broker
        self._kv = kv
        self._leases = leases
        self._routes = routes
        self._catalog = catalog
        self._tasks = tasks
        self._watches: dict[Call, Callable[[], None]] = {}
        self.unary: dict[str, Callable[[Peer, bytes], Awaitable[bytes]]] = {
            "KvGet": _unary(kernel_pb2.KvGetRequest, self.kv_get),
            "KvWrite": _unary(kernel_pb2.KvWriteRequest, self.kv_write),
            "KvList": _unary(kernel_pb2.KvListRequest, self.kv_list),
            "AcquireLease": _unary(kernel_pb2.AcquireLeaseRequest, self.acquire_lease),
            "ReleaseLease": _unary(kernel_pb2.ReleaseLeaseRequest, self.release_lease),
            "GetSecret": _unary(kernel_pb2.GetSecretRequest, self.get_secret),
            "PushRoutes": _unary(kernel_pb2.PushRoutesRequest, self.push_routes),
            "PushSenders": _unary(kernel_pb2.PushSendersRequest, self.push_senders),
            "GetCatalog": _unary(kernel_pb2.GetCatalogRequest, self.get_catalog),
            "CancelLane": _unary(kernel_pb2.CancelLaneRequest, self.cancel_lane),
            "Log": _unary(kernel_pb2.LogRequest, self.log),
        }
        methods: dict[str, KernelMethod] = {PREFIX + name: self._by_frame(name) for name in self.unary}
        methods[f"{PREFIX}KvWatch"] = self._kv_watch
        methods[f"{PREFIX}WatchCatalog"] = self._watch_catalog
        broker.kernel_methods.update(methods)
        broker.on_kernel_closed = self._closed

    # By frame -------------------------------------------------------------------------------------------------------

    def _by_frame(self, name: str) -> KernelMethod:
        method = self.unary[name]

        async def answer(peer: Peer, call: Call) -> None:
            try:
                self._broker.finish(call, await method(peer, call.open.body))
            except KernelError as error:
                self._broker.fail(call, to_wire(error))
            except Exception:
                log.exception("%s failed for %s", name, peer.plugin)
                self._broker.fail(call, problem("INTERNAL", f"{name} failed; the kernel's log says why"))

        def start(peer: Peer, call: Call) -> None:
            self._tasks.create_task(answer(peer, call), name=f"{name} for {peer.plugin}")

        return start

    def _closed(self, call: Call) -> None:
        stop = self._watches.pop(call, None)
        if stop is not None:
            stop()

    def _stream(self, call: Call, message: Message) -> None:
        if call.caller is not None:
            frame = frame_pb2.CallMessage(call_id=call.caller_id, body=message.SerializeToString())
            call.caller.send(frame_pb2.Frame(call_message=frame))

    def _kv_watch(self, peer: Peer, call: Call) -> None:
        try:
            _need(peer, "kv")
            request = kernel_pb2.KvWatchRequest.FromString(call.open.body)
        except (KernelError, DecodeError) as error:
            self._broker.fail(
                call, to_wire(error) if isinstance(error, KernelError) else _undecodable("KvWatch")
            )
            return

        def change(write: frame_pb2.KvWrite, version: int) -> None:
            entry = kernel_pb2.KvEntry(key=write.key, value=write.value, version=version)
            if write.HasField("ttl"):
                ttl = write.ttl.seconds + write.ttl.nanos / 1e9
                entry.expire_time.CopyFrom(stamp(self._bus.journal_time() + ttl))
            self._stream(call, kernel_pb2.KvWatchResponse(entry=entry, removed=write.delete))

        async def begin() -> None:
            self._watches[call] = self._kv.watch(peer.plugin, request.prefix, change)
            after, more = "", True
            while more:
                entries, more = await self._kv.list(peer.plugin, request.prefix, after, 1_000)
                for entry in entries:
                    after = entry.key
                    self._stream(call, kernel_pb2.KvWatchResponse(entry=entry))

        self._broker.forever(call)
        work = contained(begin(), f"KvWatch for {peer.plugin}")
        self._tasks.create_task(work, name=f"KvWatch for {peer.plugin}")

    def _watch_catalog(self, peer: Peer, call: Call) -> None:
        if not peer.grants.has("catalog"):
            self._broker.fail(call, _missing(peer, "catalog"))
            return
        self._broker.forever(call)
        self._watches[call] = self._catalog.watch(
            lambda version: self._stream(call, kernel_pb2.WatchCatalogResponse(version=version))
        )

    # Methods --------------------------------------------------------------------------------------------------------

    async def kv_get(self, peer: Peer, request: kernel_pb2.KvGetRequest) -> kernel_pb2.KvGetResponse:
        """Read one key."""
        _need(peer, "kv")
        return kernel_pb2.KvGetResponse(entry=await self._kv.get(peer.plugin, request.key))

    async def kv_write(self, peer: Peer, request: kernel_pb2.KvWriteRequest) -> kernel_pb2.KvWriteResponse:
        """Write keys, all or none."""
        _need(peer, "kv")
        return kernel_pb2.KvWriteResponse(version=await self._kv.write(peer.plugin, request.writes))

    async def kv_list(self, peer: Peer, request: kernel_pb2.KvListRequest) -> kernel_pb2.KvListResponse:
        """List keys."""
        _need(peer, "kv")
        entries, more = await self._kv.list(peer.plugin, request.prefix, request.after, request.limit)
        return kernel_pb2.KvListResponse(entries=entries, more=more)

    async def acquire_lease(
        self, peer: Peer, request: kernel_pb2.AcquireLeaseRequest
    ) -> kernel_pb2.AcquireLeaseResponse:
        """Take or renew a lease."""
        ttl = request.ttl.seconds + request.ttl.nanos / 1e9
        token = await self._leases.acquire(peer.plugin, request.name, ttl, request.holder)
        return kernel_pb2.AcquireLeaseResponse(token=token)

    async def release_lease(
        self, peer: Peer, request: kernel_pb2.ReleaseLeaseRequest
    ) -> kernel_pb2.ReleaseLeaseResponse:
        """Give a lease back."""
        await self._leases.release(peer.plugin, request.name)
        return kernel_pb2.ReleaseLeaseResponse()

    async def get_secret(
        self, peer: Peer, request: kernel_pb2.GetSecretRequest
    ) -> kernel_pb2.GetSecretResponse:
        """Read a secret."""
        if request.bot:
            _need(peer, "ingress")
            value = self._catalog.lent(request.bot, request.name)
        else:
            missing = peer.grants.missing_for_secret(request.name)
            if missing is not None:
                raise _refusal(peer, missing)
            value = self._catalog.secret(peer.plugin, request.name)
        if value is None:
            raise Refused(
                "NOT_FOUND", f"no secret {request.name!r} is set", remedy="Set it in the configuration."
            )
        return kernel_pb2.GetSecretResponse(value=value)

    async def push_routes(
        self, peer: Peer, request: kernel_pb2.PushRoutesRequest
    ) -> kernel_pb2.PushRoutesResponse:
        """Put a table in force."""
        _need(peer, "routes")
        self._routes.push(request.table, source=peer.plugin)
        self._bus.waiting.retry()
        installed = self._catalog.names()
        return kernel_pb2.PushRoutesResponse(
            missing_handlers=sorted({rule.handler for rule in request.table.rules} - installed),
            missing_sets=self._routes.missing_sets(request.table.bot),
        )

    async def push_senders(
        self, peer: Peer, request: kernel_pb2.PushSendersRequest
    ) -> kernel_pb2.PushSendersResponse:
        """Put a sender set in force."""
        _need(peer, "routes")
        self._routes.push_senders(request.set)
        self._bus.waiting.retry()
        return kernel_pb2.PushSendersResponse()

    async def get_catalog(
        self, peer: Peer, request: kernel_pb2.GetCatalogRequest
    ) -> kernel_pb2.GetCatalogResponse:
        """Describe plugins and bots."""
        _need(peer, "catalog")
        return self._catalog.describe()

    async def cancel_lane(
        self, peer: Peer, request: kernel_pb2.CancelLaneRequest
    ) -> kernel_pb2.CancelLaneResponse:
        """Interrupt a lane."""
        _need(peer, "cancel-lane")
        interrupted, dropped = self._bus.interrupts.cancel_lane(
            request.lane, request.handler, drop_waiting=request.drop_waiting, by=peer.plugin
        )
        return kernel_pb2.CancelLaneResponse(interrupted=interrupted, dropped=dropped)

    async def log(self, peer: Peer, request: kernel_pb2.LogRequest) -> kernel_pb2.LogResponse:
        """Write log records."""
        plugin_log = logging.getLogger(f"plugin.{peer.plugin}")
        levels = logging.getLevelNamesMapping()
        for record in request.records:
            level = levels.get(record.level.upper(), logging.INFO)
            fields = {
                key: value for key, value in record.fields.items() if isinstance(value, str | float | bool)
            }
            plugin_log.log(
                level, "%s", record.message[:16_384], extra={"plugin": peer.plugin, "fields": fields}
            )
        return kernel_pb2.LogResponse()


def _unary(
    request_type: type[In], method: Callable[[Peer, In], Awaitable[Message]]
) -> Callable[[Peer, bytes], Awaitable[bytes]]:
    async def call(peer: Peer, body: bytes) -> bytes:
        try:
            request = request_type.FromString(body)
        except DecodeError as error:
            raise Refused(
                "INVALID_ARGUMENT", f"the body is no {request_type.DESCRIPTOR.full_name}"
            ) from error
        return (await method(peer, request)).SerializeToString()

    return call


def _undecodable(method: str) -> error_pb2.Error:
    return problem("INVALID_ARGUMENT", f"the body is no {method}Request")


def _refusal(peer: Peer, grant: str) -> Refused:
    return Refused(
        "GRANT_MISSING",
        f"plugin {peer.plugin} lacks the grant {grant}",
        remedy=f"jackfield plugin grants {peer.plugin} --add {grant}",
        grant=grant,
    )


def _missing(peer: Peer, grant: str) -> error_pb2.Error:
    return to_wire(_refusal(peer, grant))


def _need(peer: Peer, grant: str) -> None:
    grants: Grants = peer.grants
    if not grants.has(grant):
        raise _refusal(peer, grant)


__all__ = ["KERNEL", "Catalog", "KernelMethods"]
