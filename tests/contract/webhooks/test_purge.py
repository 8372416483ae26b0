"""The queue and the logs stay bounded, and nothing vanishes that was not delivered."""

import asyncio
import random
from dataclasses import replace

from sqlalchemy import func, select

from event_service.sql_database import EventDatabase
from event_service.webhooks.circuit import CircuitRules
from event_service.webhooks.domain import NewDelivery, Verdict, WebhookLimits, WebhookState
from event_service.webhooks.ports import PurgeBounds
from event_service.webhooks.sql_queue import SqlDeliveryQueue
from event_service.webhooks.sql_schema import webhook_deliveries
from tests.contract.webhooks.conftest import (
    LIFETIME_US,
    SECOND,
    Stores,
    message,
    of_many_calls,
    of_one_call,
)

BOUNDS = PurgeBounds(delivered_us=100 * SECOND, dead_us=1000 * SECOND, attempts=5)


async def rows(stores: Stores) -> int:
    async with stores.engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(webhook_deliveries))).scalar_one()


async def test_delivered_ones_go_after_their_time(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_many_calls("wh_1", 4))
    await stores.settle(await stores.lease("wh_1"))
    stores.clock.advance(99)
    assert (await stores.purger.purge(BOUNDS, stores.now_us, 3)).total == 0
    stores.clock.advance(1)
    assert (await stores.purger.purge(BOUNDS, stores.now_us, 3)).deleted == 3
    assert (await stores.purger.purge(BOUNDS, stores.now_us, 3)).deleted == 1
    assert await rows(stores) == 0


async def test_dead_letters_stay_longer(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_many_calls("wh_1", 1))
    await stores.settle(await stores.lease("wh_1"), Verdict.DEAD)
    stores.clock.advance(999)
    await stores.purger.purge(BOUNDS, stores.now_us, 10)
    assert len(await stores.desk.dead_letters("wh_1", 0, 10, bodies=False)) == 1
    stores.clock.advance(1)
    await stores.purger.purge(BOUNDS, stores.now_us, 10)
    assert await rows(stores) == 0


async def test_the_latest_attempts_stay(stores: Stores) -> None:
    await stores.add_webhook("wh_1")
    await stores.add_webhook("wh_2")
    for _ in range(8):
        for name in ("wh_1", "wh_2"):
            await stores.enqueue(*of_many_calls(name, 1))
            await stores.settle(await stores.lease(name))
    before = await stores.desk.attempts("wh_1", "", 1 << 62, 100)
    assert (await stores.purger.purge(BOUNDS, stores.now_us, 100)).deleted == 6
    assert await stores.desk.attempts("wh_1", "", 1 << 62, 100) == before[:5]
    assert len(await stores.desk.attempts("wh_2", "", 1 << 62, 100)) == 5
    assert (await stores.purger.purge(BOUNDS, stores.now_us, 100)).total == 0


async def test_what_is_out_of_time_becomes_a_dead_letter_and_nothing_else_does(stores: Stores) -> None:
    webhook = await stores.add_webhook()
    await stores.enqueue(*of_one_call("wh_1", "s1", 2), *of_one_call("wh_1", "s2", 1))
    await stores.webhooks.update(replace(webhook, state=WebhookState.PAUSED, revision=2))
    stores.clock.advance(LIFETIME_US / SECOND - 1)
    await stores.enqueue(NewDelivery("wh_1", message("s1", 2)))
    assert (await stores.purger.purge(BOUNDS, stores.now_us, 100)).expired == 0
    stores.clock.advance(1)
    assert (await stores.purger.purge(BOUNDS, stores.now_us, 100)).expired == 3
    letters = await stores.desk.dead_letters("wh_1", 0, 10, bodies=False)
    assert {letter.reason for letter in letters} == {"not delivered in time"}
    await stores.webhooks.update(replace(webhook, revision=3))
    assert [lease.message_id for lease in await stores.lease("wh_1")] == ["evt_s1_2"]


async def test_what_is_under_way_is_left_to_its_sender_until_its_lease_ends(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_one_call("wh_1", "s1", 1))
    stores.clock.advance(LIFETIME_US / SECOND)
    (lease,) = await stores.lease("wh_1")
    assert (await stores.purger.purge(BOUNDS, stores.now_us, 100)).expired == 0
    stores.clock.advance(45)
    assert (await stores.purger.purge(BOUNDS, stores.now_us, 100)).expired == 1
    assert await stores.settle([lease]) == 0


async def test_a_disabled_webhooks_messages_become_dead_letters_and_can_be_replayed(stores: Stores) -> None:
    webhook = await stores.add_webhook()
    await stores.enqueue(*of_one_call("wh_1", "s1", 3), *of_one_call("wh_1", "s2", 2))
    await stores.webhooks.update(replace(webhook, state=WebhookState.DISABLED, revision=2))
    expired = 0
    while done := (await stores.purger.purge(BOUNDS, stores.now_us, 2)).expired:
        expired += done
    letters = await stores.desk.dead_letters("wh_1", 0, 10, bodies=False)
    assert expired == len(letters) == 5
    assert {letter.reason for letter in letters} == {"the webhook is disabled"}
    await stores.webhooks.update(replace(webhook, revision=3))
    ids = [letter.delivery_id for letter in letters]
    assert await stores.desk.replay("wh_1", ids, stores.now_us, stores.now_us + LIFETIME_US) == 5
    order = []
    while leases := await stores.lease("wh_1"):
        order += [lease.message_id for lease in leases]
        await stores.settle(leases)
    assert [name for name in order if "_s1_" in name] == ["evt_s1_0", "evt_s1_1", "evt_s1_2"]
    assert [name for name in order if "_s2_" in name] == ["evt_s2_0", "evt_s2_1"]


async def test_everything_at_once_loses_no_message_and_keeps_each_calls_order(
    two_replicas: tuple[Stores, Stores],
) -> None:
    """Queueing, leasing, settling, giving up, purging and replaying from two replicas, over few calls."""
    # Failures are meant to be many here, and no pause is to come of them.
    one, other = (
        replace(each, queue=SqlDeliveryQueue(EventDatabase(each.engine), CircuitRules(failures=10**6)))
        for each in two_replicas
    )
    await one.add_webhook(limits=WebhookLimits(max_in_flight=64))
    chance = random.Random(5)
    calls, per_call = 4, 12
    delivered: list[str] = []
    under_way: set[str] = set()
    queued, finished = asyncio.Event(), asyncio.Event()

    async def queue() -> None:
        for number in range(per_call):
            await one.enqueue(*(NewDelivery("wh_1", message(f"s{call}", number)) for call in range(calls)))
            one.clock.advance(0.001)
        queued.set()

    async def send(stores: Stores, token: str) -> None:
        while not finished.is_set():
            leases = await stores.lease("wh_1", token=token, most=3)
            for lease in leases:
                session = lease.message_id.split("_")[1]
                assert session not in under_way, "two of one call are under way"
                under_way.add(session)
            await asyncio.sleep(0)
            good = [lease for lease in leases if chance.random() < 0.7]
            bad = [lease for lease in leases if lease not in good]
            delivered.extend(lease.message_id for lease in good)
            for lease in leases:
                under_way.discard(lease.message_id.split("_")[1])
            assert await stores.settle(good) == len(good)
            assert await stores.settle(bad, Verdict.DEAD, reason="given up") == len(bad)

    async def tidy(stores: Stores) -> None:
        while True:
            was_queued = queued.is_set()
            await stores.purger.purge(PurgeBounds(10**15, 10**15, 50), stores.now_us, 5)
            letters = await stores.desk.dead_letters("wh_1", 0, 3, bodies=False)
            ids = [letter.delivery_id for letter in letters]
            await stores.desk.replay("wh_1", ids, stores.now_us, stores.now_us + LIFETIME_US)
            counts = await stores.desk.counts("wh_1")
            if was_queued and not counts.pending and not counts.dead:
                finished.set()
                return

    async with asyncio.timeout(90):
        await asyncio.gather(queue(), send(one, "a"), send(other, "b"), tidy(other))
    assert len(delivered) == len(set(delivered)) == calls * per_call
