"""What keeps call records right, and what walks through them, on every SQL store."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.clock import SystemClock
from common.sql import begin_write, open_engine
from event_service.domain import CallEvent, CallState
from event_service.migrate import migrate
from event_service.ports import CallName, CallPeriod, Patience
from event_service.reports import HOUR_US, MAX_REBUILD_SECONDS, REFOLD_CALLS, TALLY_US, CallReporting
from event_service.sql_calls import SqlCallReader
from event_service.sql_changes import SqlCallChanges
from event_service.sql_database import EventDatabase
from event_service.sql_log import SqlEventLog, create_partitions, load_calls
from event_service.sql_reports import SqlCallReports, state_counts
from event_service.sql_schema import calls
from event_service.sql_upkeep import SqlCallUpkeep
from tests.unit.event_service.builders import SECOND, SID, START_US, TENANT, decision, event

PATIENCE = Patience(default_talk_seconds=3600, margin_seconds=100)
NAME = CallName(TENANT, SID)


class Store:
    """All adapters over one database."""

    def __init__(self, engine: AsyncEngine, partitions: int) -> None:
        clock = SystemClock()
        self.engine = engine
        self.partitions = partitions
        self.log = SqlEventLog(engine, clock, partitions)
        self.upkeep = SqlCallUpkeep(EventDatabase(engine), clock, partitions)
        self.reports = SqlCallReports(EventDatabase(engine))
        self.reader = SqlCallReader(EventDatabase(engine))
        self.changes = SqlCallChanges(engine)

    async def state(self) -> CallState:
        found = await self.reader.get(TENANT, SID)
        assert found is not None
        return found.call.state

    async def overdue(self, after_seconds: float) -> Sequence[CallName]:
        return await self.upkeep.overdue(START_US + round(after_seconds * SECOND), PATIENCE, 10)

    async def close(self, after_seconds: int) -> int:
        return await self.upkeep.close([NAME], START_US + after_seconds * SECOND, PATIENCE)

    async def finished_revisions(self) -> list[int]:
        found = [await self.changes.read_changes(number, 0, 100) for number in range(self.partitions)]
        return [change.revision for partition in found for change in partition]


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    engine = open_engine(database_url, pool_timeout_seconds=10)
    try:
        await migrate(engine)
        yield Store(engine, await create_partitions(engine, 4))
    finally:
        await engine.dispose()


def answered(*more: CallEvent) -> list[CallEvent]:
    return [event("15", 1), event("16", 2), event("31", 5), event("40", 5), *more]


async def test_a_call_is_overdue_when_its_longest_talk_and_the_margin_are_over(store: Store) -> None:
    await store.log.append(answered(), [decision(max_duration_seconds=60)])
    assert await store.overdue(5 + 160) == []
    assert await store.overdue(5 + 161) == [NAME]


async def test_without_a_longest_talk_the_default_counts(store: Store) -> None:
    await store.log.append([event("15", 1)], [decision()])
    assert await store.overdue(3600) == []
    assert await store.overdue(3701) == [NAME]


async def test_a_call_that_is_over_is_never_overdue(store: Store) -> None:
    await store.log.append(answered(event("22", 30)), [decision(max_duration_seconds=60)])
    assert await store.overdue(1_000_000) == []


async def test_a_call_is_given_up_once_and_told_as_a_finished_one(store: Store) -> None:
    await store.log.append(answered(), [decision(max_duration_seconds=60)])
    assert await store.close(200) == 1
    assert await store.close(300) == 0
    found = await store.reader.get(TENANT, SID)
    assert found is not None
    assert (found.call.state, found.call.closed_at_us) == (CallState.UNTERMINATED, START_US + 200 * SECOND)
    assert (found.call.ended_at_us, found.call.talk_seconds) == (None, None)
    assert "missing:end" in found.call.anomalies
    assert found.call.end_reason
    assert await store.finished_revisions() == [found.revision]
    assert await store.overdue(1_000_000) == []


async def test_a_call_that_was_answered_since_it_was_looked_for_is_not_given_up(store: Store) -> None:
    await store.log.append([event("15", 1)], [decision(max_duration_seconds=60)])
    assert await store.overdue(170) == [NAME]
    await store.log.append([event("31", 169)], [])
    assert await store.close(170) == 0
    assert await store.state() is CallState.ANSWERED
    assert await store.close(169 + 161) == 1


async def test_replicas_that_give_up_calls_at_once_while_ends_come_in(store: Store) -> None:
    count = 30
    sids = [f"s{number}" for number in range(count)]
    for sid in sids:
        await store.log.append([replace(each, session_id=sid) for each in answered()], [decision(session_id=sid)])
    now_us = START_US + 3 * 3600 * SECOND
    names = [CallName(TENANT, sid) for sid in sids]
    others = SqlCallUpkeep(EventDatabase(store.engine), SystemClock(), store.partitions)
    lots = [names[start : start + 5] for start in range(0, count, 5)]

    async def end(some: list[str]) -> None:
        for sid in some:
            await store.log.append([event("22", 45, session_id=sid)], [])

    closed = await asyncio.gather(
        *(upkeep.close(lot, now_us, PATIENCE) for upkeep in (store.upkeep, others) for lot in lots),
        end(sids[::2]),
        end(sids[1:10:2]),
    )
    records = await store.reports.walk(CallPeriod(TENANT), None, 100)
    by_state = Counter(each.call.state for each in records)
    assert by_state == {CallState.COMPLETED: 20, CallState.UNTERMINATED: 10}
    # Each was given up at most once, and its revisions tell of it.
    given_up = sum(each.call.closed_at_us is not None for each in records)
    assert sum(each or 0 for each in closed) == given_up >= 10
    assert len(await store.finished_revisions()) == 20 + given_up
    assert all(each.call.talk_seconds == 40 for each in records if each.call.state is CallState.COMPLETED)


async def test_an_end_that_was_received_after_the_call_was_given_up_is_late(store: Store) -> None:
    await store.log.append(answered(), [decision(max_duration_seconds=60)])
    await store.close(200)
    await store.log.append([event("22", 300)], [])
    found = await store.reader.get(TENANT, SID)
    assert found is not None
    assert (found.call.state, found.call.talk_seconds) == (CallState.COMPLETED, 295)
    assert found.call.anomalies == ("impossible:talk_over_maximum", "late:22")
    assert await store.upkeep.refold([NAME], dry_run=True) == []


async def test_an_end_that_comes_after_all_opens_it_again_and_ends_it_properly(store: Store) -> None:
    await store.log.append(answered(), [decision(max_duration_seconds=60)])
    await store.close(200)
    # By another process, which remembers the call from before, and by this one.
    await store.log.append([event("22", 45)], [])
    found = await store.reader.get(TENANT, SID)
    assert found is not None
    assert (found.call.state, found.call.talk_seconds) == (CallState.COMPLETED, 40)
    assert "missing:end" not in found.call.anomalies
    assert len(await store.finished_revisions()) == 2


async def test_more_events_but_no_end_leave_it_given_up(store: Store) -> None:
    await store.log.append([event("15", 1)], [decision(max_duration_seconds=60)])
    await store.close(200)
    await store.log.append([event("16", 2)], [])
    assert await store.state() is CallState.UNTERMINATED


async def test_rebuilding_finds_what_is_right_and_mends_what_is_not(store: Store) -> None:
    for number in range(7):
        await store.log.append(
            [event(code, place, session_id=f"s{number}") for place, code in enumerate(("15", "16", "31", "40", "22"))],
            [decision(session_id=f"s{number}")],
        )
    await store.log.append(answered(), [decision(max_duration_seconds=60)])
    await store.close(200)
    reporting = CallReporting(store.reports, store.upkeep)
    before = await store.reports.walk(CallPeriod(TENANT), None, 100)
    result = await reporting.rebuild(CallPeriod(TENANT), dry_run=False)
    assert (result.calls, result.different) == (8, 0)
    assert await store.reports.walk(CallPeriod(TENANT), None, 100) == before

    async with begin_write(store.engine) as connection:
        await connection.execute(update(calls).where(calls.c.session_id == "s3").values(state="ringing"))
    result = await reporting.rebuild(CallPeriod(TENANT), dry_run=True)
    assert [name.session_id for name in result.names] == ["s3"]
    assert (await store.reader.get(TENANT, "s3")).call.state is CallState.RINGING  # type: ignore[union-attr]
    assert (await reporting.rebuild(CallPeriod(TENANT), dry_run=False)).different == 1
    mended = await store.reader.get(TENANT, "s3")
    assert mended is not None
    assert mended.call == next(each.call for each in before if each.call.session_id == "s3")
    assert (await reporting.rebuild(CallPeriod("another"), dry_run=False)).calls == 0


async def whole_calls(store: Store, count: int) -> None:
    for start in range(0, count, 50):
        numbers = range(start, min(start + 50, count))
        events = [
            event(code, number + place, session_id=f"s{number}")
            for number in numbers
            for place, code in enumerate(("15", "16", "31", "40", "22"))
        ]
        await store.log.append(events, [decision(session_id=f"s{number}", at=number) for number in numbers])


async def test_records_that_were_lost_are_made_again_from_the_log(store: Store) -> None:
    await whole_calls(store, 3)
    await store.log.append([event("15", 1, session_id="no-query")], [])
    await store.log.append([], [decision(session_id="no-event")])
    await store.log.append([event("15", 1, tenant_id="200002", session_id="theirs")], [])
    before = {each.call.session_id: each.call for each in await store.reports.walk(CallPeriod(TENANT), None, 100)}
    assert len(before) == 5
    async with begin_write(store.engine) as connection:
        await connection.execute(delete(calls))
    reporting = CallReporting(store.reports, store.upkeep)
    result = await reporting.rebuild(CallPeriod(TENANT), dry_run=True)
    assert (result.calls, result.different) == (5, 5)
    assert await store.reports.walk(CallPeriod(TENANT), None, 100) == []
    # Of a part of the time it is not known which calls are missing.
    assert (await reporting.rebuild(CallPeriod(TENANT, START_US), dry_run=False)).calls == 0
    assert (await reporting.rebuild(CallPeriod(TENANT), dry_run=False)).different == 5
    after = await store.reports.walk(CallPeriod(TENANT), None, 100)
    assert {each.call.session_id: each.call for each in after} == before
    # Who was told of a record hears of it again under a higher revision, also where only the last one was told.
    assert {each.call.session_id: each.revision for each in after} == {
        **{f"s{number}": 2 for number in range(3)},
        "no-query": 1,
        "no-event": 1,
    }
    assert sorted(await store.finished_revisions()) == [1, 1, 1, 2, 2, 2]
    assert await store.reports.walk(CallPeriod("200002"), None, 100) == []
    assert (await reporting.rebuild(CallPeriod(TENANT), dry_run=False)).different == 0
    # They go on as if nothing had been.
    await store.log.append([event("22", 30, session_id="no-query")], [])
    assert (await store.reader.get(TENANT, "no-query")).call.event_count == 2  # type: ignore[union-attr]


async def test_a_rebuild_pauses_for_those_who_append_and_ends_in_time(store: Store) -> None:
    await whole_calls(store, 2 * REFOLD_CALLS + 10)
    now = 0.0
    pauses = []

    def monotonic() -> float:
        # Each look at the clock finds it a quarter of the time later.
        nonlocal now
        now += MAX_REBUILD_SECONDS / 4
        return now

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    reporting = CallReporting(store.reports, store.upkeep, monotonic=monotonic, sleep=sleep)
    async with begin_write(store.engine) as connection:
        await connection.execute(delete(calls).where(calls.c.session_id == "s7"))
    seen, turns, position = 0, 0, None
    names: list[CallName] = []
    while True:
        result = await reporting.rebuild(CallPeriod(TENANT), dry_run=False, position=position)
        seen += result.calls
        turns += 1
        names += result.names
        position = result.following
        if position is None:
            break
    assert (seen, names) == (2 * REFOLD_CALLS + 10, [CallName(TENANT, "s7")])
    assert turns >= 3
    assert pauses and all(seconds == MAX_REBUILD_SECONDS / 4 for seconds in pauses)


async def test_a_caller_who_does_not_wait_any_more_leaves_nothing_locked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await whole_calls(store, 1)
    inside = asyncio.Event()
    slow = {
        "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 300000) "
        "SELECT x FROM c ORDER BY -x",
        "postgresql": "SELECT pg_sleep(0.3)",
    }

    async def load_slowly(connection: AsyncConnection, *arguments: Any, **options: Any) -> Any:
        inside.set()
        await connection.execute(text(slow[store.engine.dialect.name]))
        return await load_calls(connection, *arguments, **options)

    monkeypatch.setattr("event_service.sql_upkeep.load_calls", load_slowly)
    reporting = CallReporting(store.reports, store.upkeep)
    rebuilding = asyncio.create_task(reporting.rebuild(CallPeriod(TENANT), dry_run=True))
    await inside.wait()
    # As when the deadline of the RPC is over, in the middle of the statement.
    for _ in range(5):
        await asyncio.sleep(0)
    rebuilding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rebuilding
    # Waits for the end of the statement, and not for somebody to collect the connection.
    await store.log.append([event("44", 9, session_id="s0")], [])


async def test_a_walk_visits_every_call_once_oldest_first(store: Store) -> None:
    # Three calls at a time begin in the same microsecond.
    for number in range(12):
        await store.log.append([event("15", number // 3, session_id=f"s{number:02}")], [])
    reporting = CallReporting(store.reports, store.upkeep)
    seen = [each.call async for page in reporting.pages(CallPeriod(TENANT)) for each in page]
    assert len({call.session_id for call in seen}) == len(seen) == 12
    assert [call.started_at_us for call in seen] == sorted(call.started_at_us for call in seen)
    part = CallPeriod(TENANT, START_US + SECOND, START_US + 3 * SECOND)
    assert len([each async for page in reporting.pages(part) for each in page]) == 6


async def test_hours_and_active_calls_are_counted(store: Store) -> None:
    hour = 3600.0
    await store.log.append([event("15", 0, session_id="a"), event("16", 1, session_id="a")], [decision(session_id="a")])
    await store.log.append(answered(), [decision()])
    for sid, at in (("b", hour), ("c", hour + 1)):
        events = [event(code, at + 1 + n, session_id=sid) for n, code in enumerate(("15", "16", "31", "40", "22"))]
        await store.log.append(events, [decision(session_id=sid, at=at)] if sid == "b" else [])
    reporting = CallReporting(store.reports, store.upkeep)
    counted = await reporting.count_active(TENANT)
    assert (counted.active, counted.answered) == (2, 1)
    hours = await reporting.completeness(CallPeriod(TENANT, START_US, START_US + round(3 * hour * SECOND)))
    assert [(h.calls, h.complete, h.active, h.with_anomalies) for h in hours] == [(2, 0, 2, 0), (2, 1, 0, 1)]
    assert dict(hours[1].anomaly_kinds) == {"missing": 1}


async def test_active_calls_are_counted_without_walking_through_all_others(store: Store) -> None:
    if store.engine.dialect.name != "sqlite":
        # PostgreSQL plans by what is in the tables.
        return
    query = state_counts(TENANT, [state for state in CallState if not state.is_finished])
    compiled = str(query.compile(store.engine, compile_kwargs={"literal_binds": True}))
    async with store.engine.connect() as connection:
        plan = [row[3] for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")]
    assert plan[0] == "SEARCH calls USING INDEX calls_state (state=?)"


async def test_an_hour_is_counted_whole_however_it_is_cut(store: Store) -> None:
    # START_US is 13 minutes and 20 seconds past an hour.
    hour_us = START_US // HOUR_US * HOUR_US
    starts = [hour_us, hour_us + TALLY_US - 1, hour_us + TALLY_US, hour_us + HOUR_US - 1, hour_us + HOUR_US]
    for number, at_us in enumerate(starts):
        at = (at_us - START_US) / SECOND
        # Three things are missing, and of one kind.
        await store.log.append(
            [event("32", at, session_id=f"s{number}"), event("77", at, session_id=f"s{number}")],
            [decision(session_id=f"s{number}", at=at)],
        )
    reporting = CallReporting(store.reports, store.upkeep)
    hours = await reporting.completeness(CallPeriod(TENANT, hour_us, hour_us + HOUR_US))
    assert [(h.hour_us, h.calls, h.complete, h.with_anomalies) for h in hours] == [(hour_us, 4, 0, 4)]
    assert dict(hours[0].anomaly_kinds) == {"missing": 4, "unknown_code": 4}
    hours = await reporting.completeness(CallPeriod(TENANT, hour_us, hour_us + HOUR_US + 1))
    assert [h.calls for h in hours] == [4, 1]
    hours = await reporting.completeness(CallPeriod(TENANT, hour_us, hour_us + TALLY_US))
    assert [h.calls for h in hours] == [2]


async def test_a_call_whose_record_can_not_be_made_is_given_up_all_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.log.append(answered(), [decision(max_duration_seconds=60)])

    def broken(*_arguments: Any, **_options: Any) -> None:
        raise ValueError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr("event_service.append_plan.fold_distinct", broken)
        assert await store.close(200) == 1
        assert await store.overdue(200) == []
        assert await store.state() is CallState.UNTERMINATED
    # When the bug is mended, a rebuild makes what had been.
    await CallReporting(store.reports, store.upkeep).rebuild(CallPeriod(TENANT), dry_run=False)
    found = await store.reader.get(TENANT, SID)
    assert found is not None
    assert (found.call.state, found.call.anomalies) == (CallState.UNTERMINATED, ("missing:end",))
