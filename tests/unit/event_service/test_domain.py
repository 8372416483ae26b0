"""Identities are stored: they must tell apart what differs, and stay what they are."""

from dataclasses import replace

import pytest

from event_service.domain import CallEvent, EventMember, call_key, decision_hash, event_hash, partition_of
from tests.unit.event_service.builders import decision, event

EVENT = event("22", 9, client_id="o", unknown_fields=(("x", "1"),))


def test_stored_identities_keep_their_values() -> None:
    assert call_key("100001", "sid-1").hex() == "4147dc4e4c738b7e5919728f8414ef80"
    assert partition_of(call_key("100001", "sid-1"), 16) == 14
    assert event_hash(EVENT).hex() == "c196f3f28e6f83e6c1aeb7ae8a354f69"
    assert decision_hash(decision()).hex() == "a1d8b08fefce413522ff4308a355321f"


@pytest.mark.parametrize(
    "change",
    [
        {"received_at_us": 1},
        {"raw_body": b"<req/>"},
        {"content_type": "text/xml"},
        {"form_flags": ("number:seq",)},
        {"traceparent": "00-1"},
        {"default_region": "GB"},
    ],
)
def test_how_and_when_an_event_came_is_not_its_content(change: dict[str, object]) -> None:
    assert event_hash(replace(EVENT, **change)) == event_hash(EVENT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"call_id": "c-2"},
        {"seq": "2"},
        {"code": "32"},
        {"charge_ext": ""},
        {"client_id": ""},
        {"call_result": "0"},
        {"reason": "r"},
        {"user_data": "d"},
        {"members": ()},
        {"members": (EventMember("0", "1"),)},
        {"media_server": "m"},
        {"file_path": "f"},
        {"unknown_fields": (("x", "2"),)},
    ],
)
def test_every_field_that_the_platform_sent_is_its_content(change: dict[str, object]) -> None:
    assert event_hash(replace(EVENT, **change)) != event_hash(EVENT)  # type: ignore[arg-type]


def test_text_does_not_move_between_fields_unnoticed() -> None:
    one, other = replace(EVENT, call_id="ab", seq="c"), replace(EVENT, call_id="a", seq="bc")
    assert event_hash(one) != event_hash(other)
    assert call_key("ab", "c") != call_key("a", "bc")


def test_a_resent_query_has_the_same_decision_and_another_answer_has_not() -> None:
    assert decision_hash(decision(at=5, took_us=9, decision_source="CACHE")) == decision_hash(decision())
    assert decision_hash(decision(binding_revision=4)) != decision_hash(decision())


def test_calls_spread_over_the_partitions() -> None:
    counts = [0] * 16
    for number in range(1600):
        counts[partition_of(call_key("100001", f"sid-{number}"), 16)] += 1
    assert min(counts) > 60


def test_an_event_is_a_value() -> None:
    assert replace(EVENT) == EVENT
    assert isinstance(hash(EVENT), int)
    assert CallEvent("t", "s", "15", 1).key == ("", "", "15")
