"""Word to the service manager, by systemd's protocol: ready, stopping, and a heartbeat from the event loop.

One datagram each; a library would cost more than these lines. Nothing happens where no manager listens.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"


class ServiceManager:
    """What `NOTIFY_SOCKET` and `WATCHDOG_USEC` of the environment name."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the zero byte of an abstract socket.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        micros = environ.get("WATCHDOG_USEC", "")
        self._watchdog = int(micros) / 1e6 if micros.isdigit() else 0.0

    def say(self, word: str) -> None:
        """Tell the manager something; it may not be there any more, which is logged."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
                door.connect(self._address)
                door.send(word.encode())
        except OSError as error:
            log.warning("the service manager does not hear %s: %s", word, error)

    async def beats(self) -> None:
        """Say that the event loop turns, twice within each time that the manager allows; returns where it asks for none."""
        while self._address and self._watchdog:
            self.say(ALIVE)
            await asyncio.sleep(self._watchdog / 2)
