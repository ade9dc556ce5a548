"""One start of one plugin: what has been heard of it so far, and why it must end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .launcher import Exit, Running
from .limits import Hold
from .state import MISSED_HEARTBEATS, Reason
from .surroundings import Link

DRAIN_STOP, DRAIN_RESTART, DRAIN_SHUTDOWN, DRAIN_UPGRADE = "STOP", "RESTART", "SHUTDOWN", "UPGRADE"


class Run:
    """Facts reported by the session room and the launcher; the life decides what they mean.

    `running` is None for a plugin that someone else starts. All methods are called on the event loop and
    never block.
    """

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.running: Running | None = None
        self.hold: Hold | None = None
        self.session: str | None = None
        self.link: Link | None = None
        self.was_attached = False
        self.was_active = False
        self.ready = False
        self.addresses: tuple[tuple[str, str], ...] = ()
        self.give_up: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()
        self.gone = asyncio.Event()
        self.on_attached: Callable[[], None] = _nothing
        self._beat = False
        self._missed = 0

    def fail(self, reason: Reason) -> None:
        """The plugin cannot go on; the first reason stands."""
        if not self.give_up.done():
            self.give_up.set_result(reason)

    def attached(self, link: Link) -> None:
        """A control stream opened, first or again."""
        self.link = link
        self.was_attached = True
        self.on_attached()
        self.gone.clear()
        self.beat()

    def detached(self) -> None:
        """The control stream ended; the plugin may come back."""
        self.link = None
        self.gone.set()

    def beat(self) -> None:
        """A heartbeat arrived."""
        self._beat = True

    def tick(self, limit: int, on_time: bool) -> None:
        """One heartbeat interval passed; silence counts only when our own clock did not skip (`on_time`)."""
        if not self.was_attached:
            return
        if self._beat:
            self._beat, self._missed = False, 0
        elif on_time:
            self._missed += 1
        if self._missed >= limit:
            if self.link is None:
                text = "It lost its connection and did not come back."
                self.fail(Reason("DETACHED", text, "Read its last log lines."))
            else:
                text = f"{limit} heartbeats in a row are missing; its event loop is stuck."
                self.fail(Reason(MISSED_HEARTBEATS, text, "Look for blocking calls in the plugin."))

    async def ended(self) -> Exit:
        """Return when the process ended; without a process, never."""
        if self.running is None:
            await asyncio.get_running_loop().create_future()
            raise AssertionError("unreachable: the future above is never resolved")
        return await self.running.wait()


def _nothing() -> None:
    """The start passed no gate yet."""
