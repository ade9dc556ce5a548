"""The border between the kernel and work that it does on behalf of one plugin or bot."""

from __future__ import annotations

import logging
from collections.abc import Coroutine

log = logging.getLogger(__name__)


async def contained(work: Coroutine[object, object, object], what: str) -> None:
    """Run `work`; a failure is logged with its traceback and ends neither the kernel nor anybody else's work."""
    try:
        await work
    except Exception:
        log.exception("%s failed", what)
