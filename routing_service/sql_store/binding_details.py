"""The details of a binding as one JSON document: what only some kinds have, and no statement looks for.

Fields that say nothing are left out, and a binding without any has the empty string.
"""

from datetime import date
from functools import lru_cache
from typing import Any

import orjson

from routing_service.domain.binding import BindingTarget, BindingTerms, HuntStrategy
from routing_service.domain.schedule import WeeklyHours, WeeklySchedule
from routing_service.sql_store.documents import member_prompts_document, read_member_prompts


def details_document(terms: BindingTerms) -> str:
    """The document of everything in the terms that has no column of its own."""
    fields: dict[str, Any] = {
        "targets": [_target_value(each) for each in terms.targets],
        "max_members": terms.max_members,
        "extension": terms.extension,
        "y_number": terms.y_number,
        "callback_to_last_caller": terms.callback_to_last_caller,
    }
    if terms.hunt_strategy is not HuntStrategy.SEQUENTIAL:
        fields["hunt_strategy"] = terms.hunt_strategy.value
    if terms.schedule is not None:
        fields["schedule"] = _schedule_value(terms.schedule)
    present = {name: value for name, value in fields.items() if value}
    return orjson.dumps(present).decode() if present else ""


@lru_cache(maxsize=4096)
def read_details(document: str) -> dict[str, Any]:
    """The fields of BindingTerms in a document. Raises ValueError when it holds something unknown."""
    if not document:
        return {}
    fields = orjson.loads(document)
    if not isinstance(fields, dict):
        raise ValueError("a document is a JSON object")  # noqa: TRY004 - what the text says is wrong, not its type
    known: dict[str, Any] = {
        name: fields[name]
        for name in ("max_members", "extension", "y_number", "callback_to_last_caller")
        if name in fields
    }
    if "targets" in fields:
        known["targets"] = tuple(_target(each) for each in fields["targets"])
    if "hunt_strategy" in fields:
        known["hunt_strategy"] = HuntStrategy(fields["hunt_strategy"])
    if "schedule" in fields:
        known["schedule"] = _schedule(fields["schedule"])
    return known


def _target_value(target: BindingTarget) -> list[str]:
    return [target.number, target.display_number, member_prompts_document(target.member_prompts)]


def _target(value: list[str]) -> BindingTarget:
    number, display_number, prompts = value
    return BindingTarget(number, display_number, read_member_prompts(prompts))


def _schedule_value(schedule: WeeklySchedule) -> dict[str, Any]:
    return {
        "time_zone": schedule.time_zone,
        "hours": [[each.days_of_week, each.start_minute, each.end_minute] for each in schedule.hours],
        "holidays": [each.isoformat() for each in sorted(schedule.holidays)],
    }


def _schedule(value: dict[str, Any]) -> WeeklySchedule:
    hours = (WeeklyHours(tuple(days), start, end) for days, start, end in value.get("hours", ()))
    holidays = frozenset(date.fromisoformat(each) for each in value.get("holidays", ()))
    return WeeklySchedule(value.get("time_zone", ""), tuple(hours), holidays)
