"""The plugin's own keys. Under a delivery writes wait for its end and are committed with it, or not at
all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from jackfield.v1 import frame_pb2, kernel_pb2

from jackfield_sdk import wellknown
from jackfield_sdk.calling import Caller
from jackfield_sdk.errors import NotFound


@dataclass(frozen=True, slots=True)
class KvEntry:
    """One key. `version` is what `cas` compares; None for a write that is not committed yet."""

    key: str
    value: bytes
    version: int | None
    expires_at: datetime | None = None


class Kv:
    """Keys of 1-512 bytes, values of at most 64 KiB. Needs the grant `kv`."""

    def __init__(self, caller: Caller, buffered: bool) -> None:
        self._caller = caller
        self._buffered = buffered
        self._writes: list[frame_pb2.KvWrite] = []

    @property
    def pending(self) -> list[frame_pb2.KvWrite]:
        """Writes that wait for the end of the delivery."""
        return self._writes

    async def get(self, key: str) -> bytes | None:
        """The value, None when there is none. Sees this delivery's own writes."""
        entry = await self.entry(key)
        return entry.value if entry is not None else None

    async def get_text(self, key: str, default: str = "") -> str:
        """The value as text."""
        value = await self.get(key)
        return default if value is None else value.decode()

    async def entry(self, key: str) -> KvEntry | None:
        """Value and version, None when there is none."""
        for write in reversed(self._writes):
            if write.key == key:
                return None if write.delete else KvEntry(key, write.value, None)
        try:
            response = await self._caller.kernel(
                "KvGet", kernel_pb2.KvGetRequest(key=key), kernel_pb2.KvGetResponse
            )
        except NotFound:
            return None
        return _plain(response.entry)

    async def put(
        self, key: str, value: bytes | str, *, ttl: float | timedelta | None = None, now: bool = False
    ) -> None:
        """Writes a key; `ttl` in seconds. `now` commits it at once, also when the delivery fails later."""
        await self._write(_write(key, value, ttl), now)

    async def delete(self, key: str, *, now: bool = False) -> None:
        """Removes a key, also one that is not there."""
        await self._write(frame_pb2.KvWrite(key=key, delete=True), now)

    async def cas(
        self,
        key: str,
        value: bytes | str,
        version: int,
        *,
        ttl: float | timedelta | None = None,
        now: bool = False,
    ) -> int | None:
        """Writes only where `version` is in force, 0 for "must not exist".

        With `now`, and outside deliveries, returns the new version or raises Conflict. Under a delivery a
        conflict shows at its end: nothing of it is committed and the event is offered again.
        """
        write = _write(key, value, ttl)
        write.if_version = version
        return await self._write(write, now)

    async def list(self, prefix: str = "", *, after: str = "", limit: int = 100) -> list[KvEntry]:
        """Committed keys in order, at most 1,000 at a time; pass the last key as `after` for more."""
        request = kernel_pb2.KvListRequest(prefix=prefix, after=after, limit=limit)
        response = await self._caller.kernel("KvList", request, kernel_pb2.KvListResponse)
        return [_plain(entry) for entry in response.entries]

    async def _write(self, write: frame_pb2.KvWrite, now: bool) -> int | None:
        if self._buffered and not now:
            self._writes.append(write)
            return None
        request = kernel_pb2.KvWriteRequest(writes=[write])
        return (await self._caller.kernel("KvWrite", request, kernel_pb2.KvWriteResponse)).version


def _write(key: str, value: bytes | str, ttl: float | timedelta | None) -> frame_pb2.KvWrite:
    write = frame_pb2.KvWrite(key=key, value=value.encode() if isinstance(value, str) else value)
    if ttl is not None:
        seconds = ttl if isinstance(ttl, timedelta) else timedelta(seconds=ttl)
        write.ttl.CopyFrom(wellknown.duration_to_proto(seconds))
    return write


def _plain(entry: kernel_pb2.KvEntry) -> KvEntry:
    expires = wellknown.time_to_plain(entry.expire_time) if entry.HasField("expire_time") else None
    return KvEntry(entry.key, entry.value, entry.version, expires)
