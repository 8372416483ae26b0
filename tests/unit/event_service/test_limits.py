from dataclasses import replace

import pytest

from common.errors import InvalidArgumentError
from event_service.domain import EventMember
from event_service.limits import MAX_IDENTIFIER_CHARACTERS, MAX_LIST_ITEMS, check_decision, check_event
from tests.unit.event_service.builders import decision, event

GOOD = event("15", 1, user_data="数据", unknown_fields=(("x", "1"),), raw_body=b"\x00\xff")


def test_a_usual_event_passes() -> None:
    check_event(GOOD)
    check_event(replace(GOOD, call_id="", seq="", charge_ext="", members=()))
    check_decision(decision(), "decisions[0]")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tenant_id": ""}, "vccId"),
        ({"session_id": ""}, "sid"),
        ({"code": ""}, "code"),
        ({"session_id": "s" * (MAX_IDENTIFIER_CHARACTERS + 1)}, "sid"),
        ({"seq": "1\x00"}, "seq"),
        ({"user_data": "a\x00b"}, "callData"),
        ({"user_data": "half \ud83d"}, "callData"),
        ({"file_path": "x" * 70_000}, "filePath"),
        ({"members": (EventMember("0", "1\x00"),)}, "userList.number"),
        ({"members": (EventMember(),) * (MAX_LIST_ITEMS + 1)}, "userList"),
        ({"unknown_fields": (("x\x00", "1"),)}, "unknown_fields"),
        ({"unknown_fields": (("x", "\x00"),)}, "unknown_fields"),
        ({"form_flags": ("\x00",)}, "form_flags"),
        ({"raw_body": b"x" * 300_000}, "raw_body"),
        ({"received_at_us": -1}, "received_at_us"),
        ({"received_at_us": 1 << 62}, "received_at_us"),
    ],
)
def test_what_no_store_could_hold_is_refused_by_name(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        check_event(replace(GOOD, **change))  # type: ignore[arg-type]
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"session_id": ""}, "decisions[3].session_id"),
        ({"result": ""}, "decisions[3].result"),
        ({"calling_number": "\x00"}, "decisions[3].calling_number"),
        ({"called_numbers": ("1\x00",)}, "decisions[3].called_numbers"),
        ({"called_numbers": ("1",) * (MAX_LIST_ITEMS + 1)}, "decisions[3].called_numbers"),
        ({"received_at_us": 0}, "decisions[3].received_at_us"),
    ],
)
def test_a_decision_that_can_not_be_stored_is_refused_by_name(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        check_decision(replace(decision(), **change), "decisions[3]")  # type: ignore[arg-type]
    assert refused.value.field == field
    assert refused.value.message.startswith(f"{field}: ")
