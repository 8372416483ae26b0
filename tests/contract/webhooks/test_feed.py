"""From the log to the queue: nothing lost, nothing twice, in order, by any number of replicas."""

import asyncio
from dataclasses import replace

import orjson
from sqlalchemy import func, select

from event_service.domain import call_key, partition_of
from event_service.webhooks.domain import MessageType, NewDelivery, WebhookState
from event_service.webhooks.feeder import Feeder, FeedSources
from event_service.webhooks.ports import FeedStep
from event_service.webhooks.sql_schema import webhook_cursors, webhook_deliveries
from tests.contract.webhooks.conftest import (
    LIFETIME_US,
    OTHER_TENANT,
    PARTITIONS,
    TENANT,
    Stores,
    event,
    message,
    of_many_calls,
    open_stores,
)
from tests.support.clock import FakeClock

US = 1_700_000_000_000_000


def feeder(stores: Stores, owner: str = "one") -> Feeder:
    return Feeder(
        FeedSources(stores.log, stores.changes), stores.feed, stores.clock, owner=owner, lifetime_us=LIFETIME_US
    )


async def queued(stores: Stores, webhook_id: str = "wh_1") -> list[tuple[str, str, str]]:
    """Session, type and code or state of each queued message, by id."""
    columns = webhook_deliveries.c
    query = select(columns.session_id, columns.message_type, columns.body).where(columns.webhook_id == webhook_id)
    async with stores.engine.connect() as connection:
        rows = (await connection.execute(query.order_by(columns.delivery_id))).all()
    found = []
    for session_id, kind, body in rows:
        data = orjson.loads(body)["data"]
        found.append((session_id, kind, data["code"] if kind == "call.event" else data["state"]))
    return found


async def feed_all(feeder: Feeder) -> None:
    while await feeder.step():
        pass


async def test_events_and_then_the_record_are_queued(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.append(*(event("s1", code, at_us=US + n) for n, code in enumerate(["15", "31", "40", "22"])))
    await feed_all(feeder(stores))
    assert await queued(stores) == [
        ("s1", "call.event", "15"),
        ("s1", "call.event", "31"),
        ("s1", "call.event", "40"),
        ("s1", "call.event", "22"),
        ("s1", "call.completed", "completed"),
    ]
    await stores.append(event("s1", "44", at_us=US + 9), event("s1", "15"))
    await feed_all(feeder(stores))
    assert (await queued(stores))[5:] == [("s1", "call.event", "44"), ("s1", "call.completed", "completed")]


async def test_what_was_there_before_the_first_start_is_not_sent(database_url: str) -> None:
    async with open_stores(database_url, FakeClock()) as stores:
        await stores.append(event("old", "15"))
        async with stores.engine.begin() as connection:
            await connection.execute(webhook_cursors.delete())
        await stores.add_webhook()
        await stores.feed.prepare()
        await stores.append(event("new", "15"))
        await stores.feed.prepare()
        await feed_all(feeder(stores))
        assert await queued(stores) == [("new", "call.event", "15")]


async def test_while_nobody_wants_messages_positions_move_now_and_then_and_the_log_is_not_read(stores: Stores) -> None:
    assert not await stores.feed.has_subscribers()
    await stores.add_webhook("off", state=WebhookState.DISABLED)
    assert not await stores.feed.has_subscribers()
    mine = feeder(replace(stores, log=NoLog()))  # type: ignore[arg-type]
    await stores.append(event("s1", "15"))
    assert not await mine.step()
    assert await stores.feed.positions("one", stores.now_us) == []
    await stores.append(event("s1", "16"))
    assert not await mine.step()
    assert len(await stores.feed.positions("one", stores.now_us)) == 1
    # Whoever comes now gets what comes from now on; what was left lying may come as well.
    await stores.add_webhook()
    await stores.append(event("s1", "31"))
    await feed_all(feeder(stores))
    assert [code for _, _, code in await queued(stores)] == ["16", "31"]


class NoLog:
    """Nobody may read this."""


async def test_only_what_a_webhook_wants_is_queued_for_it(stores: Stores) -> None:
    await stores.add_webhook("all")
    await stores.add_webhook("codes", event_codes=frozenset({"22"}))
    await stores.add_webhook("records", message_types=frozenset({MessageType.CALL_COMPLETED}))
    await stores.add_webhook("events", message_types=frozenset({MessageType.CALL_EVENT}))
    await stores.add_webhook("theirs", OTHER_TENANT)
    await stores.add_webhook("paused", state=WebhookState.PAUSED, message_types=frozenset({MessageType.CALL_COMPLETED}))
    await stores.add_webhook("disabled", state=WebhookState.DISABLED)
    await stores.append(event("s1", "15"), event("s1", "22", at_us=US + 1))
    await feed_all(feeder(stores))
    record = ("s1", "call.completed", "abandoned")
    events = [("s1", "call.event", "15"), ("s1", "call.event", "22")]
    assert await queued(stores, "all") == [*events, record]
    assert await queued(stores, "codes") == [events[1], record]
    assert await queued(stores, "records") == [record]
    assert await queued(stores, "events") == events
    assert await queued(stores, "paused") == [record]
    assert await queued(stores, "theirs") == await queued(stores, "disabled") == []


async def test_a_position_moves_only_from_where_it_is(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.append(event("s1", "15"))
    (position,) = await stores.feed.positions("one", stores.now_us)
    assert position.log_head == 1
    step = FeedStep(position, 1, 0, [NewDelivery("wh_1", message("s1", 1))])
    expires_us = stores.now_us + LIFETIME_US
    assert list(await stores.feed.commit([step], "one", stores.now_us, expires_us)) == [position.partition_id]
    assert list(await stores.feed.commit([step], "one", stores.now_us, expires_us)) == []
    assert (await stores.desk.counts("wh_1")).pending == 1
    assert await stores.feed.positions("one", stores.now_us) == []


async def test_a_step_may_have_any_number_of_calls_and_webhooks(stores: Stores) -> None:
    """Sixteen partitions of 256 events, each of another call, for four webhooks, and once more behind them."""
    names = [f"wh_{number}" for number in range(4)]
    for name in names:
        await stores.add_webhook(name)
    await stores.enqueue(*(each for name in names for each in of_many_calls(name, 16 * 256 + 1)))
    assert (await stores.desk.counts("wh_3")).pending == 16 * 256 + 1
    first = await stores.lease("wh_3", most=1)
    stores.clock.advance(1)
    await stores.enqueue(*(each for name in names for each in of_many_calls(name, 16 * 256 + 1)))
    await stores.settle(first)
    # Each call has one delivery under way, and the others behind it.
    columns = webhook_deliveries.c
    query = select(columns.state, func.count()).where(columns.webhook_id == "wh_3").group_by(columns.state)
    async with stores.engine.connect() as connection:
        states = {row[0]: row[1] for row in await connection.execute(query)}
    assert states == {"delivered": 1, "pending": 16 * 256 + 1, "waiting": 16 * 256}


async def test_a_partition_is_its_takers_for_ten_seconds_and_then_anybodys(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.append(event("s1", "15"))
    await feed_all(feeder(stores, "one"))
    await stores.append(event("s1", "16"))
    assert await stores.feed.positions("other", stores.now_us) == []
    (position,) = await stores.feed.positions("one", stores.now_us)
    step = FeedStep(position, position.log_head, 0, [])
    assert list(await stores.feed.commit([step], "other", stores.now_us, 1)) == []
    stores.clock.advance(10)
    await feed_all(feeder(stores, "other"))
    assert [code for _, _, code in await queued(stores)] == ["15", "16"]
    await stores.append(event("s1", "31"))
    assert await stores.feed.positions("one", stores.now_us) == []


async def test_a_step_takes_no_more_than_a_batch_and_goes_on_behind_it(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.append(event("s1", "30", at_us=US + 1))
    for start in range(0, 600, 200):
        await stores.append(*(replace(event("s1", "15"), seq=str(n)) for n in range(start, start + 200)))
    steps = 0
    while await feeder(stores).step():
        steps += 1
    found = await queued(stores)
    assert steps == 3
    assert len(found) == 602
    # The record was over from the start; it comes once, behind all the events that it follows from.
    assert [place for place, each in enumerate(found) if each[1] == "call.completed"] == [601]


async def test_replicas_and_writers_at_once_lose_nothing_and_double_nothing(
    two_replicas: tuple[Stores, Stores],
) -> None:
    one, other = two_replicas
    await one.add_webhook()
    calls = [f"c{number}" for number in range(30)]
    written = asyncio.Event()

    async def write(part: int) -> None:
        for name in calls[part::3]:
            for number, code in enumerate(("15", "16", "30")):
                await one.append(event(name, code, at_us=US + number))

    async def feed(stores: Stores, owner: str) -> None:
        mine = feeder(stores, owner)
        while True:
            was_written = written.is_set()
            moved = await mine.step()
            if not moved and was_written and not await stores.feed.positions(owner, stores.now_us):
                return
            # Terms end, so that the partitions change hands again and again.
            stores.clock.advance(4)

    feeding = [asyncio.create_task(feed(one, "one")), asyncio.create_task(feed(other, "other"))]
    await asyncio.gather(*(write(part) for part in range(3)))
    written.set()
    await asyncio.gather(*feeding)
    found = await queued(one)
    for name in calls:
        mine = [(kind, what) for session_id, kind, what in found if session_id == name]
        assert mine == [
            ("call.event", "15"),
            ("call.event", "16"),
            ("call.event", "30"),
            ("call.completed", "unreached"),
        ]
    assert len(found) == 4 * len(calls)
    assert len({partition_of(call_key(TENANT, name), PARTITIONS) for name in calls}) == PARTITIONS
