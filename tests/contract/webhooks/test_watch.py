"""What the metrics say of the whole queue."""

from event_service.sql_database import EventDatabase
from event_service.webhooks.domain import Verdict
from event_service.webhooks.ports import QueueState
from event_service.webhooks.sql_watch import SqlQueueWatch
from tests.contract.webhooks.conftest import RULES, SECOND, Stores, of_many_calls


async def test_an_empty_queue(stores: Stores) -> None:
    assert await SqlQueueWatch(EventDatabase(stores.engine)).look() == QueueState(0, None, 0, 0)


async def test_what_waits_what_is_dead_and_who_is_held_back(stores: Stores) -> None:
    watch = SqlQueueWatch(EventDatabase(stores.engine))
    await stores.add_webhook("wh_1")
    await stores.add_webhook("wh_2")
    began_us = stores.now_us
    await stores.enqueue(*of_many_calls("wh_1", 3))
    stores.clock.advance(10)
    await stores.enqueue(*of_many_calls("wh_2", 1))
    assert await watch.look() == QueueState(4, began_us, 0, 0)
    # As many failures as open the circuit.
    leases = await stores.lease("wh_1")
    assert len(leases) == RULES.failures
    await stores.settle(leases, Verdict.DEAD, reason="every attempt failed")
    assert await watch.look() == QueueState(1, began_us + 10 * SECOND, 3, 1)
    await stores.settle(await stores.lease("wh_2"))
    assert await watch.look() == QueueState(0, None, 3, 1)
