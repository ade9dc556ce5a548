"""The listening sockets: one for each address, all on one port."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable

from jackfield_sdk import JackfieldError, Unavailable

from jackfield_onebot.port_holder import holder_of

# Addresses that a machine may lack, such as ::1 where IPv6 is off.
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class CannotListen(Unavailable):
    """No socket could be opened."""


def listen(hosts: Iterable[str], port: int) -> list[socket.socket]:
    """Sockets bound and listening. With port 0 the system chooses one port for all.

    An address that this machine lacks is left out when another one works. Raises CannotListen.
    """
    opened: list[socket.socket] = []
    absent: JackfieldError | None = None
    try:
        for host in hosts:
            try:
                bound = _bind(host, port)
            except OSError as error:
                refusal = _refusal(host, port, error)
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


def _bind(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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


def _refusal(host: str, port: int, error: OSError) -> CannotListen:
    where = f"{host}:{port}" if ":" not in host else f"[{host}]:{port}"
    if error.errno == errno.EADDRINUSE:
        return CannotListen(
            f"port {port} is taken on {host}{holder_of(port)}",
            remedy="Stop that process, or set another port for the plugin onebot.",
        )
    if error.errno == errno.EACCES:
        return CannotListen(f"not allowed to listen on {where}", remedy="Choose a port above 1023.")
    return CannotListen(
        f"cannot listen on {where}: {error.strerror or error}", remedy="Correct host or port."
    )
