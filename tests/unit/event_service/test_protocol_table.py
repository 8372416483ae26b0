"""The table of the protocol page that says what a call looks like, row by row: in both orders of 31 and 40, with and
without ringing, in every order of arrival at the fold and with each event twice."""

from itertools import permutations

import pytest

from common.protocol_codes import CallResult
from event_service.domain import CallState, HangupParty
from event_service.fold import fold_call
from tests.unit.event_service.builders import SECOND, START_US, decision, event

S, P = CallState, HangupParty

# Codes as they were received, callResults of the last one, state, who ended it, talk seconds, the code that ended it.
ROWS = [
    *(
        (f"15{ringing} {answer} {end}", ("",), S.COMPLETED, party, talk, ended_by)
        for ringing in (" 16", "")
        for answer in ("31 40", "40 31")
        for end, party, talk, ended_by in (
            ("22", P.CALLER, 2, "22"),
            ("22 44", P.CALLER, 2, "22"),
            ("44 22", P.CALLER, 2, "44"),
            ("44", P.EITHER, 2, "44"),
            ("32", P.CALLEE, 2, "32"),
            ("32 44", P.CALLEE, 2, "32"),
            ("44 32", P.CALLEE, 2, "44"),
            ("43 42", P.PLATFORM, 3, "42"),
        )
    ),
    *(
        (f"15{ringing} 30", results, S.UNREACHED, P.PLATFORM, 0, "30")
        for ringing in (" 16", "")
        for results in (("02", "102", "23", "24"), ("04", "104"), ("03", "05", "06", "110"))
    ),
    *((f"15{ringing} 22", ("04", "104", "180"), S.ABANDONED, P.CALLER, 0, "22") for ringing in (" 16", "")),
]


@pytest.mark.parametrize(
    ("codes", "call_result", "state", "party", "talk_seconds", "ended_by"),
    [(codes, result, *rest) for codes, results, *rest in ROWS for result in results],
)
def test_a_row_of_the_table(
    codes: str, call_result: str, state: CallState, party: HangupParty, talk_seconds: int, ended_by: str
) -> None:
    came = codes.split()
    at_us = {code: START_US + place * SECOND for place, code in enumerate(came, 1)}
    events = [event(code, place) for place, code in enumerate(came, 1)]
    events[-1] = event(came[-1], len(came), call_result=call_result)
    call = fold_call(events, [decision()])
    assert (call.state, call.hangup_party, call.talk_seconds) == (state, party, talk_seconds)
    assert call.ended_at_us == at_us[ended_by]
    assert call.called_at_us == at_us["15"]
    assert call.ringing_at_us == at_us.get("16")
    answers = [at_us[code] for code in ("31", "40") if code in at_us]
    assert call.answered_at_us == min(answers, default=None)
    assert call.call_result == call_result
    if call_result:
        known = CallResult.lookup(call_result)
        assert known is not None
        assert (call.end_reason, call.end_reason_zh) == (known.english, known.chinese)
    assert call.anomalies == ()
    # All orders of up to five events are few enough.
    for order in list(permutations(events))[:120]:
        assert fold_call([*order, *events], [decision(), decision()]) == call
