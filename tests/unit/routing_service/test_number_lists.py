"""Allow and block lists: which entry decides."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InvalidArgumentError
from common.protocol_codes import ResultCode
from routing_service.domain.decision import UNREADABLE, Candidates, RouteQuery
from routing_service.domain.number_list import (
    NumberListAction,
    NumberListEntry,
    NumberListTerms,
    NumberPatternType,
    list_verdict,
)
from routing_service.list_rules import checked_list_terms
from routing_service.resolver import Trace, resolve
from tests.unit.routing_service.builders import MINUTE, NOW, TENANT, A, B, C, X, ax, list_entry, stored

ALLOW, BLOCK = NumberListAction.ALLOW, NumberListAction.BLOCK
EXACT, PREFIX = NumberPatternType.EXACT, NumberPatternType.PREFIX


def entry(pattern: str, action: NumberListAction, x: str = "") -> NumberListEntry:
    return list_entry(pattern.rstrip("*"), action, prefix=pattern.endswith("*"), x=x)


@pytest.mark.parametrize(
    ("entries", "caller", "blocked"),
    [
        pytest.param([], A, False, id="no lists"),
        pytest.param([entry(A, BLOCK)], A, True, id="blocked"),
        pytest.param([entry(A, BLOCK)], B, False, id="somebody else is blocked"),
        pytest.param([entry("+86138*", BLOCK)], A, True, id="blocked by prefix"),
        pytest.param([entry(A + "*", BLOCK)], A, True, id="a prefix may be the whole number"),
        pytest.param([entry("+86138*", BLOCK), entry(A, ALLOW)], A, False, id="exact before prefix"),
        pytest.param([entry(A + "*", BLOCK), entry(A, ALLOW)], A, False, id="exact before a prefix as long"),
        pytest.param([entry("+86138*", BLOCK), entry("+861380*", ALLOW)], A, False, id="the longer prefix"),
        pytest.param([entry("+86138*", ALLOW), entry("+861380*", BLOCK)], A, True, id="the longer prefix blocks"),
        pytest.param([entry(A, BLOCK), entry(A, ALLOW)], A, True, id="BLOCK before ALLOW"),
        pytest.param([entry(A, BLOCK), entry("+86*", ALLOW, X)], A, False, id="the access number before the tenant"),
        pytest.param([entry(A, ALLOW), entry("+86*", BLOCK, X)], A, True, id="the access number blocks"),
        pytest.param([entry(B, ALLOW)], A, True, id="not among the allowed"),
        pytest.param([entry(B, ALLOW)], B, False, id="among the allowed"),
        pytest.param([entry(B, ALLOW, X)], A, True, id="not among those of the access number"),
        pytest.param([entry(B, ALLOW, X), entry(A, ALLOW)], A, True, id="the tenant's ALLOW opens no closed X"),
        pytest.param([entry(B, ALLOW), entry(C, BLOCK, X)], A, True, id="X has nothing to say, the tenant has"),
        pytest.param([entry(B, ALLOW), entry(A, ALLOW, X)], A, False, id="X opens what the tenant closes"),
        pytest.param([entry("+*", BLOCK)], UNREADABLE, False, id="nothing is about a caller that can't be read"),
        pytest.param([entry("+86*", ALLOW)], UNREADABLE, True, id="who can't be read is not among the allowed"),
    ],
)
def test_who_is_blocked(entries: list[NumberListEntry], caller: str, blocked: bool) -> None:
    for order in itertools.permutations(entries):
        assert list_verdict(order, caller, NOW).blocked is blocked
    candidates = Candidates(True, (stored(ax(C)),), list_entries=tuple(entries))
    trace: Trace = []
    decision = resolve(RouteQuery(TENANT, "s1", caller, X), candidates, NOW, trace)
    assert (decision.result is ResultCode.CALLER_BLOCKED) is blocked
    assert not decision.targets or not blocked
    assert ("number_list" in {each.rule for each in trace}) is bool(entries)


def test_expired_entries_count_no_more() -> None:
    for action in NumberListAction:
        for caller in (A, B):
            assert not list_verdict([list_entry(A, action, expires_at=NOW)], caller, NOW).blocked
    assert list_verdict([list_entry(A, expires_at=NOW + MINUTE)], A, NOW).blocked


patterns = st.one_of(
    st.sampled_from([A, B]).map(lambda number: (number, False)),
    st.integers(1, 14).map(lambda length: (A[:length], True)),
)
some_entries = st.lists(
    st.tuples(patterns, st.sampled_from(NumberListAction), st.sampled_from(["", X])).map(
        lambda each: list_entry(each[0][0], each[1], prefix=each[0][1], x=each[2])
    ),
    max_size=8,
)


@given(some_entries, st.sampled_from([A, B, C, UNREADABLE]))
def test_what_does_not_match_and_does_not_allow_changes_nothing(entries: list[NumberListEntry], caller: str) -> None:
    """A query may be decided from those that match and one ALLOW of each list: what the store reads."""
    kept = [each for each in entries if each.terms.matches(caller)]
    for x in ("", X):
        kept += [each for each in entries if each.terms.access_number == x and each.terms.action is ALLOW][:1]

    assert list_verdict(kept, caller, NOW).blocked == list_verdict(entries, caller, NOW).blocked


@given(some_entries, st.sampled_from([A, B, C]))
def test_an_exact_entry_of_the_access_number_has_the_last_word(entries: list[NumberListEntry], caller: str) -> None:
    others = [each for each in entries if each.terms.pattern_type is PREFIX or each.terms.access_number != X]

    assert list_verdict([*others, list_entry(caller, BLOCK, x=X)], caller, NOW).blocked
    assert not list_verdict([*others, list_entry(caller, ALLOW, x=X)], caller, NOW).blocked


@pytest.mark.parametrize(
    ("terms", "result"),
    [
        (NumberListTerms("", BLOCK, EXACT, "138 0000 1111"), NumberListTerms("", BLOCK, EXACT, A)),
        (NumberListTerms("02566000001", BLOCK, EXACT, "95500"), NumberListTerms(X, BLOCK, EXACT, "95500")),
        (NumberListTerms("", ALLOW, PREFIX, "+86138"), NumberListTerms("", ALLOW, PREFIX, "+86138")),
        (NumberListTerms("", ALLOW, PREFIX, "+"), "pattern"),
        (NumberListTerms("", ALLOW, PREFIX, ""), "pattern"),
        (NumberListTerms("", ALLOW, PREFIX, "+86 138"), "pattern"),
        (NumberListTerms("", ALLOW, EXACT, ""), "pattern"),
        (NumberListTerms("", ALLOW, EXACT, "x"), "pattern"),
        (NumberListTerms("x", ALLOW, EXACT, A), "access_number"),
        (NumberListTerms("", ALLOW, EXACT, A, note="x" * 201), "note"),
        (NumberListTerms("", ALLOW, EXACT, A, note="a\x00"), "note"),
    ],
)
def test_rules(terms: NumberListTerms, result: NumberListTerms | str) -> None:
    if isinstance(result, NumberListTerms):
        assert checked_list_terms(terms, "CN") == result
        return
    with pytest.raises(InvalidArgumentError) as error:
        checked_list_terms(terms, "CN")
    assert error.value.field == f"entry.{result}"
