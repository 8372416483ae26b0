"""What callers without the right to whole numbers are shown."""

from axbridge.events.v1 import call_service_pb2, event_pb2, event_service_pb2
from axbridge.routing.v1 import binding_pb2, call_profile_pb2, number_pool_service_pb2, prompt_pb2
from google.protobuf.message import Message

from common.auth.number_redaction import redacted

NUMBER, MASKED = "13800001111", "138****1111"


def texts(message: Message) -> str:
    return message.SerializeToString().decode("utf-8", "replace")


def test_numbers_are_masked_wherever_they_stand_and_the_original_is_left_alone() -> None:
    event = event_pb2.CallEvent(
        tenant_id="100001",
        members=[event_pb2.EventMember(number=NUMBER, translated_number=f"+86{NUMBER}")],
        user_data=f"call back {NUMBER}",
        unknown_fields={"note": f"x{NUMBER}"},
        raw_body=f"<n>{NUMBER}</n>".encode(),
        received_at_us=1_790_000_000_000_000,
    )
    decision = event_pb2.LoggedDecision(called_numbers=[NUMBER, "95500"], calling_number=NUMBER, access_number="025660")
    message = call_service_pb2.ListCallEventsResponse(
        events=[call_service_pb2.StoredEvent(event=event)] * 2, decision=decision
    )
    before = message.SerializeToString(deterministic=True)
    shown: call_service_pb2.ListCallEventsResponse = redacted(message)  # type: ignore[assignment]
    assert NUMBER not in texts(shown)
    assert shown.events[1].event.members[0].number == MASKED
    assert shown.events[0].event.unknown_fields["note"] == f"x{MASKED}"
    assert shown.events[0].event.raw_body == b""
    assert list(shown.decision.called_numbers) == [MASKED, "95500"]
    assert (shown.decision.access_number, shown.events[0].event.received_at_us) == ("025660", 1_790_000_000_000_000)
    assert message.SerializeToString(deterministic=True) == before


def test_the_enterprises_own_numbers_are_shown() -> None:
    pool = number_pool_service_pb2.ListAccessNumbersResponse(
        access_numbers=[number_pool_service_pb2.AccessNumber(number="+862566000001", tenant_id="100001")]
    )
    assert redacted(pool) == pool


def test_what_is_spoken_is_masked_too() -> None:
    variable = prompt_pb2.PromptVariable(type=prompt_pb2.PROMPT_VARIABLE_TYPE_DIGITS, value=NUMBER)
    prompt = prompt_pb2.Prompt(segments=[prompt_pb2.PromptSegment(variable=variable)])
    binding = binding_pb2.Binding(a_number=NUMBER, profile=call_profile_pb2.CallProfile(caller_prompt=prompt))
    assert NUMBER not in texts(redacted(binding))


def test_an_empty_message_stays_empty() -> None:
    for kind in (binding_pb2.Binding, event_service_pb2.ListQuarantinedResponse, call_service_pb2.GetCallResponse):
        assert redacted(kind()) == kind()
