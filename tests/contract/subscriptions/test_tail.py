"""What is read of the log: complete, in order, filtered, with positions that mean the same each time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from common.errors import AlreadyExistsError, InvalidArgumentError, ResourceExhaustedError
from common.sql import begin_write
from event_service.domain import call_key
from event_service.ports import LoggedEvent
from event_service.sql_schema import call_changes, calls, events, partition_heads
from event_service.subscriptions.domain import (
    Delivery,
    Place,
    StartKind,
    StartPosition,
    Subscription,
    SubscriptionContent,
    SubscriptionFilter,
)
from event_service.subscriptions.ports import TailRequest
from event_service.subscriptions.sql_places import places_of
from tests.contract.subscriptions.conftest import EARLIEST, SECOND, Stores
from tests.unit.event_service.builders import (
    A_NORMAL,
    B2,
    B2_NORMAL,
    START_US,
    TENANT,
    X_NORMAL,
    decision,
    event,
)

CODES = ("15", "16", "31", "40", "22")
BOTH = SubscriptionFilter(SubscriptionContent.EVENTS_AND_CALLS)
CALLS = SubscriptionFilter(SubscriptionContent.CALLS)
FROM_START = {number: Place() for number in range(4)}


async def a_call(stores: Stores, session_id: str, at: float = 0.0, called: str = "13900001111") -> None:
    for step, code in enumerate(CODES, 1):
        await stores.append(event(code, at + step, called, session_id=session_id))


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_a_calls_events_come_in_order_and_its_record_behind_them(stores: Stores, limit: int) -> None:
    subscription = await stores.subscribe(which=BOTH)
    for number in range(6):
        await a_call(stores, f"s{number}")
    # A late event changes the record again: it comes once, behind the late event.
    await stores.append(event("41", 9, session_id="s1", call_result="0"))
    found = await stores.read_all(subscription, FROM_START, limit)
    for number in range(6):
        of_call = [kind for session_id, kind in found if session_id == f"s{number}"]
        late = ["41"] if number == 1 else []
        assert of_call == [*CODES, *late, "completed"]


async def test_a_batch_of_many_calls_is_read_like_single_events(stores: Stores) -> None:
    subscription = await stores.subscribe(which=BOTH)
    sessions = [f"s{number}" for number in range(8)]
    await stores.append(*(event(code, at, session_id=each) for at, code in enumerate(CODES, 1) for each in sessions))
    for limit in (1, 3, 100):
        found = await stores.read_all(subscription, FROM_START, limit)
        assert len(found) == 8 * 6
        for session_id in sessions:
            assert [kind for each, kind in found if each == session_id] == [*CODES, "completed"]


async def test_only_what_is_wanted_is_delivered(stores: Stores) -> None:
    await stores.append(decision(session_id="s1"))
    await a_call(stores, "s1")
    await a_call(stores, "s2", called=B2)
    await stores.append(event("15", 1, session_id="foreign", tenant_id="999"))

    async def delivered(**wanted: object) -> set[tuple[str, str]]:
        which = SubscriptionFilter(**wanted)  # type: ignore[arg-type]
        subscription = Subscription("x", TENANT, "x", which, 0)
        return set(await stores.read_all(subscription, FROM_START))

    assert await delivered() == {(session, code) for session in ("s1", "s2") for code in CODES}
    assert await delivered(codes=frozenset({"31"})) == {("s1", "31"), ("s2", "31")}
    assert await delivered(content=SubscriptionContent.CALLS) == {("s1", "completed"), ("s2", "completed")}
    assert {each[0] for each in await delivered(numbers=frozenset({B2_NORMAL}))} == {"s2"}
    assert {each[0] for each in await delivered(numbers=frozenset({A_NORMAL}))} == {"s1", "s2"}
    # X stands in no event: the answer to the query tells it.
    found = await delivered(numbers=frozenset({X_NORMAL}), content=SubscriptionContent.EVENTS_AND_CALLS)
    assert found == {("s1", kind) for kind in (*CODES, "completed")}


async def test_each_start_begins_where_it_says(stores: Stores) -> None:
    await a_call(stores, "old", at=0)
    stores.clock.advance(3600)
    now = await stores.subscribe("now", StartPosition())
    await a_call(stores, "new", at=3600)
    earliest = await stores.subscribe("earliest", EARLIEST)
    start = StartPosition(StartKind.RECEIVED_FROM, received_from_us=START_US + 3603 * SECOND)
    timed = await stores.subscribe("timed", start)
    future = await stores.subscribe("future", replace(start, received_from_us=START_US + 10**13))
    assert await stores.read_all(now, await stores.places("now")) == [("new", code) for code in CODES]
    assert len(await stores.read_all(earliest, await stores.places("earliest"))) == 10
    assert await stores.read_all(timed, await stores.places("timed")) == [("new", code) for code in CODES[2:]]
    assert await stores.read_all(future, await stores.places("future")) == []


async def test_a_seek_to_a_position_goes_on_just_behind_it(stores: Stores) -> None:
    subscription = await stores.subscribe(which=BOTH)
    for number in range(5):
        await a_call(stores, f"s{number}")
    heads = await stores.tail.heads()
    for partition, head in heads.items():
        request = TailRequest(TENANT, BOTH, partition, Place(), head, 100)
        deliveries = (await stores.tail.read(request)).deliveries
        for index, delivery in enumerate(deliveries):
            position = delivery.place.position
            to = StartPosition(StartKind.POSITIONS, positions=((partition, position),))
            assert await stores.subscriptions.seek(TENANT, "s", to, stores.now_us)
            place = (await stores.places())[partition]
            assert place == delivery.place
            again = (await stores.tail.read(replace(request, after=place))).deliveries
            assert again == deliveries[index + 1 :]
        assert head.position == (deliveries[-1].place.position if deliveries else 0)
    assert subscription.name == "s"


async def test_a_seek_among_records_that_were_dropped_leaves_out_nothing_that_is_kept(
    stores: Stores, engine: AsyncEngine
) -> None:
    await stores.subscribe(which=BOTH)
    for number in range(12):
        await a_call(stores, f"s{number}")
    heads = await stores.tail.heads()
    partition = max(heads, key=lambda number: heads[number].change_offset)
    request = TailRequest(TENANT, BOTH, partition, Place(), heads[partition], 100)
    before = (await stores.tail.read(request)).deliveries
    # All of the second call of the partition, and of the third: what is left has gaps.
    dropped = [each.event.session_id for each in _events(before) if each.event.code == "22"][1:3]
    async with begin_write(engine) as connection:
        for session_id in dropped:
            for table in (events, call_changes, calls):
                await connection.execute(delete(table).where(table.c.call_key == call_key(TENANT, session_id)))
    kept = [each for each in before if _session_of(each) not in dropped]
    for delivery in before:
        to = StartPosition(StartKind.POSITIONS, positions=((partition, delivery.place.position),))
        assert await stores.subscriptions.seek(TENANT, "s", to, stores.now_us)
        place = (await stores.places())[partition]
        found = [_name(each) for each in (await stores.tail.read(replace(request, after=place))).deliveries]
        wanted = [_name(each) for each in kept if each.place.position > delivery.place.position]
        # Something of before may come again.
        assert found[len(found) - len(wanted) :] == wanted


@pytest.mark.parametrize(
    "start",
    [
        StartPosition(StartKind.POSITIONS, positions=((0, 590_000),)),
        StartPosition(StartKind.RECEIVED_FROM, received_from_us=START_US),
    ],
)
async def test_a_place_in_a_long_log_is_found_without_reading_all_of_it(
    start: StartPosition, stores: Stores, engine: AsyncEngine
) -> None:
    if engine.dialect.name != "sqlite":
        # The same statements: their work is counted where it can be.
        return
    await stores.append(event("15", 1))
    (partition,) = [number for number, head in (await stores.tail.heads()).items() if head.log_offset]
    async with begin_write(engine) as connection:
        numbers = "WITH RECURSIVE n(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM n WHERE g < 100000) "
        columns = "(partition_id, change_offset, log_offset, call_key, revision, stored_day)"
        rows = f"SELECT {partition}, g, g * 5, randomblob(16), 1, 1 FROM n"
        await connection.execute(text(f"INSERT INTO call_changes {columns} {numbers} {rows}"))
        await connection.execute(update(events).values(log_offset=500_000))
        await connection.execute(
            update(partition_heads)
            .where(partition_heads.c.partition_id == partition)
            .values(last_offset=500_000, last_change=100_000)
        )
    if start.kind is StartKind.POSITIONS:
        start = replace(start, positions=((partition, 590_000),))
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1000

    async with engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.set_progress_handler(count, 1000)
        place = (await places_of(connection, start))[partition]
        await driver.set_progress_handler(None, 0)
    assert place == (Place(491_667, 98_333) if start.positions else Place(499_999, 99_999))
    assert steps < 20_000


def _session_of(delivery: Delivery) -> str:
    content = delivery.content
    return content.event.session_id if isinstance(content, LoggedEvent) else content.call.session_id


def _name(delivery: Delivery) -> tuple[str, str]:
    content = delivery.content
    return (_session_of(delivery), content.event.code if isinstance(content, LoggedEvent) else "record")


def _events(deliveries: Sequence[Delivery]) -> list[LoggedEvent]:
    return [each.content for each in deliveries if isinstance(each.content, LoggedEvent)]


@pytest.mark.parametrize("positions", [((99, 0),), ((0, 10_000),), ((0, -1),)])
async def test_positions_that_do_not_exist_are_refused(stores: Stores, positions: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(InvalidArgumentError, match="positions"):
        await stores.subscribe(start=StartPosition(StartKind.POSITIONS, positions=positions))


async def test_a_name_is_taken_once_in_a_tenant(stores: Stores) -> None:
    first = await stores.subscribe()
    again = replace(first, subscription_id="other")
    assert (await stores.subscriptions.create(again, EARLIEST, 100)).subscription_id == first.subscription_id
    with pytest.raises(AlreadyExistsError):
        await stores.subscriptions.create(replace(again, filter=CALLS), EARLIEST, 100)
    foreign = replace(first, subscription_id="foreign", tenant_id="999")
    await stores.subscriptions.create(foreign, EARLIEST, 100)
    with pytest.raises(ResourceExhaustedError):
        await stores.subscriptions.create(replace(first, subscription_id="n", name="n"), EARLIEST, 1)
    assert [each.subscription for each in await stores.subscriptions.list_page(TENANT, "", 10)] == [first]
    assert await stores.subscriptions.delete("999", "s", stores.now_us)
    assert not await stores.subscriptions.delete("999", "s", stores.now_us)
    assert await stores.subscriptions.find(TENANT, "s") == first


async def test_the_backlog_is_what_is_not_acknowledged(stores: Stores) -> None:
    await stores.subscribe()
    await a_call(stores, "s1")
    status = (await stores.subscriptions.list_page(TENANT, "", 10))[0]
    # Five events and the record's first revision behind the last of them.
    assert (status.backlog, status.acknowledged_at_us) == (6, None)


async def test_subscriptions_that_nobody_uses_are_removed(stores: Stores) -> None:
    minute = timedelta(minutes=1)
    durable = await stores.subscribe()
    left = replace(durable, subscription_id="id-left", name="left", remove_unused_us=60 * SECOND)
    await stores.subscriptions.create(left, EARLIEST, 100)
    stores.clock.advance(minute.total_seconds() - 1)
    await stores.renew("a", name="left")
    stores.clock.advance(minute.total_seconds() - 1)
    assert await stores.subscriptions.purge_unused(stores.now_us) == 0
    stores.clock.advance(2)
    assert await stores.subscriptions.purge_unused(stores.now_us) == 1
    assert await stores.subscriptions.find(TENANT, "left") is None
    assert await stores.subscriptions.find(TENANT, "s") == durable
