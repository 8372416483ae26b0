"""The rules that a weekly schedule must keep."""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from common.errors import InvalidArgumentError
from routing_service.domain.schedule import MINUTES_OF_A_DAY, WeeklyHours, WeeklySchedule

MAX_STRETCHES = 64
MAX_HOLIDAYS = 1000

_ZONE_NAME = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}")


def check_schedule(schedule: WeeklySchedule, field: str) -> None:
    """Raises InvalidArgumentError naming the wrong field below `field` (`binding.schedule.time_zone`)."""
    if not _is_time_zone(schedule.time_zone):
        raise InvalidArgumentError(f"{field}.time_zone", "an IANA time zone such as Asia/Shanghai is expected")
    if not schedule.hours:
        raise InvalidArgumentError(f"{field}.hours", "at least one stretch of hours is needed")
    if len(schedule.hours) > MAX_STRETCHES:
        raise InvalidArgumentError(f"{field}.hours", f"at most {MAX_STRETCHES} stretches")
    for place, hours in enumerate(schedule.hours):
        _check_hours(hours, f"{field}.hours[{place}]")
    if len(schedule.holidays) > MAX_HOLIDAYS:
        raise InvalidArgumentError(f"{field}.holidays", f"at most {MAX_HOLIDAYS} dates")


def _check_hours(hours: WeeklyHours, field: str) -> None:
    days = hours.days_of_week
    if not days:
        raise InvalidArgumentError(f"{field}.days_of_week", "at least one day is needed")
    if len(set(days)) != len(days) or not all(1 <= day <= 7 for day in days):
        raise InvalidArgumentError(f"{field}.days_of_week", "1 Monday to 7 Sunday are expected, each once")
    if not 0 <= hours.start_minute < MINUTES_OF_A_DAY:
        raise InvalidArgumentError(f"{field}.start", "00:00 to 23:59 is expected")
    if not 0 <= hours.end_minute <= MINUTES_OF_A_DAY:
        raise InvalidArgumentError(f"{field}.end", "00:00 to 24:00 is expected")


def _is_time_zone(name: str) -> bool:
    if not _ZONE_NAME.fullmatch(name):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
