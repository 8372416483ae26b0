"""However a call's messages come in and are cut into batches: the stored record is the fold of them."""

import asyncio
import random
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from event_service.domain import CallEvent, LoggedDecision
from event_service.fold import fold_call
from tests.contract.event_log.conftest import Stores
from tests.unit.event_service.builders import decision, event
from tests.unit.event_service.strategies import call_decisions, call_events, copies_of, decision_copies_of

_names = (f"call-{number}" for number in range(10**9))


async def test_any_order_any_repetitions_any_batches(stores: Stores) -> None:
    loop = asyncio.get_running_loop()

    # Hypothesis calls plain functions: each example runs as a task of the test's own loop.
    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data(), call_events(), call_decisions)
    def check(data: st.DataObject, events: list[CallEvent], decisions: list[LoggedDecision]) -> None:
        messages = [copy for e in events for copy in data.draw(copies_of(e))]
        answers = [copy for d in decisions for copy in data.draw(decision_copies_of(d))]
        shuffled: list[CallEvent | LoggedDecision] = [*messages, *answers]
        data.draw(st.randoms(use_true_random=False)).shuffle(shuffled)
        cuts = data.draw(st.lists(st.integers(1, 4), min_size=len(shuffled), max_size=len(shuffled)))
        asyncio.run_coroutine_threadsafe(_compare(stores, shuffled, cuts), loop).result(60)

    await asyncio.to_thread(check)


async def _compare(stores: Stores, shuffled: list[CallEvent | LoggedDecision], cuts: list[int]) -> None:
    name = next(_names)
    renamed = [replace(message, session_id=name) for message in shuffled]
    rest = list(renamed)
    for cut in cuts:
        batch, rest = rest[:cut], rest[cut:]
        await stores.log.append(
            [m for m in batch if isinstance(m, CallEvent)], [m for m in batch if isinstance(m, LoggedDecision)]
        )
    expected = fold_call(
        [m for m in renamed if isinstance(m, CallEvent)], [m for m in renamed if isinstance(m, LoggedDecision)]
    )
    found = await stores.calls.get("100001", name)
    assert found is not None
    assert found.call == expected
    history = await stores.calls.history("100001", name)
    assert history is not None
    # Made again from what is stored, the record is the same.
    assert fold_call([row.event for row in history.events], history.decisions) == expected
    assert sum(row.received_count for row in history.events) == sum(isinstance(m, CallEvent) for m in renamed)


async def test_many_calls_from_many_writers_at_once(stores: Stores) -> None:
    """The calls' messages, each sent twice, mixed and cut at random, written by several writers."""
    dice = random.Random(7)
    codes = ("15", "16", "31", "40", "22", "44")
    messages: list[CallEvent | LoggedDecision] = []
    for number in range(12):
        sid = f"many-{number}"
        messages += 2 * [event(code, 10 * number + at, session_id=sid) for at, code in enumerate(codes, 1)]
        messages += 2 * [decision(at=10 * number, session_id=sid)]
    dice.shuffle(messages)
    batches = []
    while messages:
        cut = dice.randint(1, 20)
        batches.append(messages[:cut])
        messages = messages[cut:]

    async def write(mine: list[list[CallEvent | LoggedDecision]]) -> None:
        for batch in mine:
            await stores.log.append(
                [m for m in batch if isinstance(m, CallEvent)], [m for m in batch if isinstance(m, LoggedDecision)]
            )

    await asyncio.gather(*(write(batches[writer::3]) for writer in range(3)))
    for number in range(12):
        sid = f"many-{number}"
        found = await stores.calls.get("100001", sid)
        assert found is not None
        expected = fold_call(
            [event(code, 10 * number + at, session_id=sid) for at, code in enumerate(codes, 1)],
            [decision(at=10 * number, session_id=sid)],
        )
        assert found.call == expected
        assert found.call.anomalies == ()
