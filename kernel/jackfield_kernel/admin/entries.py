"""Admin: key-value entries of plugins."""

from __future__ import annotations

from jackfield.v1 import admin_state_pb2, frame_pb2

from ..errors import Refused
from ..state.kv import KeyValues
from .views import View


class EntriesPart:
    """Entries, as their plugin sees them."""

    def __init__(self, view: View, kv: KeyValues) -> None:
        self._view = view
        self._kv = kv

    async def list_kv_namespaces(
        self, request: admin_state_pb2.ListKvNamespacesRequest
    ) -> admin_state_pb2.ListKvNamespacesResponse:
        """Namespaces with their use."""
        response = admin_state_pb2.ListKvNamespacesResponse()
        for plugin, (entries, size) in sorted((await self._kv.quotas.all()).items()):
            quota = self._kv.quotas.quota_of(plugin)
            response.namespaces.add(
                plugin=plugin, entries=entries, bytes=size, max_entries=quota.entries, max_bytes=quota.bytes
            )
        return response

    async def list_kv(self, request: admin_state_pb2.ListKvRequest) -> admin_state_pb2.ListKvResponse:
        """Entries of one plugin."""
        entries, more = await self._kv.list(request.plugin, request.prefix, request.after, request.limit)
        if not entries:
            self._known(request.plugin)
        return admin_state_pb2.ListKvResponse(entries=entries, more=more)

    async def get_kv(self, request: admin_state_pb2.GetKvRequest) -> admin_state_pb2.GetKvResponse:
        """One entry."""
        return admin_state_pb2.GetKvResponse(entry=await self._kv.get(request.plugin, request.key))

    async def set_kv(self, request: admin_state_pb2.SetKvRequest) -> admin_state_pb2.SetKvResponse:
        """Write one entry."""
        self._known(request.plugin)
        write = frame_pb2.KvWrite(key=request.key, value=request.value)
        if request.HasField("if_version"):
            write.if_version = request.if_version
        if request.HasField("ttl"):
            write.ttl.CopyFrom(request.ttl)
        return admin_state_pb2.SetKvResponse(version=await self._kv.write(request.plugin, [write]))

    async def delete_kv(self, request: admin_state_pb2.DeleteKvRequest) -> admin_state_pb2.DeleteKvResponse:
        """Delete one entry."""
        await self._kv.get(request.plugin, request.key)
        await self._kv.write(request.plugin, [frame_pb2.KvWrite(key=request.key, delete=True)])
        return admin_state_pb2.DeleteKvResponse()

    def _known(self, plugin: str) -> None:
        if plugin not in self._view.registry.names():
            raise Refused(
                "NOT_FOUND",
                f"there is no plugin {plugin!r}",
                remedy="See `jackfield plugin list`; `jackfield kv list` shows who keeps entries.",
            )
