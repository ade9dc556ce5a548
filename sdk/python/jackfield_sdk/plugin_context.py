"""What a plugin knows about itself while it runs."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jackfield.v1 import frame_pb2

from jackfield_sdk import convert, wellknown
from jackfield_sdk.adapter_types import Address, BotState
from jackfield_sdk.calling import Caller, logger_for
from jackfield_sdk.entity import Chat, User
from jackfield_sdk.errors import JackfieldError, Unavailable, error_to_proto
from jackfield_sdk.event import Event
from jackfield_sdk.identifiers import event_id
from jackfield_sdk.kv import Kv
from jackfield_sdk.payload import CustomEvent

if TYPE_CHECKING:
    from jackfield_sdk.link.link import Link


class PluginContext(Caller):
    """Name, configuration and state of the running plugin; calls made here belong to no delivery."""

    def __init__(self, link: Link, config: frame_pb2.Config) -> None:
        super().__init__(link)
        self.kv = Kv(self, buffered=False)
        self._config = config
        self._reported = frame_pb2.Report()
        self._bots: dict[str, frame_pb2.BotReport] = {}

    @property
    def name(self) -> str:
        """Id of the plugin."""
        return self._link.bootstrap.plugin

    @property
    def config(self) -> dict[str, Any]:
        """The plugin's configuration as it is now, valid by the manifest's schema. Holds secrets in clear."""
        return wellknown.struct_to_plain(self._config.config)

    @property
    def grants(self) -> frozenset[str]:
        """What the operator granted."""
        return frozenset(self._config.grants)

    @property
    def data_dir(self) -> Path:
        """Private, writable directory, kept over restarts."""
        return Path(self._link.bootstrap.data_dir)

    @property
    def successor(self) -> bool:
        """True in a new version that starts while the old one serves: ports and accounts become free only later."""
        return self._link.bootstrap.successor

    @property
    def draining(self) -> bool:
        """True once this process was asked to end: what may wait for long gives up its place, by raising
        asyncio.CancelledError in a handler, which hands the delivery back untouched."""
        return self._link.deliveries.draining

    @property
    def log(self) -> logging.Logger:
        """The plugin's logger."""
        return logger_for(self.name)

    @property
    def seconds_since_kernel(self) -> float:
        """How long the kernel was not heard. 0 while the connection stands."""
        return self._link.silence

    async def publish(
        self,
        type: str,
        data: dict[str, Any] | None = None,
        *,
        id: str = "",
        bot: str = "",
        chat: Chat | None = None,
        subject: str = "",
        sender: User | None = None,
        dedup_key: str = "",
    ) -> str:
        """Publishes an event of the plugin's own and returns its id when it is durable.

        A name without a dot becomes `<plugin id>.<name>`. The same `dedup_key` again is accepted and dropped, and so is the same
        `id`. Without a `bot` observers see it, and rules of a table for all bots; with one its rules choose the handler, and the
        grant `send` is needed. Raises InvalidArgument for another's type, and the kernel's refusal.
        """
        event = Event(
            payload=CustomEvent(data or {}),
            type=type if "." in type else f"{self.name}.{type}",
            id=id or event_id(),
            time=datetime.now(UTC),
            bot=bot,
            chat=chat,
            subject=subject,
            sender=sender,
        )
        durable = await self._link.publishes.publish(convert.event_to_proto(event), dedup_key)
        await durable
        return event.id

    def ready(self, addresses: Iterable[tuple[str, str] | tuple[str, str, str]] | None = None) -> None:
        """The plugin can do its work. `addresses` as (label, url) or (label, url, bot) are shown to the operator."""
        self._reported.readiness = frame_pb2.READINESS_READY
        self._reported.ClearField("reason")
        if addresses is not None:
            del self._reported.addresses[:]
            for label, url, *bot in addresses:
                self._reported.addresses.add(label=label, url=url, bot=bot[0] if bot else "")
        self.report()

    def not_ready(self, reason: str | JackfieldError, remedy: str = "") -> None:
        """The plugin runs and cannot work: say why and what the operator should do."""
        error = reason if isinstance(reason, JackfieldError) else Unavailable(reason, remedy=remedy)
        self._reported.readiness = frame_pb2.READINESS_NOT_READY
        self._reported.reason.CopyFrom(error_to_proto(error))
        self.report()

    def warn(self, warnings: Iterable[JackfieldError]) -> None:
        """What the operator should know although the plugin works, in place of what was said before; nothing takes it back.

        `jackfield status` shows at most 20, each with its remedy.
        """
        del self._reported.warnings[:]
        self._reported.warnings.extend(error_to_proto(warning) for warning in warnings)
        self.report()

    def report_bot(
        self,
        bot: str,
        state: BotState,
        reason: JackfieldError | str | None = None,
        self_user: User | None = None,
    ) -> None:
        """The state of one bot as its adapter sees it."""
        report = frame_pb2.BotReport(bot=bot, state=frame_pb2.BotState.ValueType(int(state)))
        if reason is not None:
            error = reason if isinstance(reason, JackfieldError) else Unavailable(reason)
            report.reason.CopyFrom(error_to_proto(error))
        if self_user is not None:
            report.self.CopyFrom(convert.to_proto(self_user))
        self._bots[bot] = report
        self._send(bots=[report])

    def forget_bot(self, bot: str) -> None:
        """A closed bot is not reported any more."""
        self._bots.pop(bot, None)

    @property
    def addresses(self) -> list[Address]:
        """What `ready` stated."""
        return [convert.to_plain(address) for address in self._reported.addresses]

    @property
    def has_reported(self) -> bool:
        """True once `ready` or `not_ready` was called."""
        return self._reported.readiness != frame_pb2.READINESS_UNSPECIFIED

    def report(self) -> None:
        """Says everything again: after a change and after a reconnect."""
        self._send(bots=list(self._bots.values()))

    def configured(self, config: frame_pb2.Config) -> None:
        """A new configuration from the kernel."""
        self._config = config

    def _send(self, bots: list[frame_pb2.BotReport]) -> None:
        report = frame_pb2.Report()
        report.CopyFrom(self._reported)
        report.bots.extend(bots)
        self._link.send(frame_pb2.Frame(report=report))
