"""Whatever comes of a call in whatever batches, and whenever it is given up in between: the record follows from what
came and from when it was given up, its revisions count its changes, and made anew from the log it is the same."""

import asyncio
from collections import Counter
from dataclasses import dataclass, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from common.sql import begin_write
from event_service.domain import (
    Call,
    CallEvent,
    LoggedDecision,
    call_key,
    decision_hash,
    earlier_decision,
    earlier_event,
    event_hash,
    partition_of,
)
from event_service.fold import fold_distinct
from event_service.ports import CallName
from event_service.sql_schema import calls
from tests.contract.event_log.test_upkeep import PATIENCE, Store, store
from tests.unit.event_service.builders import SECOND, START_US, TENANT
from tests.unit.event_service.strategies import call_decisions, call_events, copies_of, decision_copies_of

__all__ = ["store"]

_names = (f"nasty-{number}" for number in range(10**9))
# Behind the longest talk of a call and the margin.
LATER_US = START_US + 30 * 3600 * SECOND
ENDS = ("22", "32", "42", "44", "30")


@dataclass(frozen=True, slots=True)
class Close:
    """Somebody looks for calls to give up at this time."""

    at_us: int


Step = CallEvent | LoggedDecision | Close


def expected_record(steps: list[Step], closed_at_us: int | None) -> Call:
    events: dict[bytes, CallEvent] = {}
    decisions: dict[bytes, LoggedDecision] = {}
    for step in steps:
        if isinstance(step, CallEvent):
            events[event_hash(step)] = earlier_event(events.get(event_hash(step), step), step)
        elif isinstance(step, LoggedDecision):
            name = decision_hash(step)
            decisions[name] = earlier_decision(decisions.get(name, step), step)
    return fold_distinct(events, decisions, closed_at_us=closed_at_us)


async def test_the_record_follows_from_what_came_and_when_it_was_given_up(store: Store) -> None:
    loop = asyncio.get_running_loop()
    seen: Counter[str] = Counter()

    # Hypothesis calls plain functions: each example runs as a task of the test's own loop.
    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data(), call_events(), call_decisions)
    def check(data: st.DataObject, events: list[CallEvent], decisions: list[LoggedDecision]) -> None:
        steps: list[Step] = [copy for e in events for copy in data.draw(copies_of(e))]
        steps += [copy for d in decisions for copy in data.draw(decision_copies_of(d))]
        shuffled = list(data.draw(st.permutations(steps)))
        if data.draw(st.booleans()):
            # The ends come last, and somebody looked before them.
            shuffled.sort(key=lambda step: isinstance(step, CallEvent) and step.code in ENDS)
            place = next((n for n, step in enumerate(shuffled) if getattr(step, "code", "") in ENDS), len(shuffled))
            shuffled.insert(place, Close(LATER_US))
        if data.draw(st.booleans()):
            shuffled.insert(data.draw(st.integers(0, len(shuffled))), Close(LATER_US + 1))
        cuts = data.draw(st.lists(st.integers(1, 4), min_size=len(steps), max_size=len(steps)))
        asyncio.run_coroutine_threadsafe(_compare(store, shuffled, cuts, seen), loop).result(60)

    await asyncio.to_thread(check)
    # The examples were worth something.
    wanted = {"given up", "reopened", "ended twice", "one key, two contents", "answer before 31", "end first"}
    assert wanted <= set(seen), seen


async def _compare(store: Store, steps: list[Step], cuts: list[int], seen: Counter[str]) -> None:
    name = CallName(TENANT, next(_names))
    steps = [step if isinstance(step, Close) else replace(step, session_id=name.session_id) for step in steps]
    came: list[Step] = []
    closed_at_us: int | None = None
    # The records as whoever follows them is told, and as they were one after the other.
    history: list[Call] = []
    while steps:
        if isinstance(steps[0], Close):
            now_us = steps.pop(0).at_us  # type: ignore[union-attr]
            was_open = bool(history) and not history[-1].state.is_finished
            assert await store.upkeep.close([name], now_us, PATIENCE) == was_open
            if was_open:
                closed_at_us = now_us
                seen["given up"] += 1
        else:
            cut = cuts.pop(0)
            batch: list[Step] = []
            while steps and len(batch) < cut and not isinstance(steps[0], Close):
                batch.append(steps.pop(0))
            await store.log.append(
                [m for m in batch if isinstance(m, CallEvent)], [m for m in batch if isinstance(m, LoggedDecision)]
            )
            came += batch
        if not came:
            continue
        expected = expected_record(came, closed_at_us)
        if not history or expected != history[-1]:
            history.append(expected)
        found = await store.reader.get(*_of(name))
        assert found is not None
        assert (found.call, found.revision) == (expected, len(history))
        assert await store.upkeep.refold([name], dry_run=True) == []
    _note(came, history, seen)

    key = call_key(*_of(name))
    partition = partition_of(key, store.partitions)
    changes = await store.changes.read_changes(partition, 0, 100_000)
    told = [change.revision for change in changes if change.current.call.session_id == name.session_id]
    assert told == [number for number, call in enumerate(history, 1) if call.state.is_finished]

    if closed_at_us is None:
        async with begin_write(store.engine) as connection:
            await connection.execute(delete(calls).where(calls.c.call_key == key))
        assert await store.upkeep.refold([name], dry_run=False) == [name]
        again = await store.reader.get(*_of(name))
        assert again is not None
        assert again.call == history[-1]


def _of(name: CallName) -> tuple[str, str]:
    return name.tenant_id, name.session_id


def _note(came: list[Step], history: list[Call], seen: Counter[str]) -> None:
    """What was nasty about this call."""
    events = {event_hash(step): step for step in came if isinstance(step, CallEvent)}.values()
    first: dict[str, int] = {}
    for event in events:
        first[event.code] = min(event.received_at_us, first.get(event.code, event.received_at_us))
    ends = [event.received_at_us for event in events if event.code in ENDS[:4]]
    if len(ends) > 1:
        seen["ended twice"] += 1
    if len({event.key for event in events}) < len(events):
        seen["one key, two contents"] += 1
    if "31" in first and "40" in first and first["40"] < first["31"]:
        seen["answer before 31"] += 1
    if ends and any(min(ends) < first[code] for code in ("31", "40") if code in first):
        seen["end first"] += 1
    if history[-1].closed_at_us is not None and history[-1].ended_at_us is not None:
        seen["reopened"] += 1
