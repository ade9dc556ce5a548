"""Who holds a port, for a message that helps."""

from __future__ import annotations

import psutil


def holder_of(port: int) -> str:
    """`, held by process 123 (python)`; empty when it cannot be told."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        # Some systems tell it to root alone.
        return ""
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            return f", held by process {_named(connection.pid)}" if connection.pid else ""
    return ""


def _named(pid: int) -> str:
    try:
        return f"{pid} ({psutil.Process(pid).name()})"
    except psutil.Error:
        return str(pid)
