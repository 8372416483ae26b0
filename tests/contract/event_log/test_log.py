"""What every event log does."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import delete, update

from common.errors import InvalidArgumentError
from common.sql import begin_write, open_engine
from event_service import sql_schema
from event_service.domain import CallEvent, call_key, partition_of
from event_service.fold import fold_call
from event_service.limits import MAX_FOLDED_EVENTS
from event_service.ports import EventLog, EventStatus, LoggedEvent
from tests.contract.event_log.conftest import PARTITIONS, Stores, open_stores
from tests.unit.event_service.builders import SECOND, decision, event

STORED, DUPLICATE, CONFLICT = EventStatus.STORED, EventStatus.DUPLICATE, EventStatus.CONFLICT


async def whole_log(log: EventLog) -> list[list[LoggedEvent]]:
    return [list(await log.read(partition, 0, 100_000)) for partition in range(PARTITIONS)]


async def events_of(stores: Stores, session_id: str = "sid-1") -> list[LoggedEvent]:
    history = await stores.calls.history("100001", session_id)
    assert history is not None
    return list(history.events)


def spread_events(count: int, calls: int, offset: int = 0) -> list[CallEvent]:
    return [
        event("15", number, session_id=f"sid-{number % calls}", seq=str(offset + number)) for number in range(count)
    ]


async def test_an_empty_log(stores: Stores) -> None:
    assert await stores.log.heads() == [0] * PARTITIONS
    assert await stores.log.read(0, 0, 10) == []
    assert await stores.log.append([], []) in ([], ())
    for partition in (-1, PARTITIONS):
        with pytest.raises(InvalidArgumentError):
            await stores.log.read(partition, 0, 10)


async def test_what_is_read_is_what_was_appended(stores: Stores) -> None:
    full = event(
        "22",
        9,
        client_id="o-1",
        call_result="00",
        reason="r",
        user_data="订单 7 \u2028 😀",
        media_server="ms-1",
        file_path="/rec/1.wav",
        unknown_fields=(("aField", ""), ("字段", "值")),
        form_flags=("number:seq", "missing:x"),
        raw_body=b"\x00\xff<req/>",
        content_type="application/xml; charset=GBK",
        traceparent="00-aa-bb-01",
        default_region="GB",
    )
    bare = CallEvent("100001", "sid-1", "15", 1_700_000_000_000_001)
    await stores.log.append([full, bare], [])
    assert [row.event for row in await events_of(stores)] == [full, bare]
    first, second = await events_of(stores)
    assert (second.log_offset, second.partition_id) == (first.log_offset + 1, first.partition_id)
    assert (first.call_ordinal, second.call_ordinal) == (0, 1)
    assert (first.received_count, first.conflict, first.last_received_at_us) == (1, False, full.received_at_us)
    assert first.stored_at_us > full.received_at_us
    assert (await stores.log.read(first.partition_id, 0, 10)) == [first, second]


async def test_offsets_are_gapless_and_pages_go_on_from_them(stores: Stores) -> None:
    outcomes = [o for start in range(0, 60, 20) for o in await stores.log.append(spread_events(20, 9, start), [])]
    assert {outcome.status for outcome in outcomes} == {STORED}
    heads = await stores.log.heads()
    assert sum(heads) == 60
    for partition, head in enumerate(heads):
        read: list[LoggedEvent] = []
        while page := await stores.log.read(partition, read[-1].log_offset if read else 0, 7):
            assert len(page) <= 7
            read += page
        assert [row.log_offset for row in read] == list(range(1, head + 1))


async def test_a_repetition_is_stored_once_and_counted(stores: Stores) -> None:
    first = event("22", 9, raw_body=b"<a/>")
    later = replace(first, received_at_us=first.received_at_us + SECOND, raw_body=b"<b/>", form_flags=("number:seq",))
    (stored,) = await stores.log.append([first], [])
    (duplicate,) = await stores.log.append([later], [])
    twice = await stores.log.append([later, first], [])
    assert (stored.status, duplicate.status) == (STORED, DUPLICATE)
    assert [outcome.status for outcome in twice] == [DUPLICATE, DUPLICATE]
    assert {o.log_offset for o in (stored, duplicate, *twice)} == {1}
    (row,) = await events_of(stores)
    assert (row.event, row.received_count, row.last_received_at_us) == (first, 4, later.received_at_us)
    assert sum(await stores.log.heads()) == 1


async def test_a_repetition_within_one_batch(stores: Stores) -> None:
    outcomes = await stores.log.append([event("22", 9), event("15", 1), event("22", 9)], [])
    assert [outcome.status for outcome in outcomes] == [STORED, STORED, DUPLICATE]
    assert outcomes[2].log_offset == outcomes[0].log_offset
    assert [row.received_count for row in await events_of(stores)] == [2, 1]


@pytest.mark.parametrize("apart", [True, False])
async def test_the_copy_that_was_received_first_is_the_one_that_is_kept(stores: Stores, apart: bool) -> None:
    late = event("22", 9, seq="1", raw_body=b"late", content_type="text/xml", form_flags=("number:seq",))
    early = replace(late, received_at_us=late.received_at_us - SECOND, raw_body=b"early", form_flags=())
    batches = [[late], [early]] if apart else [[late, early]]
    for batch in batches:
        await stores.log.append(batch, [])
    (row,) = await events_of(stores)
    assert (row.event, row.received_count, row.last_received_at_us) == (early, 2, late.received_at_us)
    found = await stores.calls.get("100001", "sid-1")
    assert found is not None
    assert found.call.ended_at_us == early.received_at_us
    assert "form:number:seq" not in found.call.anomalies


@pytest.mark.parametrize("apart", [True, False])
async def test_other_content_under_the_same_key_is_stored_and_marked(stores: Stores, apart: bool) -> None:
    one, other = event("22", 9, seq="1"), event("22", 10, seq="1", call_result="00")
    batches = [[one], [other], [one, other]] if apart else [[one, other, one, other]]
    statuses = [o.status for batch in batches for o in await stores.log.append(batch, [])]
    assert statuses == [STORED, CONFLICT, DUPLICATE, DUPLICATE]
    rows = await events_of(stores)
    assert [(row.event, row.conflict, row.received_count) for row in rows] == [(one, True, 2), (other, True, 2)]
    found = await stores.calls.get("100001", "sid-1")
    assert found is not None
    assert "conflict:22" in found.call.anomalies


async def test_keys_are_a_calls_own(stores: Stores) -> None:
    same = [event("22", 9, seq="1", tenant_id=t, session_id=s) for t in ("1", "2") for s in ("a", "b")]
    assert [o.status for o in await stores.log.append(same, [])] == [STORED] * 4


async def test_concurrent_writers_leave_no_gap_and_a_polling_reader_misses_nothing(stores: Stores) -> None:
    writers, batches, size = 8, 6, 5
    seen: list[list[LoggedEvent]] = [[] for _ in range(PARTITIONS)]
    done = asyncio.Event()

    async def write(writer: int) -> None:
        for batch in range(batches):
            events = [
                event("15", number, session_id=f"sid-{(writer + number) % 7}", seq=f"{writer}-{batch}-{number}")
                for number in range(size)
            ]
            outcomes = await stores.log.append(events, [])
            assert {o.status for o in outcomes} == {STORED}

    async def poll() -> None:
        while True:
            last_round = done.is_set()
            for partition, rows in enumerate(seen):
                rows += await stores.log.read(partition, rows[-1].log_offset if rows else 0, 10_000)
            if last_round:
                return
            await asyncio.sleep(0)

    reader = asyncio.create_task(poll())
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    done.set()
    await reader
    assert sum(map(len, seen)) == writers * batches * size
    for rows, head in zip(seen, await stores.log.heads(), strict=True):
        assert [row.log_offset for row in rows] == list(range(1, head + 1))
    # Each call's own events are counted without a gap too, in the same order.
    calls = {row.event.session_id for rows in seen for row in rows}
    for rows in seen:
        for call in calls:
            ordinals = [row.call_ordinal for row in rows if row.event.session_id == call]
            assert ordinals == list(range(len(ordinals)))


async def test_the_same_events_from_many_writers_at_once_are_stored_once(stores: Stores) -> None:
    events = spread_events(20, 5)
    outcomes = await asyncio.gather(*(stores.log.append(events[::step], []) for step in (1, -1, 1, -1)))
    statuses = Counter(outcome.status for group in outcomes for outcome in group)
    assert statuses == {STORED: 20, DUPLICATE: 60}
    rows = [row for partition in await whole_log(stores.log) for row in partition]
    assert len(rows) == 20
    assert {row.received_count for row in rows} == {4}


async def test_what_the_store_refuses_leaves_nothing_behind(stores: Stores) -> None:
    await stores.log.append(spread_events(8, 8), [])
    before = await whole_log(stores.log)
    # Bodies may hold any byte, so that only a database that can't hold NULs in text refuses; SQLite holds them.
    unstorable = event("22", 9, session_id="sid-1", user_data="a\x00b", call_id="\x00")
    try:
        await stores.log.append([event("22", 9), unstorable, event("22", 9, session_id="sid-2")], [decision()])
    except InvalidArgumentError:
        assert await whole_log(stores.log) == before
        assert await stores.log.heads() == [len(rows) for rows in before]
        found = await stores.calls.get("100001", "sid-2")
        assert found is not None
        assert found.call.event_count == 1
    # What comes next takes the next offsets.
    await stores.log.append([event("22", 9, session_id=f"sid-{number}") for number in range(8)], [])
    for rows in await whole_log(stores.log):
        assert [row.log_offset for row in rows] == list(range(1, len(rows) + 1))


async def test_decisions_are_stored_once_and_the_earliest_is_kept(stores: Stores) -> None:
    later, first, other = decision(at=2.0), decision(at=0.0), decision("13900002222", at=1.0)
    await stores.log.append([], [later, other])
    await stores.log.append([event("15", 3)], [first])
    await stores.log.append([], [later, other, first])
    history = await stores.calls.history("100001", "sid-1")
    assert history is not None
    assert list(history.decisions) == [first, other]
    found = await stores.calls.get("100001", "sid-1")
    assert found is not None
    # The call began with its first query, and the answer that counts is the last one.
    assert found.call.started_at_us == first.received_at_us
    assert found.revision == 2


async def test_very_many_different_answers_are_not_all_kept(stores: Stores) -> None:
    answers = [decision(at=number, binding_revision=number) for number in range(100)]
    await stores.log.append([], answers[:50])
    await stores.log.append([], answers[50:])
    history = await stores.calls.history("100001", "sid-1")
    assert history is not None
    assert len(history.decisions) == 16


async def test_the_record_grows_with_the_log_and_only_changes_count(stores: Stores) -> None:
    revisions = []
    steps = [event("15", 1), event("16", 2), event("16", 2), event("31", 3)]
    for step in steps:
        await stores.log.append([step], [])
        found = await stores.calls.get("100001", "sid-1")
        assert found is not None
        revisions.append((found.revision, found.call.state.value, found.call.event_count))
    assert revisions == [(1, "calling", 1), (2, "ringing", 2), (2, "ringing", 2), (3, "answered", 3)]


async def test_a_call_with_very_many_events_keeps_them_all_and_counts_repetitions(stores: Stores) -> None:
    events = [event("77", number) for number in range(MAX_FOLDED_EVENTS + 20)]
    for start in range(0, len(events), 100):
        await stores.log.append(events[start : start + 100], [])
    outcomes = await stores.log.append([events[3], events[-1], event("77", 9999)], [])
    assert [o.status for o in outcomes] == [DUPLICATE, DUPLICATE, STORED]
    rows = await events_of(stores)
    assert len(rows) == len(events) + 1
    assert [row.call_ordinal for row in rows] == list(range(len(rows)))
    assert [row.event.seq for row in rows if row.received_count == 2] == [events[3].seq, events[-1].seq]
    found = await stores.calls.get("100001", "sid-1")
    assert found is not None
    assert found.call.event_count == len(rows)
    assert "impossible:too_many_events" in found.call.anomalies


async def test_a_log_keeps_its_partitions_and_its_events(database_url: str) -> None:
    async with open_stores(database_url) as stores:
        await stores.log.append(spread_events(20, 20), [])
        before = await whole_log(stores.log)
    async with open_stores(database_url) as stores:
        assert await whole_log(stores.log) == before
        outcomes = await stores.log.append(spread_events(20, 20), [])
        assert {outcome.status for outcome in outcomes} == {DUPLICATE}


async def test_two_processes_share_a_log(database_url: str) -> None:
    async with open_stores(database_url) as one, open_stores(database_url) as other:
        events = [spread_events(10, 3, start) for start in range(0, 80, 10)]
        await asyncio.gather(*((one, other)[n % 2].log.append(batch, []) for n, batch in enumerate(events)))
        rows = await whole_log(one.log)
        assert sum(map(len, rows)) == 80
        assert [[row.log_offset for row in part] for part in rows] == [list(range(1, len(part) + 1)) for part in rows]


async def test_what_one_process_remembers_is_not_believed_after_another_wrote(database_url: str) -> None:
    async with open_stores(database_url) as one, open_stores(database_url) as other:
        first, second = event("15", 1), event("16", 2)
        early = replace(first, received_at_us=first.received_at_us - SECOND // 2)
        await one.log.append([first], [])
        await other.log.append([first, second], [decision()])
        (again,) = await one.log.append([second], [])
        assert (again.status, again.log_offset) == (DUPLICATE, 2)
        await other.log.append([early], [decision("13900002222", at=0.1)])
        await one.log.append([first, event("31", 3)], [decision()])
        rows = await events_of(one)
        assert [(row.event, row.received_count) for row in rows] == [(early, 4), (second, 2), (event("31", 3), 1)]
        found = await other.calls.get("100001", "sid-1")
        assert found is not None
        answers = [decision(), decision("13900002222", at=0.1)]
        assert found.call == fold_call([early, second, event("31", 3)], answers)


async def test_what_was_remembered_is_not_believed_after_the_database_lost_its_last_commits(database_url: str) -> None:
    def partition(name: str) -> int:
        return partition_of(call_key("100001", name), PARTITIONS)

    mine = event("15", 1)
    stranger = next(name for name in map(str, range(100)) if partition(name) == partition("sid-1"))
    async with open_stores(database_url) as one, open_stores(database_url) as other:
        await one.log.append([mine], [])
        # A failover to a replica that was behind, or a backup: the other writer goes on from there.
        engine = open_engine(database_url)
        async with begin_write(engine) as connection:
            for table in (sql_schema.events, sql_schema.calls):
                await connection.execute(delete(table))
            await connection.execute(update(sql_schema.partition_heads).values(last_offset=0, write_count=0))
        await engine.dispose()
        await other.log.append([event("15", 1, session_id=stranger)], [])
        (outcome,) = await one.log.append([mine], [])
        assert (outcome.status, outcome.log_offset) == (STORED, 2)
        (strangers,) = await events_of(other, stranger)
        assert strangers.received_count == 1


async def test_a_batch_that_failed_is_not_remembered(stores: Stores) -> None:
    await stores.log.append([event("15", 1)], [])
    try:
        await stores.log.append([event("16", 2), event("31", 3, user_data="\x00", call_id="\x00")], [])
    except InvalidArgumentError:
        outcomes = await stores.log.append([event("16", 2), event("15", 1)], [])
        assert [(o.status, o.log_offset) for o in outcomes] == [(STORED, 2), (DUPLICATE, 1)]
