"""Requests that came already. The same signed request again is answered as the first time and handed to nobody.

It is not refused: a platform whose answer was lost sends the very same request again, and takes a refusal for a failure. Only requests
that were answered well are kept, so what failed can be repeated. A repeat while the first one runs waits for that one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from jackfield_sdk import JackfieldError, Unavailable
from jackfield_sdk.ingress import HttpResponse

MOST = 20_000
LARGEST = 4_096
"""Bytes of a body that is kept with its answer; a longer one is answered without it the second time."""


class Replays:
    """Answers by request, for as long as its signed time lets it through."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._answers: OrderedDict[tuple[str, str], tuple[float, HttpResponse]] = OrderedDict()
        self._running: dict[tuple[str, str], asyncio.Future[HttpResponse]] = {}
        self.replayed = 0

    async def once(
        self, path: str, identity: str, now: float, answer: Callable[[], Awaitable[HttpResponse]]
    ) -> HttpResponse:
        """The answer: of `answer`, or of the time before. Raises what `answer` raises."""
        if not identity:
            return await answer()
        key = (path, identity)
        self._forget(now)
        known = self._answers.get(key)
        if known is not None:
            self.replayed += 1
            return known[1]
        if key in self._running:
            self.replayed += 1
            return await asyncio.shield(self._running[key])
        future = self._running[key] = asyncio.get_running_loop().create_future()
        try:
            response = await answer()
        except BaseException as error:
            late = Unavailable("the same request, which came first, was cut off")
            future.set_exception(error if isinstance(error, JackfieldError) else late)
            future.exception()  # nobody may be waiting
            raise
        else:
            future.set_result(response)
            if response.status < 300:
                kept = response if len(response.body) <= LARGEST else HttpResponse(response.status)
                self._answers[key] = (now, kept)
                if len(self._answers) > MOST:
                    self._answers.popitem(last=False)
            return response
        finally:
            del self._running[key]

    def _forget(self, now: float) -> None:
        while self._answers:
            key, (at, _) = next(iter(self._answers.items()))
            if now - at <= self._seconds:
                return
            del self._answers[key]
