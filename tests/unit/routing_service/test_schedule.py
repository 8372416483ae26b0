"""Weekly schedules: what a clock on a wall shows decides, in every zone and through every change of the clocks."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InvalidArgumentError
from routing_service.domain.schedule import MINUTES_OF_A_DAY, WeeklyHours, WeeklySchedule
from routing_service.schedule_rules import check_schedule

EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
WORKDAYS = (1, 2, 3, 4, 5)
OFFICE = WeeklyHours(WORKDAYS, 9 * 60, 18 * 60)
NIGHT = WeeklyHours((5,), 22 * 60, 6 * 60)


def local(text: str, zone: str = "Asia/Shanghai", fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("hours", "at", "is_open"),
    [
        pytest.param(OFFICE, "2026-05-04T09:00", True, id="the first minute"),
        pytest.param(OFFICE, "2026-05-04T08:59:59.999999", False, id="just before"),
        pytest.param(OFFICE, "2026-05-04T17:59:59.999999", True, id="the last moment"),
        pytest.param(OFFICE, "2026-05-04T18:00", False, id="the end"),
        pytest.param(OFFICE, "2026-05-09T12:00", False, id="Saturday"),
        pytest.param(NIGHT, "2026-05-08T22:00", True, id="Friday night"),
        pytest.param(NIGHT, "2026-05-08T05:00", False, id="Friday before dawn"),
        pytest.param(NIGHT, "2026-05-09T05:59", True, id="Saturday before dawn"),
        pytest.param(NIGHT, "2026-05-09T06:00", False, id="Saturday at dawn"),
        pytest.param(NIGHT, "2026-05-09T22:00", False, id="Saturday night"),
        pytest.param(WeeklyHours((7,), 1380, 60), "2026-05-11T00:30", True, id="from Sunday into Monday"),
        pytest.param(WeeklyHours((1,), 0, 1440), "2026-05-04T23:59", True, id="a whole day, its last minute"),
        pytest.param(WeeklyHours((1,), 0, 1440), "2026-05-05T00:00", False, id="a whole day is over"),
        pytest.param(WeeklyHours((1,), 600, 600), "2026-05-05T09:59", True, id="24 hours from 10:00"),
        pytest.param(WeeklyHours((1,), 600, 600), "2026-05-05T10:00", False, id="24 hours are over"),
        pytest.param(WeeklyHours((1,), 600, 600), "2026-05-04T09:59", False, id="24 hours have not begun"),
    ],
)
def test_hours(hours: WeeklyHours, at: str, is_open: bool) -> None:
    assert WeeklySchedule("Asia/Shanghai", (hours,)).is_open(local(at)) is is_open


def test_the_zone_decides_and_not_utc() -> None:
    office = WeeklySchedule("Asia/Shanghai", (OFFICE,))

    # Monday 09:00 in Shanghai is 01:00 in Greenwich, and still Sunday in New York.
    assert office.is_open(datetime(2026, 5, 4, 1, tzinfo=UTC))
    assert not WeeklySchedule("America/New_York", (OFFICE,)).is_open(datetime(2026, 5, 4, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("Asia/Shanghai", datetime.max.replace(tzinfo=UTC)),
        ("America/New_York", datetime.min.replace(tzinfo=UTC)),
    ],
)
def test_beyond_the_calendar_nothing_is_open(zone: str, moment: datetime) -> None:
    schedule = WeeklySchedule(zone, (WeeklyHours(EVERY_DAY, 0, MINUTES_OF_A_DAY),))

    assert not schedule.is_open(moment)
    assert not schedule.is_holiday(moment)
    for at_the_edge in (datetime.min, datetime.max):
        assert WeeklySchedule("UTC", schedule.hours).is_open(at_the_edge.replace(tzinfo=UTC))


def test_a_holiday_is_closed_from_midnight_to_midnight() -> None:
    always = WeeklyHours(EVERY_DAY, 20 * 60, 19 * 60)
    schedule = WeeklySchedule("Asia/Shanghai", (always,), frozenset({date(2026, 10, 1)}))

    assert schedule.is_open(local("2026-09-30T23:59"))
    assert not schedule.is_open(local("2026-10-01T00:00")), "also what began the evening before"
    assert not schedule.is_open(local("2026-10-01T23:59"))
    assert schedule.is_open(local("2026-10-02T00:00"))
    assert schedule.is_holiday(local("2026-10-01T12:00"))


def test_when_clocks_are_put_forward_an_hour_never_comes() -> None:
    # In Berlin 02:00 to 03:00 of 2026-03-29 does not exist.
    schedule = WeeklySchedule("Europe/Berlin", (WeeklyHours((7,), 120, 180),))
    day = [datetime(2026, 3, 28, 22, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(25 * 60)]

    assert not any(schedule.is_open(moment) for moment in day)


def test_when_clocks_are_put_back_an_hour_comes_twice() -> None:
    schedule = WeeklySchedule("Europe/Berlin", (WeeklyHours((7,), 120, 180),))
    day = [datetime(2026, 10, 24, 22, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(25 * 60)]

    assert sum(schedule.is_open(moment) for moment in day) == 120
    assert schedule.is_open(local("2026-10-25T02:30", "Europe/Berlin", fold=0))
    assert schedule.is_open(local("2026-10-25T02:30", "Europe/Berlin", fold=1))


zones = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
stretches = st.builds(
    WeeklyHours,
    st.sets(st.integers(1, 7), min_size=1).map(lambda days: tuple(sorted(days))),
    st.integers(0, MINUTES_OF_A_DAY - 1),
    st.integers(0, MINUTES_OF_A_DAY),
)
moments = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)).map(lambda each: each.replace(tzinfo=UTC))


@given(zones, st.lists(stretches, min_size=1, max_size=3), moments)
def test_open_is_what_walking_through_the_week_says(zone: str, hours: list[WeeklyHours], moment: datetime) -> None:
    """An independent way: all minutes of a week, as the wall shows them, that any stretch covers."""
    covered = {
        ((day - 1) * MINUTES_OF_A_DAY + each.start_minute + minute) % (7 * MINUTES_OF_A_DAY)
        for each in hours
        for day in each.days_of_week
        for minute in range((each.end_minute - each.start_minute - 1) % MINUTES_OF_A_DAY + 1)
    }
    wall = moment.astimezone(ZoneInfo(zone))
    minute_of_week = (wall.isoweekday() - 1) * MINUTES_OF_A_DAY + wall.hour * 60 + wall.minute

    assert WeeklySchedule(zone, tuple(hours)).is_open(moment) == (minute_of_week in covered)


@given(zones, st.lists(stretches, min_size=1, max_size=3), moments)
def test_a_holiday_closes_its_own_day_and_no_other(zone: str, hours: list[WeeklyHours], moment: datetime) -> None:
    today = moment.astimezone(ZoneInfo(zone)).date()
    plain = WeeklySchedule(zone, tuple(hours))

    assert not WeeklySchedule(zone, tuple(hours), frozenset({today})).is_open(moment)
    others = frozenset({today + timedelta(days=1), today - timedelta(days=1)})
    assert WeeklySchedule(zone, tuple(hours), others).is_open(moment) == plain.is_open(moment)


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        (WeeklySchedule("Asia/Shanghai", (OFFICE,)), None),
        (WeeklySchedule("UTC", (OFFICE,)), None),
        (WeeklySchedule("Asia/Nowhere", (OFFICE,)), "time_zone"),
        (WeeklySchedule("", (OFFICE,)), "time_zone"),
        (WeeklySchedule("Asia", (OFFICE,)), "time_zone"),
        (WeeklySchedule("../../etc/passwd", (OFFICE,)), "time_zone"),
        (WeeklySchedule("Asia/Shanghai", ()), "hours"),
        (WeeklySchedule("Asia/Shanghai", (WeeklyHours((), 0, 60),)), "hours[0].days_of_week"),
        (WeeklySchedule("Asia/Shanghai", (OFFICE, WeeklyHours((8,), 0, 60))), "hours[1].days_of_week"),
        (WeeklySchedule("Asia/Shanghai", (WeeklyHours((1, 1), 0, 60),)), "hours[0].days_of_week"),
        (WeeklySchedule("Asia/Shanghai", (WeeklyHours((1,), 1440, 60),)), "hours[0].start"),
        (WeeklySchedule("Asia/Shanghai", (WeeklyHours((1,), 0, 1441),)), "hours[0].end"),
        (WeeklySchedule("Asia/Shanghai", (OFFICE,) * 65), "hours"),
    ],
)
def test_rules(schedule: WeeklySchedule, field: str | None) -> None:
    if field is None:
        check_schedule(schedule, "binding.schedule")
        return
    with pytest.raises(InvalidArgumentError) as error:
        check_schedule(schedule, "binding.schedule")
    assert error.value.field == f"binding.schedule.{field}"
