import pytest

from event_service.anomalies import MAX_ANOMALIES, MAX_ANOMALY_CHARACTERS
from event_service.domain import CallEvent, LoggedDecision
from event_service.fold import fold_call
from tests.unit.event_service.builders import B2, B, decision, event, refusal

NORMAL = (event("15", 1), event("16", 2), event("31", 3), event("40", 4), event("22", 9))


@pytest.mark.parametrize(
    ("events", "decisions", "anomalies"),
    [
        (NORMAL, (decision(),), ()),
        (NORMAL, (), ("missing:query",)),
        (NORMAL[1:], (decision(),), ("missing:15",)),
        # Ringing can be missing.
        ((NORMAL[0], *NORMAL[2:]), (decision(),), ()),
        ((*NORMAL[:2], *NORMAL[3:]), (decision(),), ("missing:31",)),
        ((*NORMAL[:3], *NORMAL[4:]), (decision(),), ("missing:40",)),
        # Either may be on its way.
        (NORMAL[:3], (decision(),), ()),
        ((*NORMAL[:2], NORMAL[3]), (decision(),), ()),
        # Before anybody was called there is nothing to miss.
        ((event("22", 1),), (decision(),), ()),
        ((*NORMAL, event("44", 9.1)), (decision(),), ()),
        ((*NORMAL, event("22", 9.5)), (decision(),), ("doubled:22",)),
        ((*NORMAL, event("16", 2.5)), (decision(),), ("doubled:16",)),
        # The second ring is another member's.
        ((*NORMAL, event("16", 2.5, B2)), (decision(),), ()),
        ((*NORMAL, event("16", 9.5, B2)), (decision(),), ("late:16",)),
        ((*NORMAL, event("22", 9, reason="other")), (decision(),), ("conflict:22",)),
        ((*NORMAL, event("43", 10)), (decision(),), ("late:43",)),
        ((*NORMAL, event("77", 5)), (decision(),), ("unknown_code:77",)),
        ((*NORMAL, event("13800001111", 5)), (decision(),), ("unknown_code:138****1111",)),
        ((event("15", 1, form_flags=("missing:seq", "missing:chargeExt")),), (decision(),), (
            "form:missing:chargeExt", "form:missing:seq",
        )),
        (NORMAL, (decision(at=1.5),), ("impossible:event_before_query",)),
        (NORMAL, (refusal(),), ("impossible:called_after_refusal",)),
        ((event("15", 2), event("16", 1)), (decision(),), ("impossible:ringing_before_calling",)),
        ((event("15", 3), event("31", 2), event("40", 2)), (decision(),), ("impossible:answer_before_calling",)),
        ((*NORMAL, event("31", 3.5, B2)), (decision(B, B2),), ("impossible:two_callees_answered",)),
        (NORMAL, (decision(), decision(B2, at=0.1)), ("conflict:query",)),
        # A resent query with the same answer is no conflict.
        (NORMAL, (decision(), decision(at=0.5)), ()),
    ],
)  # fmt: skip
def test_what_is_found(
    events: tuple[CallEvent, ...], decisions: tuple[LoggedDecision, ...], anomalies: tuple[str, ...]
) -> None:
    assert fold_call(events, decisions).anomalies == anomalies


def test_a_repetition_is_no_anomaly() -> None:
    assert fold_call([*NORMAL, event("22", 9), event("22", 9)], [decision()]).anomalies == ()


def test_a_hostile_call_has_bounded_anomalies() -> None:
    flags = tuple(f"flag-{number:04}" + "x" * 500 for number in range(500))
    anomalies = fold_call([event("15", 1, form_flags=flags)]).anomalies
    assert len(anomalies) == MAX_ANOMALIES
    assert max(map(len, anomalies)) <= MAX_ANOMALY_CHARACTERS
    assert list(anomalies) == sorted(set(anomalies))
