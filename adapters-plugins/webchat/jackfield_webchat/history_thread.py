"""Keeps the history's disk writes off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from jackfield_webchat.history import History

P = ParamSpec("P")
R = TypeVar("R")


class HistoryThread:
    """One thread that alone touches the history, in the order asked: `await run(History.add, entry)`."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="webchat-history")
        self._history = self._thread.submit(History, path).result()

    async def run(self, method: Callable[Concatenate[History, P], R], *args: P.args, **values: P.kwargs) -> R:
        """Runs a method of History there and returns what it returns."""
        call = partial(method, self._history, *args, **values)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def close(self) -> None:
        """Finishes what was asked and closes the database."""
        self._thread.submit(self._history.close).result()
        self._thread.shutdown()
