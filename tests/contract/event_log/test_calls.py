"""What every reader of call records does."""

import pytest

from event_service.domain import CallEvent, CallRevision, CallState, call_key
from event_service.ports import CallFilter, CallPosition
from tests.contract.event_log.conftest import Stores
from tests.unit.event_service.builders import (
    A_NORMAL,
    B2,
    B2_NORMAL,
    SECOND,
    START_US,
    X_NORMAL,
    decision,
    event,
)


def position_of(revised: CallRevision) -> CallPosition:
    call = revised.call
    return CallPosition(call.started_at_us, call_key(call.tenant_id, call.session_id))


async def pages(stores: Stores, which: CallFilter, size: int) -> list[str]:
    """The sids of all pages, in order."""
    found: list[str] = []
    after = None
    while page := await stores.calls.list_page(which, after, size):
        assert len(page) <= size
        found += [revised.call.session_id for revised in page]
        after = position_of(page[-1])
    return found


def call(number: int, at: float, *codes: str, **fields: str) -> list[CallEvent]:
    return [event(code, at + place, session_id=f"s{number}", **fields) for place, code in enumerate(codes)]


@pytest.fixture
async def filled(stores: Stores) -> Stores:
    """Twenty calls; s0 is the oldest. Every other one is to B2, every fifth not over."""
    for number in range(20):
        codes = ("15", "16") if number % 5 == 0 else ("15", "16", "31", "40", "22")
        await stores.log.append(
            call(number, 100.0 * number + 1, *codes, called=B2 if number % 2 else "13900001111"),
            [decision(at=100.0 * number, session_id=f"s{number}", called_numbers=())],
        )
    return stores


async def test_nothing_is_known_of_a_call_that_never_was(stores: Stores) -> None:
    assert await stores.calls.get("100001", "nobody") is None
    assert await stores.calls.history("100001", "nobody") is None
    assert await stores.calls.list_page(CallFilter("100001"), None, 10) == []


async def test_calls_come_newest_first_and_pages_visit_each_once(filled: Stores) -> None:
    expected = [f"s{number}" for number in reversed(range(20))]
    for size in (1, 3, 20, 100):
        assert await pages(filled, CallFilter("100001"), size) == expected


async def test_calls_of_the_same_microsecond_are_visited_once(stores: Stores) -> None:
    await stores.log.append([event("15", 1, session_id=f"s{number}") for number in range(30)], [])
    found = await pages(stores, CallFilter("100001"), 4)
    assert sorted(found) == sorted(f"s{number}" for number in range(30))


@pytest.mark.parametrize(
    ("fields", "numbers"),
    [
        ({"states": frozenset({CallState.RINGING})}, [15, 10, 5, 0]),
        ({"states": frozenset({CallState.RINGING, CallState.ABANDONED})}, [15, 10, 5, 0]),
        ({"states": frozenset({CallState.REFUSED})}, []),
        ({"number": B2_NORMAL}, list(range(19, 0, -2))),
        ({"number": A_NORMAL}, list(reversed(range(20)))),
        ({"number": X_NORMAL}, list(reversed(range(20)))),
        ({"number": "+8613700000000"}, []),
        ({"number": B2_NORMAL, "states": frozenset({CallState.RINGING})}, [15, 5]),
        ({"started_from_us": START_US + 1700 * SECOND}, [19, 18, 17]),
        ({"started_before_us": START_US + 200 * SECOND}, [1, 0]),
        (
            {
                "number": B2_NORMAL,
                "started_from_us": START_US + 300 * SECOND,
                "started_before_us": START_US + 700 * SECOND,
            },
            [5, 3],
        ),
    ],
)
async def test_filters_must_all_hold(filled: Stores, fields: dict[str, object], numbers: list[int]) -> None:
    which = CallFilter("100001", **fields)  # type: ignore[arg-type]
    for size in (2, 50):
        assert await pages(filled, which, size) == [f"s{number}" for number in numbers]


async def test_a_number_in_two_roles_is_one_call(stores: Stores) -> None:
    await stores.log.append([event("15", 1, called="13800001111")], [])
    assert await pages(stores, CallFilter("100001", number=A_NORMAL), 10) == ["sid-1"]


async def test_another_tenants_calls_are_never_seen(filled: Stores) -> None:
    await filled.log.append([event("15", 5000, tenant_id="200002", session_id="s1")], [])
    assert await pages(filled, CallFilter("200002"), 10) == ["s1"]
    assert await pages(filled, CallFilter("300003"), 10) == []
    mine, theirs = await filled.calls.get("100001", "s1"), await filled.calls.get("200002", "s1")
    assert mine is not None
    assert theirs is not None
    assert (mine.call.event_count, theirs.call.event_count) == (5, 1)
    history = await filled.calls.history("200002", "s1")
    assert history is not None
    assert (len(history.events), len(history.decisions)) == (1, 0)


async def test_pages_stay_right_while_calls_change_and_begin(filled: Stores) -> None:
    which = CallFilter("100001")
    first = await filled.calls.list_page(which, None, 8)
    # Newer calls begin, calls of both pages end, and one moves back in time because its query was late.
    await filled.log.append(call(99, 9000, "15") + call(10, 1500, "22") + call(5, 1500, "22"), [])
    await filled.log.append([], [decision(at=350.0, session_id="s7", binding_revision=9)])
    seen = [revised.call.session_id for revised in first]
    after = position_of(first[-1])
    while page := await filled.calls.list_page(which, after, 3):
        seen += [revised.call.session_id for revised in page]
        after = position_of(page[-1])
    assert sorted(seen) == sorted(f"s{number}" for number in range(20))


async def test_a_history_has_the_logs_order_and_the_queries(stores: Stores) -> None:
    await stores.log.append([event("22", 9), event("15", 1)], [decision(at=1.0, result="9001"), decision()])
    history = await stores.calls.history("100001", "sid-1")
    assert history is not None
    assert [row.event.code for row in history.events] == ["22", "15"]
    assert [answer.result for answer in history.decisions] == ["0000", "9001"]
