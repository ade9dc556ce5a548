"""Stage: at most so many messages in each fixed window of time. Who waits has a place in a later window, and keeps it."""

from __future__ import annotations

from collections.abc import Mapping

from jackfield_pipeline.settings import Rate

WAIT = "wait"
# A message that would wait for longer is turned away.
MOST_WINDOWS = 5
LONGEST_WAIT = 300
Windows = dict[str, list[str]]


def take(
    windows: Mapping[str, list[str]], event: str, now: float, rate: Rate
) -> tuple[Windows, float | None]:
    """A place for an event at `now` (seconds since 1970): the windows that count from now on, and seconds to wait.

    None instead of seconds: there is no place. An event that has one already takes no second.
    """
    current = int(now // rate.seconds)
    kept = {number: list(events) for number, events in windows.items() if int(number) >= current - 1}
    for number, events in kept.items():
        if event in events:
            return kept, max(0.0, int(number) * rate.seconds - now)
    last = current
    if rate.strategy == WAIT:
        last = current + min(MOST_WINDOWS, max(1, LONGEST_WAIT // rate.seconds))
    for place in range(current, last + 1):
        events = kept.setdefault(str(place), [])
        if len(events) < rate.limit:
            events.append(event)
            return kept, max(0.0, place * rate.seconds - now)
    return {number: events for number, events in kept.items() if events}, None
