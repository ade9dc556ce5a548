"""One bot that an adapter carries."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jackfield_sdk import convert
from jackfield_sdk.adapter_types import BotState, SendResult
from jackfield_sdk.entity import User
from jackfield_sdk.errors import InvalidArgument, JackfieldError
from jackfield_sdk.event import Event
from jackfield_sdk.identifiers import event_id
from jackfield_sdk.payload import EVENT_TYPES, PlatformEvent

if TYPE_CHECKING:
    from jackfield_sdk.plugin_context import PluginContext
    from jackfield_sdk.runtime import Runtime


# A larger native update becomes a blob.
LARGEST_RAW = 65_536


class Bot:
    """One account on the platform, opened by the kernel.

    `config` holds its configuration with secrets in clear: log none of it. `checkpoint` is what the adapter
    committed last. `self_user` is the bot's own account once `open_bot` gave it. `connection` is the
    adapter's own: whatever it wants to find again in its calls.
    """

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        platform: str,
        config: dict[str, Any],
        checkpoint: bytes,
        lease_seconds: float,
    ) -> None:
        self.name = name
        self.platform = platform
        self.config = config
        self.checkpoint = checkpoint
        self.lease_seconds = lease_seconds
        self.self_user: User | None = None
        self.connection: Any = None
        self.begun: dict[str, asyncio.Task[SendResult]] = {}
        """Streamed replies whose first message is on its way, by key: the SDK's own."""
        self.reported = BotState.UNSPECIFIED
        self.heard_at = time.monotonic()
        self.proves_life = False
        self._runtime = runtime

    def __repr__(self) -> str:
        return f"Bot({self.name!r})"

    @property
    def plugin(self) -> PluginContext:
        """The running adapter: its configuration, keys, folder."""
        return self._runtime.context

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that states the bot."""
        return logging.LoggerAdapter(self.plugin.log, {"bot": self.name})

    async def publish(self, event: Event, dedup_key: str = "", checkpoint: bytes = b"") -> str:
        """Publishes an event and returns its id when it is durable: only then acknowledge it to the platform.

        `dedup_key` names the occurrence on the platform so that a redelivery is stored once; empty where
        the platform never redelivers. `checkpoint` is committed with the event and handed back at the next
        `open_bot`. Raises the kernel's refusal, such as ContentTooLarge or Overloaded.
        """
        complete = self.complete(event)
        durable = await self._queue(complete, dedup_key, checkpoint)
        await durable
        return complete.id

    async def publish_nowait(
        self, event: Event, dedup_key: str = "", checkpoint: bytes = b""
    ) -> asyncio.Future[None]:
        """Queues an event in order and returns a future that is done when it is durable.

        Waits only while as many publishes as the kernel allows are unacknowledged, or the bot has more open
        events than its share, so a flood slows its own reader down.
        """
        return await self._queue(self.complete(event), dedup_key, checkpoint)

    def state(
        self, state: BotState, reason: JackfieldError | str | None = None, self_user: User | None = None
    ) -> None:
        """Tells the operator how this bot stands with its platform."""
        if state is BotState.ACTIVE and self.reported is not BotState.ACTIVE:
            self.heard_at = time.monotonic()
        self.reported = state
        self.self_user = self_user or self.self_user
        self.plugin.report_bot(self.name, state, reason, self.self_user)

    def alive(self) -> None:
        """The platform was heard: call it at each poll that was answered, each heartbeat, each frame. Publishing counts too.

        Where the manifest declares `liveness`, a bot that is ACTIVE and silent for longer is opened again by the kernel.
        """
        self.heard_at = time.monotonic()
        self.proves_life = True

    @property
    def may_act(self) -> bool:
        """False when the kernel was not reached for half of the bot's lease: stop all platform I/O."""
        return self.lease_seconds <= 0 or self.plugin.seconds_since_kernel < self.lease_seconds / 2

    def complete(self, event: Event) -> Event:
        """The event with id, type and time filled in. Raises InvalidArgument when the type cannot be told."""
        payload = event.payload
        event_type = event.type
        if not event_type and isinstance(payload, PlatformEvent):
            event_type = f"platform.{self.platform}.{payload.action}"
        event_type = event_type or EVENT_TYPES.get(type(payload), "")
        if not event_type:
            raise InvalidArgument(
                "an event needs a type or a payload that means one", metadata={"field": "type"}
            )
        return replace(
            event,
            id=event.id or event_id(),
            type=event_type,
            time=event.time or datetime.now(UTC),
            time_is_receipt=event.time_is_receipt or event.time is None,
            bot=self.name,
        )

    async def _queue(self, event: Event, dedup_key: str, checkpoint: bytes) -> asyncio.Future[None]:
        self.heard_at = time.monotonic()
        if checkpoint:
            self.checkpoint = checkpoint
        if event.raw_json is not None and len(event.raw_json) > LARGEST_RAW:
            media = await self.plugin.put_blob(event.raw_json, mime="application/json")
            event = replace(event, raw_json=None, raw_blob_id=media.blob_id)
        proto = convert.event_to_proto(event)
        return await self._runtime.link.publishes.publish(proto, dedup_key, checkpoint)
