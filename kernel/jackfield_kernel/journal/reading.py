"""Reading a bucket whole, in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator

from .log import Entry, LogDriver

PAGE = 1_000


async def every(driver: LogDriver, bucket: str, prefix: str = "") -> AsyncIterator[tuple[str, Entry]]:
    """All live entries of a bucket whose key starts with `prefix`, by key."""
    after = ""
    while True:
        page = await driver.entries(bucket, prefix, after, PAGE)
        for key, entry in page:
            yield key, entry
        if len(page) < PAGE:
            return
        after = page[-1][0]
