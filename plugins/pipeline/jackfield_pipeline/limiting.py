"""Keeps the windows of the rate limit in the kernel's keys, where every attempt finds the place that it took."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from jackfield_sdk import Conflict, Context

from jackfield_pipeline.settings import Rate
from jackfield_pipeline.window import MOST_WINDOWS, take


class Limiter:
    """`now` in seconds since 1970."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    async def wait_for(self, ctx: Context, name: str, rate: Rate) -> float | None:
        """Seconds until the event may be answered; None when it is one too many."""
        if not rate.limit:
            return 0.0
        key, event = _key(ctx, name, rate), hashlib.sha256(ctx.event.id.encode()).hexdigest()[:8]
        while True:
            entry = await ctx.kv.entry(key)
            before = json.loads(entry.value) if entry is not None else {}
            windows, wait = take(before, event, self._now(), rate)
            if windows == before:
                return wait
            version = entry.version if entry is not None and entry.version is not None else 0
            try:
                # At once: a place that is taken counts also when the answer fails.
                await ctx.kv.cas(
                    key, json.dumps(windows), version, ttl=float(rate.seconds * (MOST_WINDOWS + 2)), now=True
                )
            except Conflict:
                continue
            return wait


def _key(ctx: Context, name: str, rate: Rate) -> str:
    """Whose window it is. A person's key reads like their private chat, so that the kernel erases it with them."""
    place = str(ctx.chat)
    if rate.per == "user" and ctx.sender is not None:
        place = f"private:{ctx.sender.id}"
    data = f"{ctx.bot}:{place}".encode()
    if len(data) > 400:
        data = data[:300] + b"#" + hashlib.sha256(data).hexdigest().encode()
    return f"rate/{name}/{data.decode(errors='ignore')}"
