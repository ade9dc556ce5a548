"""Orphans of plugins become children of the kernel instead of process 1, so that somebody ends and buries them."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

import psutil

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> bool:
    """Make this process the parent of every orphan below it; False where the system cannot. Idempotent."""
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def reap_orphans() -> None:
    """Bury orphans that ended. Blocks for some milliseconds when a child ended just now: call it in a thread.

    What we started ourselves stands in our session or leads its own, and whoever started it waits for it: only what
    is neither is ours to bury.
    """
    if sys.platform != "linux":
        return
    try:
        # A look that changes nothing: mostly there is nothing to bury, and no need to go through all processes.
        if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return
    except ChildProcessError:
        return
    with suppress(psutil.Error):
        for child in psutil.Process().children():
            with suppress(psutil.Error, OSError):
                session = os.getsid(child.pid)
                if session not in (os.getsid(0), child.pid) and child.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(child.pid, os.WNOHANG)
