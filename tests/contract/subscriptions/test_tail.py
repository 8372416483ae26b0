"""What is read of the log: complete, in order, filtered, with positions that mean the same each time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from common.errors import AlreadyExistsError, InvalidArgumentError, ResourceExhaustedError
from event_service.subscriptions.domain import (
    Place,
    StartKind,
    StartPosition,
    Subscription,
    SubscriptionContent,
    SubscriptionFilter,
)
from event_service.subscriptions.ports import TailRequest
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
    assert await stores.subscriptions.delete("999", "s")
    assert not await stores.subscriptions.delete("999", "s")
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
