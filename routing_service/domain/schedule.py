"""Hours of the week, in local time."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

MINUTES_OF_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """A stretch of time that begins on these days, 1 Monday to 7 Sunday.

    Minutes are counted from 00:00; `start_minute` is the first one in it, `end_minute` the first one behind it, at most
    24:00. With an end at or before the start it ends on the next day.
    """

    days_of_week: tuple[int, ...]
    start_minute: int
    end_minute: int

    @property
    def is_overnight(self) -> bool:
        """Whether it ends on the day after it began."""
        return self.end_minute <= self.start_minute


@dataclass(frozen=True, slots=True)
class WeeklySchedule:
    """When a binding is in force: in any of `hours`, but not on `holidays`.

    What counts is what a clock and a calendar on a wall in `time_zone` (an IANA name) show. So where clocks are put
    forward the hour that is left out never comes, and where they are put back the hour that comes twice counts twice.
    On a holiday nothing is open from 00:00 to 24:00, whenever the stretch began, and beyond the calendar nothing is.
    """

    time_zone: str
    hours: tuple[WeeklyHours, ...]
    holidays: frozenset[date] = frozenset()

    def is_open(self, moment: datetime) -> bool:
        """Whether this moment lies in its hours. Raises ZoneInfoNotFoundError when the zone is unknown here."""
        local = self._local(moment)
        if local is None or local.date() in self.holidays:
            return False
        today, yesterday = local.isoweekday(), (local.isoweekday() - 2) % 7 + 1
        minute = local.hour * 60 + local.minute
        for stretch in self.hours:
            ends_today = MINUTES_OF_A_DAY if stretch.is_overnight else stretch.end_minute
            if today in stretch.days_of_week and stretch.start_minute <= minute < ends_today:
                return True
            if stretch.is_overnight and yesterday in stretch.days_of_week and minute < stretch.end_minute:
                return True
        return False

    def is_holiday(self, moment: datetime) -> bool:
        """Whether this moment is on one of the holidays."""
        local = self._local(moment)
        return local is not None and local.date() in self.holidays

    def _local(self, moment: datetime) -> datetime | None:
        try:
            return moment.astimezone(ZoneInfo(self.time_zone))
        except OverflowError:
            # In year 0 or 10000 there: somebody asked about the end of the calendar.
            return None
