"""Opens the port of a plugin that is dialled: on all its addresses or not at all, and beside its own earlier version.

Import it from here: plugins that dial out do not pay for it.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from jackfield_sdk.errors import JackfieldError, Unavailable

LOOPBACK = ("127.0.0.1", "::1")

# Addresses that a machine may lack, such as ::1 where IPv6 is off.
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_LISTENING = "0A"


class CannotListen(Unavailable):
    """No socket could be opened; says who holds the port where that can be seen."""


def is_loopback(host: str) -> bool:
    """True for an address that only this machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listen(hosts: Iterable[str], port: int, *, plugin: str, successor: bool = False) -> list[socket.socket]:
    """Sockets bound and listening, not blocking. With port 0 the system chooses one port for all.

    `localhost` means both loopback addresses. An address that this machine lacks is left out when another one works. `successor`, as
    `PluginContext.successor` says it: the earlier version of this plugin still listens, and both take connections until it ends.
    `plugin` is how the remedy names the plugin. Raises CannotListen.
    """
    opened: list[socket.socket] = []
    absent: JackfieldError | None = None
    wanted = [address for host in hosts for address in (LOOPBACK if host == "localhost" else (host,))]
    try:
        for host in wanted:
            try:
                bound = _bound(host, port, successor)
            except OSError as error:
                refusal = _refusal(host, port, error, plugin)
                if error.errno not in _ABSENT:
                    raise refusal from error
                absent = refusal
                continue
            port = port or bound.getsockname()[1]
            opened.append(bound)
        if not opened:
            raise absent or CannotListen("there is no address to listen on", remedy="Set host.")
    except CannotListen:
        for bound in opened:
            bound.close()
        raise
    return opened


def _bound(host: str, port: int, successor: bool) -> socket.socket:
    if port and not successor:
        # Whoever shares a port by SO_REUSEPORT does not notice others that do: without it, everybody's is seen.
        _open(host, port, shared=False).close()
    return _open(host, port, shared=True)


def _open(host: str, port: int, *, shared: bool) -> socket.socket:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared and hasattr(socket, "SO_REUSEPORT"):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # Without this :: takes the IPv4 port too, and the next host fails.
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.setblocking(False)
        bound.bind(address)
        bound.listen(128)
    except OSError:
        bound.close()
        raise
    return bound


def _refusal(host: str, port: int, error: OSError, plugin: str) -> CannotListen:
    where = f"{host}:{port}" if ":" not in host else f"[{host}]:{port}"
    if error.errno == errno.EADDRINUSE:
        return CannotListen(
            f"port {port} is taken on {host} by {holder(port)}",
            remedy=f"End that program, or set another port for the plugin {plugin}.",
        )
    if error.errno == errno.EACCES:
        return CannotListen(f"not allowed to listen on {where}", remedy="Choose a port above 1023.")
    return CannotListen(
        f"cannot listen on {where}: {error.strerror or error}", remedy="Correct host or port."
    )


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
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{fields[9]}]")
    return found


def _target(handle: Path) -> str:
    with suppress(OSError):
        return os.readlink(handle)
    return ""
