"""The bodies of messages."""

import json
from dataclasses import replace
from typing import Any

from event_service.domain import CallRevision, call_key
from event_service.ports import LoggedEvent
from event_service.webhooks.domain import MessageType, Webhook
from event_service.webhooks.messages import body_of_test, call_message, event_message
from tests.unit.event_service.builders import B_NORMAL, X_NORMAL, A, B, event, folded


def logged(code: str = "30", **fields: Any) -> LoggedEvent:
    values = {
        "call_result": "02",
        "user_data": "订单 7",
        "unknown_fields": (("x", "1"),),
        "raw_body": b"<request/>",
        **fields,
    }
    return LoggedEvent(
        event=event(code, 1.5, **values),
        partition_id=3,
        log_offset=12,
        call_ordinal=0,
        received_count=2,
        last_received_at_us=1,
        stored_at_us=1,
        conflict=False,
    )


def test_an_events_message_is_a_cloud_event() -> None:
    message = event_message(logged())
    body = json.loads(message.body)
    data = body.pop("data")
    assert body == {
        "specversion": "1.0",
        "id": message.message_id,
        "source": "/axbridge/tenants/100001",
        "type": "call.event",
        "subject": "sid-1",
        "time": "2023-11-14T22:13:21.500000Z",
        "datacontenttype": "application/json",
    }
    assert (data["code"], data["code_text"], data["code_text_zh"]) == ("30", "callee not reached", "被叫不可达")
    assert (data["call_result"], data["call_result_text"]) == ("02", "busy")
    assert [member["number"] for member in data["members"]] == [A, B]
    assert data["user_data"] == "订单 7"
    assert data["unknown_fields"] == {"x": "1"}
    assert (data["partition_id"], data["log_offset"], data["received_at"]) == (3, 12, body["time"])
    assert "raw_body" not in data
    assert b"<request/>" not in message.body
    assert (message.tenant_id, message.session_id, message.event_code) == ("100001", "sid-1", "30")
    assert message.call_key == call_key("100001", "sid-1")


def test_a_code_that_the_protocol_does_not_name_is_passed_on() -> None:
    data = json.loads(event_message(logged("99", call_result="777")).body)["data"]
    assert (data["code"], data["code_text"], data["call_result"], data["call_result_text"]) == ("99", "", "777", "")


def test_the_id_is_the_events_own() -> None:
    first = event_message(logged())
    assert event_message(logged()).message_id == first.message_id
    # Where the log has it does not matter, what the platform said does.
    assert event_message(replace(logged(), log_offset=99, received_count=7)).message_id == first.message_id
    others = [logged(session_id="sid-2"), logged(call_result="04"), logged("31"), logged(tenant_id="100002")]
    ids = {event_message(other).message_id for other in others}
    assert len(ids | {first.message_id}) == 5
    assert all(name.startswith("evt_") and len(name) == 36 for name in ids)


def test_a_records_message_holds_all_of_the_record() -> None:
    call = folded("15", "16", "31", "40", "22")
    message = call_message(CallRevision(call, 4))
    body = json.loads(message.body)
    assert (body["type"], body["subject"], body["id"]) == ("call.completed", "sid-1", message.message_id)
    assert body["time"] == body["data"]["ended_at"] == "2023-11-14T22:13:25.000000Z"
    data = body["data"]
    assert (data["state"], data["hangup_party"], data["revision"]) == ("completed", "caller", 4)
    assert (data["called_number"], data["access_number"]) == (B_NORMAL, X_NORMAL)
    assert (data["ring_seconds"], data["talk_seconds"]) == (1, 2)
    fields = {name.removesuffix("_us") for name in type(call).__dataclass_fields__}
    assert set(data) == fields | {"revision"}
    assert all(data[name] is None or data[name].endswith("Z") for name in fields if name.endswith("_at"))


def test_a_record_has_an_id_for_each_revision() -> None:
    call = folded("15", "30")
    ids = {call_message(CallRevision(call, revision)).message_id for revision in (1, 2, 3)}
    assert len(ids) == 3


def test_what_is_not_known_is_null() -> None:
    data = json.loads(call_message(CallRevision(folded("22", decisions=()), 1)).body)["data"]
    assert data["answered_at"] is None
    assert data["talk_seconds"] == 0


def test_a_tenants_name_in_the_source_is_quoted() -> None:
    body = json.loads(body_of_test("test_1", "a/b c", "wh_1", 0))
    assert body["source"] == "/axbridge/tenants/a%2Fb%20c"
    assert (body["type"], body["data"]) == ("webhook.test", {"webhook_id": "wh_1"})


def test_a_webhook_gets_what_it_asked_for() -> None:
    ringing, over = event_message(logged("16")), call_message(CallRevision(folded("15", "30"), 1))
    webhook = Webhook("wh_1", "100001", "https://example.com")
    assert webhook.wants(ringing)
    assert webhook.wants(over)
    codes = replace(webhook, event_codes=frozenset({"15"}))
    assert not codes.wants(ringing)
    assert codes.wants(over)
    events = replace(webhook, message_types=frozenset({MessageType.CALL_EVENT}))
    assert events.wants(ringing)
    assert not events.wants(over)
    assert not replace(webhook, tenant_id="100002").wants(ringing)
