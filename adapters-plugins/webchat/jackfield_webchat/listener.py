"""Opening the port, and naming who holds it when it is taken."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from contextlib import suppress
from pathlib import Path

LISTENING = "0A"
LOOPBACK = ("127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """True for an address that only this machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> list[socket.socket]:
    """Opens the port; `localhost` means 127.0.0.1 and, where the machine has it, ::1. Port 0: any free one.

    Raises OSError; EADDRINUSE when somebody else listens on any of the addresses.
    """
    sockets: list[socket.socket] = []
    try:
        for address in LOOPBACK if host == "localhost" else (host,):
            try:
                sockets.append(_bound(address, port or (sockets[0].getsockname()[1] if sockets else 0)))
            except OSError as error:
                missing = error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
                if not (missing and sockets):
                    raise
    except OSError:
        for opened in sockets:
            opened.close()
        raise
    return sockets


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
        opened.bind((address, port))
        opened.listen(128)
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened


def holder(port: int) -> str:
    """Who listens on a port, as text for people: `pid 4711 (python3)`, or that it cannot be seen."""
    inodes = _inodes(port)
    for process in Path("/proc").glob("[0-9]*"):
        # Processes end while we look, and those of other users do not let us.
        with suppress(OSError):
            for handle in (process / "fd").iterdir():
                if _target(handle) in inodes:
                    name = (process / "comm").read_text().strip()
                    return f"pid {process.name} ({name})"
    return "another program"


def _inodes(port: int) -> set[str]:
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{fields[9]}]")
    return found


def _target(handle: Path) -> str:
    with suppress(OSError):
        return os.readlink(handle)
    return ""
