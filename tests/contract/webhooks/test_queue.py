"""Leases, order, limits and what settling does."""

import asyncio
from dataclasses import replace

from event_service.webhooks.circuit import CircuitState
from event_service.webhooks.domain import HttpResult, NewDelivery, Verdict, WebhookLimits, WebhookState
from tests.contract.webhooks.conftest import (
    MARGIN_US,
    SECOND,
    TENANT,
    Stores,
    message,
    of_many_calls,
    of_one_call,
    settlement,
)


async def test_what_is_queued_is_due_leased_once_and_done_when_it_is_delivered(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(NewDelivery("wh_1", message("s1", 7)))
    assert await stores.queue.due(stores.now_us) == ["wh_1"]
    (lease,) = await stores.lease("wh_1")
    assert (lease.message_id, lease.body, lease.attempt) == ("evt_s1_7", b'{"n":7}', 1)
    assert await stores.lease("wh_1", token="t2") == []
    assert await stores.queue.due(stores.now_us) == []
    assert await stores.settle([lease]) == 1
    assert (await stores.desk.counts("wh_1")).pending == 0
    stores.clock.advance(10_000)
    assert await stores.lease("wh_1") == []


async def test_messages_of_a_call_go_one_by_one_in_their_order(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_one_call("wh_1", "s1", 3), *of_one_call("wh_1", "s2", 1))
    order = []
    leases = await stores.lease("wh_1")
    assert sorted(lease.message_id for lease in leases) == ["evt_s1_0", "evt_s2_0"]
    # What comes meanwhile stands behind them.
    await stores.enqueue(NewDelivery("wh_1", message("s1", 3)))
    while leases:
        order += [lease.message_id for lease in leases if "s1" in lease.message_id]
        await stores.settle(leases)
        leases = await stores.lease("wh_1")
        assert len(leases) <= 1
    assert order == ["evt_s1_0", "evt_s1_1", "evt_s1_2", "evt_s1_3"]


async def test_a_message_that_is_tried_again_holds_up_its_call_and_no_other(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_one_call("wh_1", "s1", 2), *of_one_call("wh_1", "s2", 2))
    leases = await stores.lease("wh_1")
    first = [lease for lease in leases if lease.message_id == "evt_s1_0"]
    await stores.settle(first, Verdict.RETRY, retry_at_us=stores.now_us + 60 * SECOND)
    await stores.settle([lease for lease in leases if lease not in first])
    others = await stores.lease("wh_1")
    assert [lease.message_id for lease in others] == ["evt_s2_1"]
    await stores.settle(others)
    stores.clock.advance(59)
    assert await stores.lease("wh_1") == []
    stores.clock.advance(1)
    (again,) = await stores.lease("wh_1")
    assert (again.message_id, again.attempt) == ("evt_s1_0", 2)


async def test_a_dead_message_makes_way_for_the_next_of_its_call(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_one_call("wh_1", "s1", 2))
    await stores.settle(await stores.lease("wh_1"), Verdict.DEAD, reason="every attempt failed")
    assert [lease.message_id for lease in await stores.lease("wh_1")] == ["evt_s1_1"]
    (letter,) = await stores.desk.dead_letters("wh_1", 0, 10, bodies=True)
    assert (letter.message_id, letter.attempts, letter.reason) == ("evt_s1_0", 1, "every attempt failed")
    assert (letter.last_status_code, letter.last_error) == (500, "answered with HTTP status 500")
    assert (letter.body, letter.session_id) == (b'{"n":0}', "s1")
    assert (await stores.desk.dead_letters("wh_1", 0, 10, bodies=False))[0].body == b""


async def test_a_lease_that_ran_out_goes_to_somebody_else_and_then_counts_only_there(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_one_call("wh_1", "s1", 2))
    (crashed,) = await stores.lease("wh_1", token="dead replica")
    assert crashed.leased_until_us == stores.now_us + 15 * SECOND + MARGIN_US
    stores.clock.advance(44.9)
    assert await stores.queue.due(stores.now_us) == []
    stores.clock.advance(0.1)
    assert await stores.queue.due(stores.now_us) == ["wh_1"]
    (taken,) = await stores.lease("wh_1", token="live replica")
    assert (taken.delivery_id, taken.attempt) == (crashed.delivery_id, 1)
    assert await stores.settle([crashed], Verdict.DEAD) == 0
    assert await stores.settle([taken]) == 1
    assert await stores.settle([crashed]) == 0
    assert (await stores.desk.counts("wh_1")).dead == 0
    assert [lease.message_id for lease in await stores.lease("wh_1")] == ["evt_s1_1"]


async def test_of_two_attempts_that_are_settled_together_the_one_whose_lease_stands_counts(stores: Stores) -> None:
    """As after the database was away for longer than a lease: the first attempt was kept, and another one was made."""
    await stores.add_webhook()
    await stores.enqueue(*of_one_call("wh_1", "s1", 2))
    (first,) = await stores.lease("wh_1", token="t1")
    stores.clock.advance(60)
    (second,) = await stores.lease("wh_1", token="t2")
    both = [settlement(first, Verdict.RETRY, retry_at_us=1), settlement(second, Verdict.DELIVERED)]
    assert await stores.queue.settle(both, stores.now_us) == 1
    assert len(await stores.desk.attempts("wh_1", "", 1 << 60, 10)) == 1
    assert [lease.message_id for lease in await stores.lease("wh_1")] == ["evt_s1_1"]


async def test_what_is_given_back_is_due_at_once_and_was_no_attempt(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_one_call("wh_1", "s1", 1))
    (lease,) = await stores.lease("wh_1")
    await stores.queue.release([replace(lease, lease_token="somebody else's")], stores.now_us)
    assert await stores.lease("wh_1") == []
    await stores.queue.release([lease], stores.now_us)
    (again,) = await stores.lease("wh_1", token="t2")
    assert again.attempt == 1


async def test_no_more_is_under_way_than_the_endpoint_may_have(stores: Stores) -> None:
    await stores.add_webhook(limits=WebhookLimits(max_in_flight=3))
    await stores.enqueue(*of_many_calls("wh_1", 10))
    leases = await stores.lease("wh_1", token="a")
    assert len(leases) == 3
    assert await stores.lease("wh_1", token="b") == []
    await stores.settle(leases[:1])
    assert len(await stores.lease("wh_1", token="b", most=5)) == 1
    # What a dead replica had under way does not count for ever.
    stores.clock.advance(46)
    assert len(await stores.lease("wh_1", token="c")) == 3


async def test_the_taker_says_how_many_it_has_room_for(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_many_calls("wh_1", 10))
    assert len(await stores.lease("wh_1", most=2)) == 2
    assert await stores.lease("wh_1", most=0) == []


async def test_replicas_that_lease_at_once_stay_within_the_limit_together(
    two_replicas: tuple[Stores, Stores],
) -> None:
    one, other = two_replicas
    await one.add_webhook(limits=WebhookLimits(max_in_flight=4))
    await one.enqueue(*of_many_calls("wh_1", 40))
    for _ in range(5):
        tries = [replica.lease("wh_1", token=f"{number}") for number in range(4) for replica in (one, other)]
        leases = [lease for found in await asyncio.gather(*tries) for lease in found]
        assert 0 < len(leases) <= 4
        assert len({lease.delivery_id for lease in leases}) == len(leases)
        await one.settle(leases)


async def test_a_rate_bounds_how_many_are_sent_in_a_second(stores: Stores) -> None:
    await stores.add_webhook(limits=WebhookLimits(max_in_flight=64, max_per_second=10))
    await stores.enqueue(*of_many_calls("wh_1", 60))
    sent = 0
    for _ in range(30):
        leases = await stores.lease("wh_1")
        sent += len(leases)
        await stores.settle(leases)
        stores.clock.advance(0.1)
    assert 30 <= sent <= 33


async def test_after_failures_in_a_row_it_pauses_then_tries_one_by_one(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_many_calls("wh_1", 20))
    leases = await stores.lease("wh_1", most=3)
    await stores.settle(leases, Verdict.RETRY, retry_at_us=stores.now_us + 3600 * SECOND)
    health = await stores.desk.health("wh_1")
    assert health.circuit(stores.now_us) is CircuitState.OPEN
    assert health.last_error == "answered with HTTP status 500"
    assert await stores.queue.due(stores.now_us) == []
    assert await stores.lease("wh_1") == []
    stores.clock.advance(30)
    (probe,) = await stores.lease("wh_1")
    assert await stores.lease("wh_1") == []
    await stores.settle([probe], Verdict.RETRY, retry_at_us=stores.now_us + 3600 * SECOND)
    stores.clock.advance(59)
    assert await stores.lease("wh_1") == []
    stores.clock.advance(1)
    await stores.settle(await stores.lease("wh_1"))
    assert (await stores.desk.health("wh_1")).circuit(stores.now_us) is CircuitState.CLOSED
    assert len(await stores.lease("wh_1")) == 8


async def test_an_endpoint_that_asks_for_patience_gets_it(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_many_calls("wh_1", 3))
    (lease,) = await stores.lease("wh_1", most=1)
    busy = settlement(lease, Verdict.RETRY, retry_at_us=stores.now_us + 120 * SECOND)
    result = HttpResult(429, "answered with HTTP status 429", retry_after_seconds=120.0)
    busy = replace(busy, attempt=replace(busy.attempt, result=result))
    await stores.queue.settle([busy], stores.now_us)
    stores.clock.advance(119)
    assert await stores.lease("wh_1") == []
    stores.clock.advance(1)
    assert len(await stores.lease("wh_1")) == 3


async def test_an_endpoint_that_is_gone_is_disabled(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_many_calls("wh_1", 3))
    leases = await stores.lease("wh_1", most=1)
    await stores.settle(leases, Verdict.DEAD, reason="the endpoint is gone", gone=True)
    webhook = await stores.webhooks.get(TENANT, "wh_1")
    assert webhook is not None
    assert (webhook.state, webhook.revision) == (WebhookState.DISABLED, 2)
    assert "410" in webhook.state_reason
    assert await stores.lease("wh_1") == []
    assert await stores.feed.subscribers([TENANT]) == []


async def test_a_paused_webhook_gathers_and_sends_nothing(stores: Stores) -> None:
    webhook = await stores.add_webhook()
    await stores.enqueue(*of_many_calls("wh_1", 2))
    await stores.webhooks.update(replace(webhook, state=WebhookState.PAUSED, revision=2))
    assert await stores.lease("wh_1") == []
    assert [w.webhook_id for w in await stores.feed.subscribers([TENANT])] == ["wh_1"]
    await stores.webhooks.update(replace(webhook, state=WebhookState.ENABLED, revision=3))
    assert len(await stores.lease("wh_1")) == 2


async def test_one_endpoint_s_backlog_is_no_matter_to_another(stores: Stores) -> None:
    await stores.add_webhook("wh_1")
    await stores.add_webhook("wh_2")
    await stores.enqueue(*of_many_calls("wh_1", 200), *of_many_calls("wh_2", 1))
    leases = await stores.lease("wh_1", "wh_2")
    assert sum(lease.webhook_id == "wh_1" for lease in leases) == 8
    assert sum(lease.webhook_id == "wh_2" for lease in leases) == 1


async def test_attempts_are_logged_newest_first_and_by_message(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_one_call("wh_1", "s1", 1), *of_one_call("wh_1", "s2", 1))
    leases = await stores.lease("wh_1")
    await stores.settle(leases, Verdict.RETRY, retry_at_us=stores.now_us)
    await stores.settle(await stores.lease("wh_1"))
    attempts = await stores.desk.attempts("wh_1", "", 1 << 62, 3)
    assert len(attempts) == 3
    assert [attempt.number for attempt in attempts] == [2, 2, 1]
    assert [attempt.attempt_id for attempt in attempts] == sorted((a.attempt_id for a in attempts), reverse=True)
    rest = await stores.desk.attempts("wh_1", "", attempts[-1].attempt_id, 3)
    assert [attempt.number for attempt in rest] == [1]
    own = await stores.desk.attempts("wh_1", "evt_s1_0", 1 << 62, 10)
    assert [(a.number, a.result.error, a.result.status_code) for a in own] == [
        (2, "", 200),
        (1, "answered with HTTP status 500", 500),
    ]


async def test_dead_letters_are_replayed_in_their_old_place(stores: Stores) -> None:
    await stores.add_webhook()
    await stores.enqueue(*of_one_call("wh_1", "s1", 3))
    for _ in range(2):
        await stores.settle(await stores.lease("wh_1"), Verdict.DEAD, reason="every attempt failed")
    under_way = await stores.lease("wh_1")
    assert [lease.message_id for lease in under_way] == ["evt_s1_2"]
    letters = [letter.delivery_id for letter in await stores.desk.dead_letters("wh_1", 0, 10, bodies=False)]
    later_us = stores.now_us + 7200 * SECOND
    assert await stores.desk.replay("wh_1", [*letters, 999_999], stores.now_us, later_us) == 2
    assert await stores.desk.replay("wh_1", letters, stores.now_us, later_us) == 0
    # One of the call is under way, so they wait for it, and then go before what comes later.
    assert await stores.lease("wh_1") == []
    await stores.enqueue(NewDelivery("wh_1", message("s1", 3)))
    order = []
    leases = under_way
    while leases:
        order += [(lease.message_id, lease.attempt) for lease in leases]
        await stores.settle(leases)
        leases = await stores.lease("wh_1")
        assert len(leases) <= 1
    assert order == [("evt_s1_2", 1), ("evt_s1_0", 1), ("evt_s1_1", 1), ("evt_s1_3", 1)]
    assert (await stores.desk.counts("wh_1")).dead == 0
