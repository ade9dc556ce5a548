"""When a job is due: five cron fields, `every 2h`, a delay, or an ISO time.

Cron fields and ISO times without an offset are local times of a zone. One that the clock skips (spring) is due as long after the last
one that exists as it would have been: 02:30 becomes 03:30. One that comes twice (autumn) is due the first time alone, except where the
hour field begins with `*`: such a job goes on through both hours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadCronError, CroniterBadDateError, croniter
from jackfield_sdk import InvalidArgument

SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(days=3660)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PERIOD = re.compile(r"(?:\d{1,6}[smhdw])+")
_PART = re.compile(r"(\d+)([smhdw])")
# No change of a zone's offset moves a local time by more.
_SHIFT = timedelta(hours=3)
_REMEDY = "Write five cron fields (0 9 * * 1-5), every 2h, a delay (30m) or a time (2027-01-31T09:00)."


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed schedule. `text` and `zone` are what `parse` reads back; exactly one of the others is set."""

    text: str
    zone: str
    at: datetime | None = None
    every: timedelta | None = None
    cron: str = ""

    @property
    def once(self) -> bool:
        """True when it is due a single time."""
        return self.at is not None

    def next_after(self, moment: datetime, anchor: datetime) -> datetime | None:
        """The first due time after `moment`, in UTC; None when there is none. Periods are counted from `anchor`."""
        if self.at is not None:
            return self.at if self.at > moment else None
        if self.every is not None:
            return anchor + ((moment - anchor) // self.every + 1) * self.every
        return _next_of_cron(self.cron, ZoneInfo(self.zone), moment)


def parse(text: str, zone: str, now: datetime) -> Schedule:
    """Read what a person wrote. A delay becomes the time that it means. Raises InvalidArgument."""
    text = " ".join(text.split())
    zone_of(zone)
    if text.lower().startswith("every "):
        every = _period(text[6:])
        if not SHORTEST <= every <= LONGEST:
            raise _wrong(f"{text!r}: a period is one minute to ten years")
        return Schedule(f"every {text[6:]}", zone, every=every)
    if _PERIOD.fullmatch(text.lower()):
        delay = _period(text)
        if not timedelta(0) < delay <= LONGEST:
            raise _wrong(f"{text!r}: a delay is at most ten years")
        at = (now + delay).astimezone(UTC)
        return Schedule(at.isoformat(), zone, at=at)
    if len(text.split(" ")) == 5:
        return _cron(text, zone, now)
    at = _time(text, zone)
    return Schedule(at.isoformat(), zone, at=at)


def zone_of(name: str) -> ZoneInfo:
    """The zone of this name. Raises InvalidArgument."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidArgument(
            f"there is no time zone {name!r}",
            remedy="Name one such as Europe/Berlin.",
            metadata={"field": "zone"},
        ) from None


def _cron(text: str, zone: str, now: datetime) -> Schedule:
    try:
        croniter(text)
        _next_of_cron(text, ZoneInfo(zone), now)
    except (CroniterBadCronError, CroniterBadDateError, ValueError, KeyError) as error:
        raise _wrong(f"{text!r} are no cron fields: {error}") from error
    return Schedule(text, zone, cron=text)


def _next_of_cron(cron: str, zone: ZoneInfo, moment: datetime) -> datetime | None:
    local = moment.astimezone(zone).replace(tzinfo=None)
    times = croniter(cron, local - _SHIFT)
    through_both = cron.split()[1].startswith("*")
    best: datetime | None = None
    while True:
        try:
            wall: datetime = times.get_next(datetime)
        except CroniterBadDateError:
            if best is None:
                raise
            return best
        first = wall.replace(tzinfo=zone).astimezone(UTC)
        if best is not None and first > best + _SHIFT:
            return best
        candidates = [first]
        if through_both:
            candidates.append(wall.replace(tzinfo=zone, fold=1).astimezone(UTC))
        for candidate in candidates:
            if candidate > moment and (best is None or candidate < best):
                best = candidate


def _time(text: str, zone: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(f"{text!r} is no schedule") from None
    try:
        return (at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    except OverflowError:
        raise _wrong(f"{text!r} is out of range") from None


def _period(text: str) -> timedelta:
    if not _PERIOD.fullmatch(text.lower()):
        raise _wrong(f"{text!r} is no period")
    seconds = sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(text.lower()))
    return timedelta(seconds=min(seconds, LONGEST.total_seconds() + 1))


def _wrong(message: str) -> InvalidArgument:
    return InvalidArgument(message, remedy=_REMEDY, metadata={"field": "schedule"})
