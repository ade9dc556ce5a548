"""What a plugin may do. Checked at every call; every denial names the grant that would allow it."""

from __future__ import annotations

from collections.abc import Iterable

from jackfield.v1 import access_pb2

from ..manifest.units import parse_size
from .methods import Method

_BY_ACCESS = {
    access_pb2.ACCESS_READ: "read",
    access_pb2.ACCESS_MANAGE: "manage",
    access_pb2.ACCESS_INGRESS: "ingress",
}


class Grants:
    """The grants of one plugin.

    A grant is a word, or `<word>:<argument>`: `reply`, `send`, `read`, `manage`, `routes`, `catalog`, `cancel-lane`, `network`,
    `ingress`, `kv[:<size>]`, `secret:<name>`, `observe:<pattern>`, `call:<package.Service>[/<Method>]`, `admin:<role>`.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(sorted(set(names)))
        self._words = {name.partition(":")[0] for name in self.names}
        self._calls = {name.removeprefix("call:") for name in self.names if name.startswith("call:")}
        self._secrets = {name.removeprefix("secret:") for name in self.names if name.startswith("secret:")}
        sizes = [name.removeprefix("kv:") for name in self.names if name.startswith("kv:")]
        self.kv_bytes = max(map(parse_size, sizes), default=0)
        """Bytes that `kv:<size>` allows; 0 when no size is granted."""
        self.observes = [name.removeprefix("observe:") for name in self.names if name.startswith("observe:")]

    def has(self, word: str) -> bool:
        """Whether a grant of this word is there, whatever its argument."""
        return word in self._words

    def missing_for(self, method: Method, *, own_chat: bool) -> str | None:
        """The grant that is missing for a call, or None when it is allowed."""
        if method.access == access_pb2.ACCESS_KERNEL:
            return "none: only the kernel calls this method"
        if method.service in self._calls or method.path[1:] in self._calls:
            return None
        if method.access == access_pb2.ACCESS_REPLY:
            if "send" in self._words or (own_chat and "reply" in self._words):
                return None
            return "reply" if own_chat else "send"
        word = _BY_ACCESS.get(method.access)
        if word is None:
            return f"call:{method.path[1:]}"
        return None if word in self._words else word

    def missing_for_secret(self, name: str) -> str | None:
        """The grant that is missing to read a secret."""
        return None if name in self._secrets else f"secret:{name}"
