"""Calls as a platform may report them, and as it never should."""

from dataclasses import replace

from hypothesis import strategies as st

from event_service.domain import CallEvent, LoggedDecision
from tests.unit.event_service.builders import B2, SECOND, START_US, B, decision, event, refusal

CODES = ("15", "16", "22", "30", "31", "32", "40", "42", "43", "44", "77")

# A call's own shapes come up often, any mixture of codes now and then.
_shapes = st.sampled_from(
    [
        ("15", "16", "31", "40", "22"),
        ("15", "16", "31", "40", "32", "44"),
        ("15", "30"),
        ("15", "16", "30", "22"),
        ("15", "16", "22"),
        ("15", "16", "31", "40", "43", "42"),
        ("15", "30", "15", "16", "31", "40", "22"),
    ]
) | st.lists(st.sampled_from(CODES), min_size=1, max_size=8).map(tuple)


@st.composite
def call_events(draw: st.DrawFn) -> list[CallEvent]:
    """Different events of one call, with few enough values that they collide in every way."""
    events = []
    for place, code in enumerate(draw(_shapes)):
        events.append(
            event(
                code,
                draw(st.integers(-2, 30)) / 2,
                draw(st.sampled_from(["", B, B2])),
                seq=draw(st.sampled_from([str(place), "", "1"])),
                call_id=draw(st.sampled_from(["c-1", "c-2", ""])),
                call_result=draw(st.sampled_from(["", "", "02", "00", "999"])),
                client_id=draw(st.sampled_from(["", "order-1", "order-2"])),
                file_path=draw(st.sampled_from(["", "", "/rec/1.wav", "/rec/2.wav"])),
                form_flags=draw(st.sampled_from([(), ("missing:seq",)])),
            )
        )
    if draw(st.sampled_from([False, False, True])):
        # What comes under a key that another event has, and says something else.
        namesake = draw(st.sampled_from(events))
        moved_us = draw(st.sampled_from([-SECOND, 0, SECOND]))
        events.append(
            replace(namesake, charge_ext="8002", received_at_us=max(START_US, namesake.received_at_us + moved_us))
        )
    return events


call_decisions: st.SearchStrategy[list[LoggedDecision]] = st.lists(
    st.builds(
        lambda answer, at: replace(answer, received_at_us=START_US + at),
        st.sampled_from([decision(B), decision(B, B2), decision(B2, binding_id="b-2"), refusal(), refusal("9001")]),
        st.integers(0, 3),
    ),
    max_size=3,
)


def copies_of(message: CallEvent) -> st.SearchStrategy[list[CallEvent]]:
    """The event and up to three repetitions of it: received later, in another form."""
    return st.lists(
        st.builds(
            lambda delay, flags, body: replace(
                message, received_at_us=message.received_at_us + delay, form_flags=flags, raw_body=body
            ),
            st.sampled_from([0, 1, 500_000, 3_600_000_000]),
            st.sampled_from([message.form_flags, ("number:seq",)]),
            st.sampled_from([b"", b"<req/>", b"{}"]),
        ),
        max_size=3,
    ).map(lambda copies: [message, *copies])


def decision_copies_of(answer: LoggedDecision) -> st.SearchStrategy[list[LoggedDecision]]:
    """The decision and up to two repetitions of it, for queries that came later."""
    return st.lists(
        st.integers(0, 5_000_000).map(
            lambda delay: replace(answer, received_at_us=answer.received_at_us + delay, took_us=delay)
        ),
        max_size=2,
    ).map(lambda copies: [answer, *copies])
