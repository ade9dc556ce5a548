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
    """Bury orphans that ended. Blocks for a millisecond or two: call it in a thread.

    What we started ourselves stands in our session or leads its own, and whoever started it waits for it: only what
    is neither is ours to bury.
    """
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess, ChildProcessError, ProcessLookupError):
                session = os.getsid(child.pid)
                if session not in (os.getsid(0), child.pid) and child.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(child.pid, os.WNOHANG)
