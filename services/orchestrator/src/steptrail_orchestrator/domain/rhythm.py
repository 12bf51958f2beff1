"""When schedules are due: ticks of `every` and `cron`, jitter, maintenance windows.

Daylight saving follows Debian's cron, as cronsim does. A time of day that the clock skips is due once, at the first
moment after the gap; one that comes twice is due once, the first time. Expressions that begin with a star in minutes
or hours are due by the running clock: nothing in a gap, again in a doubled hour. `every` does not look at local time.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from cronsim import CronSim
from steptrail_common.contracts.definition import MaintenanceWindow, Schedule

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def next_tick(schedule: Schedule, identity: str, after: datetime) -> datetime | None:
    """The first tick later than `after`, in UTC; None if there is none within 50 years.

    Ticks of `every` are multiples of it since 1970, moved by a share made from `identity`: the same on every replica
    and after every restart, and different for different schedules.
    """
    if schedule.every is not None:
        return _next_of_every(schedule.every, identity, after)
    return _next_of_cron(schedule.cron or "", schedule.timezone, after)


def ticks(schedule: Schedule, identity: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """Ticks later than `after` and not later than `until`, in order."""
    tick = next_tick(schedule, identity, after)
    while tick is not None and tick <= until:
        yield tick
        tick = next_tick(schedule, identity, tick)


def jitter_seconds(schedule: Schedule, identity: str, tick: datetime) -> float:
    """How much later this tick starts its run: from 0 up to the jitter, always the same for the same tick."""
    if schedule.jitter is None:
        return 0.0
    return schedule.jitter * _share(f"{identity} {tick.isoformat()}")


def window_at(windows: Sequence[MaintenanceWindow], moment: datetime) -> MaintenanceWindow | None:
    """The maintenance window that is open at the moment: from its opening on, no longer at its closing."""
    return next((window for window in windows if _is_open(window, moment)), None)


def _next_of_every(seconds: float, identity: str, after: datetime) -> datetime:
    step = timedelta(seconds=seconds)
    first = _EPOCH + timedelta(seconds=seconds * _share(identity))
    return first + step * ((after - first) // step + 1)


def _next_of_cron(cron: str, timezone: str, after: datetime) -> datetime | None:
    """A fixed time of day begins its search on the local clock, so in a doubled hour it can look behind `after`."""
    for found in CronSim(cron, after.astimezone(ZoneInfo(timezone))):
        tick = found.astimezone(UTC)
        if tick > after:
            return tick
    return None


def _is_open(window: MaintenanceWindow, moment: datetime) -> bool:
    if window.opens is not None and window.closes is not None:
        return window.opens <= moment < window.closes
    if window.cron is None or window.duration is None:
        return False
    opened = _next_of_cron(window.cron, window.timezone, moment.astimezone(UTC) - timedelta(seconds=window.duration))
    return opened is not None and opened <= moment


def _share(text: str) -> float:
    """A number from 0 to below 1, evenly spread over different texts."""
    return int.from_bytes(sha256(text.encode()).digest()[:6], "big") / 2**48
