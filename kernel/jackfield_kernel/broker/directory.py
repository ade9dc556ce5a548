"""Who provides what: the plugin that the call names, the bot's adapter, or the only provider of the service."""

from __future__ import annotations

from typing import Protocol

from jackfield.v1 import access_pb2, frame_pb2

from ..errors import Refused
from .call import Peer
from .methods import Method

ADAPTER = "jackfield.v1.Adapter"


class Directory(Protocol):
    """Who provides what."""

    def adapter_of(self, bot: str) -> str | None:
        """Plugin id of a bot's adapter; None for a bot that does not exist."""
        ...

    def provider_of(self, service: str) -> list[str]:
        """Plugin ids that provide a service."""
        ...

    def peer(self, plugin: str, bot: str = "") -> Peer | None:
        """The attached session of a plugin that can take calls; with `bot` the one that has it open."""
        ...

    def installed(self, plugin: str) -> bool:
        """Whether there is such a plugin."""
        ...


def provider_for(directory: Directory, method: Method, target: frame_pb2.CallTarget) -> str:
    """Plugin id of the provider of a call. Raises Refused UNKNOWN_BOT, NO_PROVIDER.

    A bot leads to its adapter for the services that adapters provide; for any other service it says what the call is about.
    """
    if target.bot:
        adapter = directory.adapter_of(target.bot)
        if adapter is None:
            raise Refused(
                "UNKNOWN_BOT",
                f"there is no bot {target.bot!r}",
                remedy="`jackfield bot list` names the bots.",
                bot=target.bot,
            )
        if not target.plugin and _provided_by_adapter(directory, method, adapter):
            return adapter
    if target.plugin:
        if not directory.installed(target.plugin):
            raise Refused(
                "NO_PROVIDER",
                f"there is no plugin {target.plugin!r}",
                remedy="`jackfield plugin list` names the plugins.",
                service=method.service,
            )
        return target.plugin
    providers = directory.provider_of(method.service)
    if len(providers) != 1:
        found = ", ".join(providers) or "none"
        raise Refused(
            "NO_PROVIDER",
            f"the call names no plugin and {method.service} is provided by: {found}",
            remedy="Install one, or name one in the target of the call.",
            service=method.service,
        )
    return providers[0]


def _provided_by_adapter(directory: Directory, method: Method, adapter: str) -> bool:
    """Whether a call about a bot goes to its adapter. A service that nobody declares is looked for there, too."""
    if method.service == ADAPTER or method.access == access_pb2.ACCESS_INGRESS:
        return True
    providers = directory.provider_of(method.service)
    return not providers or adapter in providers
