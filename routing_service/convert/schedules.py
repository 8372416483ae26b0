"""Weekly schedules."""

import re
from datetime import date

from axbridge.routing.v1 import binding_pb2

from common.errors import InvalidArgumentError
from routing_service.domain.schedule import WeeklyHours, WeeklySchedule

_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def schedule_from_proto(message: binding_pb2.WeeklySchedule, field: str) -> WeeklySchedule:
    """A schedule with its times and dates read; the rest is for `schedule_rules`. Raises InvalidArgumentError."""
    hours = (_hours(each, f"{field}.hours[{place}]") for place, each in enumerate(message.hours))
    holidays = (_date(each, f"{field}.holidays[{place}]") for place, each in enumerate(message.holidays))
    return WeeklySchedule(message.time_zone, tuple(hours), frozenset(holidays))


def schedule_to_proto(schedule: WeeklySchedule) -> binding_pb2.WeeklySchedule:
    return binding_pb2.WeeklySchedule(
        time_zone=schedule.time_zone,
        hours=[
            binding_pb2.WeeklyHours(
                days_of_week=each.days_of_week, start=_written(each.start_minute), end=_written(each.end_minute)
            )
            for each in schedule.hours
        ],
        holidays=[each.isoformat() for each in sorted(schedule.holidays)],
    )


def _hours(message: binding_pb2.WeeklyHours, field: str) -> WeeklyHours:
    return WeeklyHours(
        tuple(message.days_of_week), _minute(message.start, f"{field}.start"), _minute(message.end, f"{field}.end")
    )


def _minute(text: str, field: str) -> int:
    match = _TIME_OF_DAY.fullmatch(text)
    if match is None:
        raise InvalidArgumentError(field, "a time of day such as 08:30 is expected")
    # 24:01 and later are for the rules to refuse.
    return int(match[1]) * 60 + int(match[2])


def _date(text: str, field: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidArgumentError(field, "there is no such date") from error
    raise InvalidArgumentError(field, "a date such as 2026-10-01 is expected")


def _written(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
