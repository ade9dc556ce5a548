"""What an account knows for a while, bounded in number and age."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from jackfield_sdk import Group, JackfieldError, Member

from jackfield_onebot.convert.values import id_of

V = TypeVar("V")
MOST = 4096
HOUR, DAY = 3600.0, 86_400.0
FAILED_GROUP, FAILED_MEMBER = 60.0, 600.0
# Notices after which a member is not what it was.
_CHANGES = ("group_admin", "group_card", "group_increase", "group_decrease", "notify")
Clock = Callable[[], float]


class Cache(Generic[V]):
    """The newest `MOST` answers, each for `seconds`; failures for `failed_seconds`."""

    def __init__(self, seconds: float, failed_seconds: float, clock: Clock = time.monotonic) -> None:
        self._seconds = seconds
        self._failed_seconds = failed_seconds
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, V | JackfieldError]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> V | None:
        """The answer, None for an unknown or old one. Raises the failure of a recent failed lookup."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        end, value = entry
        if self._clock() >= end:
            del self._entries[key]
            return None
        if isinstance(value, JackfieldError):
            raise value.with_traceback(None)
        return value

    def put(self, key: str, value: V) -> None:
        """Keeps an answer."""
        self._keep(key, value, self._seconds)

    def fail(self, key: str, error: JackfieldError) -> None:
        """Keeps a failure."""
        self._keep(key, error, self._failed_seconds)

    def drop(self, key: str) -> None:
        """The answer is known to have changed."""
        self._entries.pop(key, None)

    def _keep(self, key: str, value: V | JackfieldError, seconds: float) -> None:
        self._entries[key] = (self._clock() + seconds, value)
        self._entries.move_to_end(key)
        if len(self._entries) > MOST:
            self._entries.popitem(last=False)


class Caches:
    """Of one account; gone with its last connection."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.groups: Cache[Group] = Cache(HOUR, FAILED_GROUP, clock)
        self.members: Cache[Member] = Cache(DAY, FAILED_MEMBER, clock)

    def note(self, native: Mapping[str, Any]) -> None:
        """Forgets the member that a notice is about."""
        if native.get("notice_type") in _CHANGES:
            group, user = id_of(native.get("group_id")), id_of(native.get("user_id"))
            self.members.drop(member_key(group, user))


def member_key(group_id: str, user_id: str) -> str:
    """Where a member stands in the cache."""
    return f"{group_id}/{user_id}"
