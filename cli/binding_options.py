"""Options of bindings: whom else to call, and in which hours."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import typer
from axbridge.routing.v1 import binding_pb2

from cli.values import INT32_MAX, Choice

DEFAULT_TIME_ZONE = "Asia/Shanghai"

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_SPAN = re.compile(r"([a-z]{3})(?:-([a-z]{3}))?")
_STRETCH = re.compile(r"(?:([a-z,-]+)\s+)?([0-9:]{4,5})-([0-9:]{4,5})")
_EXPECTED = "hours such as 'mon-fri 09:00-18:00' or 'sat,sun 22:00-06:00' are expected"


class StrategyChoice(Choice):
    SEQUENTIAL = "sequential"
    ROUND_ROBIN = "round-robin"
    LONGEST_IDLE = "longest-idle"


Strategy = Annotated[StrategyChoice | None, typer.Option(help="In which order the members of a group are tried.")]
MaxMembers = Annotated[
    int | None, typer.Option(min=0, max=INT32_MAX, help="How many members an answer names at most; 0: all.")
]


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """Options: the members of a group, or who stands in."""

    member: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NUMBER[=DISPLAY]",
            help="A member of the group, or who is called after the first; with =DISPLAY what it sees. Repeatable.",
        ),
    ] = None

    def targets(self) -> list[binding_pb2.BindingTarget]:
        targets = []
        for text in self.member or []:
            number, _, display = text.partition("=")
            targets.append(binding_pb2.BindingTarget(number=number, display_number=display))
        return targets


@dataclass(frozen=True, slots=True)
class ScheduleOptions:
    """Options: weekly hours."""

    schedule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[DAYS] HH:MM-HH:MM",
            help="In force in these hours only, such as 'mon-fri 09:00-18:00'; without days on every day. Repeatable.",
        ),
    ] = None
    time_zone: Annotated[
        str | None, typer.Option(help=f"Time zone of the hours; {DEFAULT_TIME_ZONE} where none is given.")
    ] = None
    holiday: Annotated[
        list[str] | None,
        typer.Option(metavar="YYYY-MM-DD", help="Not in force on this date. Repeatable. Needs --schedule."),
    ] = None

    def weekly(self) -> binding_pb2.WeeklySchedule | None:
        """The schedule; None where no hours are given. Raises typer.BadParameter."""
        if not self.schedule:
            if self.holiday or self.time_zone:
                raise typer.BadParameter("--holiday and --time-zone belong to hours: give --schedule too")
            return None
        return binding_pb2.WeeklySchedule(
            time_zone=self.time_zone or DEFAULT_TIME_ZONE,
            hours=[_hours(each) for each in self.schedule],
            holidays=self.holiday or [],
        )


def schedule_text(schedule: binding_pb2.WeeklySchedule) -> str:
    """A schedule for people, in the form in which it is given."""
    hours = "; ".join(f"{_days_text(each.days_of_week)} {each.start}-{each.end}" for each in schedule.hours)
    holidays = f", not on {', '.join(schedule.holidays)}" if schedule.holidays else ""
    return f"{hours} ({schedule.time_zone}){holidays}"


def _hours(text: str) -> binding_pb2.WeeklyHours:
    match = _STRETCH.fullmatch(text.strip().lower())
    if match is None:
        raise typer.BadParameter(f"--schedule: {_EXPECTED}")
    days = _days(match[1]) if match[1] else [1, 2, 3, 4, 5, 6, 7]
    return binding_pb2.WeeklyHours(days_of_week=days, start=match[2], end=match[3])


def _days(text: str) -> list[int]:
    days: list[int] = []
    for part in text.split(","):
        span = _DAY_SPAN.fullmatch(part)
        if span is None or span[1] not in _DAYS or (span[2] and span[2] not in _DAYS):
            raise typer.BadParameter(f"--schedule: {_EXPECTED}")
        first = _DAYS.index(span[1])
        last = _DAYS.index(span[2]) if span[2] else first
        # From Friday to Monday is a span too.
        days.extend((first + offset) % 7 + 1 for offset in range((last - first) % 7 + 1))
    return sorted(set(days))


def _days_text(days: Iterable[int]) -> str:
    numbers = list(days)
    if numbers == list(range(1, 8)):
        return "every day"
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{_DAYS[numbers[0] - 1]}-{_DAYS[numbers[-1] - 1]}"
    return ",".join(_DAYS[day - 1] for day in numbers if 1 <= day <= 7)
